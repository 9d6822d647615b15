"""Who did what in a team's server, from the lines that it has written to the journal (in_mlflow/audit.py).

A line counts only from a process of the team's own unit and account, which journald itself adds to each: whoever else
writes lines that look like these has others.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import pwd
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from mlflowctl import causes, commands, databases, errors, redaction
from mlflowctl import team as teams
from mlflowctl.cli import USAGE, WELL
from mlflowctl.errors import ODD, Problem
from mlflowctl.in_mlflow.audit import IDENTIFIER
from mlflowctl.program import PROGRAM
from mlflowctl.status import table
from mlflowctl.team import Team

Told = dict[str, Any]
# By the number of an experiment.
Names = dict[str, str]

# For a journal of many gigabytes, and for the database of a busy server.
READ_SECONDS, ASK_SECONDS = 600, 60
# As MLflow numbers experiments; and how many are asked for at most, which all stand in one command.
NUMBER, MOST = re.compile(r"[0-9]{1,18}"), 1000
NAMES = "SELECT coalesce(jsonb_object_agg(experiment_id, name), '{}') FROM experiments WHERE experiment_id IN (%s);"
READ_ONLY = "SET default_transaction_read_only = on;"
REFUSED = (401, 403)
# What a line says of anything, or a list of that.
VALUES = (str, int, float, type(None))
# What needs no quotes in a table, so that nothing looks like a column of its own.
PLAIN = re.compile(r"[\w.:/@+-]+")
# So many blanks lead to the next column, or to the next line of a terminal.
BLANKS = re.compile(" {3,}")
HEADS = ["TIME", "USER", "FROM", "WHAT", "OF WHAT", "ANSWER"]


class SpanError(Problem):
    """A time is none."""


def account_of(team: Team) -> int:
    """Return the number of a team's account."""
    try:
        return pwd.getpwnam(team.account).pw_uid
    except KeyError:
        raise Problem(f"{team.name}: there is no account {team.account}") from None


def lines(team: Team, *span: str) -> Iterator[Told]:
    """Yield what a team's server has said in a span of time, the first first."""
    # What is longer than 4 kB is left out without --all.
    options = ["--quiet", "--no-pager", "--all", "--output=json", "--output-fields=MESSAGE", *span]
    trusted = [f"_SYSTEMD_UNIT={team.server}", f"_UID={account_of(team)}", "_TRANSPORT=journal"]
    command = ["journalctl", *options, *trusted, f"SYSLOG_IDENTIFIER={IDENTIFIER}"]
    try:
        for line in commands.lines(command, unread, READ_SECONDS):
            if told := read(line.decode(errors="replace")):
                yield told
    except commands.LateError as error:
        raise Problem(f"{error}; ask for less, with --since and --until") from None


def unread(said: str) -> Problem:
    """Return why a journal was not read to its end."""
    return (SpanError if "parse timestamp" in said else Problem)(causes.shown(said))


def read(line: str) -> Told | None:
    """Return what an entry says; None for one that says nothing of this kind."""
    try:
        told = json.loads(json.loads(line)["MESSAGE"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return told if is_line(told) else None


def is_line(told: Any) -> bool:
    """Say whether it is what audit.py writes: whatever else the team's own processes say in its name ends nothing."""
    if not isinstance(told, dict) or not isinstance(told.get("resource"), dict):
        return False
    said = [*told["resource"].values(), *(value for key, value in told.items() if key != "resource")]
    flat = [it for each in said for it in (each if isinstance(each, list) else [each])]
    return isinstance(told.get("route"), str) and all(isinstance(it, VALUES) for it in flat)


def learn(names: Names, told: Told) -> None:
    """Note what an experiment is called from now on."""
    key = {"experiments/create": "name", "experiments/update": "new_name"}.get(told.get("route", ""))
    number, name = told["resource"].get("experiment_id"), told["resource"].get(key)
    if key and told.get("status") == 200 and isinstance(number, str) and isinstance(name, str):
        names[number] = name


def experiments_of(told: Told) -> list[str]:
    """Return the numbers of the experiments that a line is about."""
    found = [told["resource"].get("experiment_id"), told["resource"].get("experiment_ids")]
    flat = [it for each in found for it in (each if isinstance(each, list) else [each])]
    return [it for it in flat if isinstance(it, str) and NUMBER.fullmatch(it)]


def is_wanted(told: Told, options: argparse.Namespace) -> bool:
    """Say whether a line is among those that are asked for."""
    return (
        (options.user is None or options.user in (told.get("user"), told.get("claimed_user")))
        and (options.route is None or fnmatch.fnmatchcase(str(told.get("route")), options.route))
        and (not options.refused or told.get("status") in REFUSED)
    )


def found_in(team: Team, options: argparse.Namespace) -> list[Told]:
    """Return the lines that are asked for, each with the names of experiments as they were then."""
    names: Names = {}
    span = [f"--{it}={getattr(options, it)}" for it in ("since", "until") if getattr(options, it)]
    if options.since:
        # What was made before is named there.
        for told in lines(team, f"--until={options.since}"):
            learn(names, told)
    found = []
    for told in lines(team, *span):
        learn(names, told)
        if is_wanted(told, options):
            known = {it: names[it] for it in experiments_of(told) if it in names}
            found.append({**told, "experiments": known})
    return found


def ask_databases(team: Team, numbers: Iterable[str]) -> Names:
    """Return what the team's databases call experiments today, as its account; what was collected is in none."""
    asked = [str(int(it)) for it in numbers][:MOST]
    found: Names = {}
    for database in team.databases if asked else ():
        kind = databases.kind(database)
        if database["name"] == "auth":
            continue
        if kind == "sqlite" and database["file"]:
            command = [*PROGRAM, "database", "experiment_names", database["file"], *asked]
            found.update(json.loads(databases.run(team, command, ASK_SECONDS, memory=commands.ASK_MEMORY)))
        elif kind == "postgresql":
            found.update(json.loads(databases.ask(team, database, READ_ONLY + NAMES % ", ".join(asked))))
    return found


def name_the_rest(team: Team, found: list[Told]) -> None:
    """Add the names that no line has told, where they can be had."""
    unnamed = {it: None for told in found for it in experiments_of(told) if it not in told["experiments"]}
    try:
        names = ask_databases(team, unnamed)
    except (Problem, OSError, *ODD) as error:
        why = causes.shown(redaction.hidden(str(error)))
        print(f"{team.name}: its database does not say what experiments are called: {why}", file=sys.stderr)
        return
    for told in found:
        told["experiments"] = {it: names[it] for it in experiments_of(told) if it in names} | told["experiments"]


def shown(value: Any) -> str:
    """Return a value of somebody's choice so that it does nothing to a terminal, and is one value in a table."""
    text = value if isinstance(value, str) else json.dumps(value)
    if PLAIN.fullmatch(text) and not any(map(errors.hides, text)):
        return text
    quoted = errors.named(text.replace("\\", "\\\\").replace('"', '\\"'))
    escaped = BLANKS.sub(lambda blanks: r"\x20" * len(blanks[0]), quoted)
    return f'"{escaped}"'


def who(told: Told) -> str:
    """Return whom it is from, and by what."""
    if told.get("user") is None:
        claimed = told.get("claimed_user")
        return "nobody" if claimed is None else f"nobody (says {shown(claimed)})"
    return shown(told["user"]) + (" (mlops.mlflow)" if told.get("agent") == "mlops.mlflow" else "")


def where_from(told: Told) -> str:
    """Return where it came from: what a proxy saw, or what anybody can say."""
    if "address" in told:
        return shown(told["address"])
    return f"{shown(told['claimed_address'])}?" if "claimed_address" in told else "-"


def of_what(told: Told) -> str:
    """Return what it was done to, each number of an experiment with its name."""
    resource = told["resource"]
    parts = [f"{shown(key)}={shown(value)}" for key, value in resource.items()]
    said = (resource.get("name"), resource.get("new_name"))
    named = [f"({shown(name)})" for name in told["experiments"].values() if name not in said]
    return " ".join([*parts, *named]) or "-"


def answer(told: Told) -> str:
    """Return what came of it, and how often."""
    status = "gone" if told.get("status") is None else shown(told["status"])
    return f"{status}, {shown(told['count'])} times more" if "count" in told else status


def row(told: Told) -> list[str]:
    """Return a line of the table."""
    what = f"{shown(told.get('method'))} {shown(told.get('route'))}"
    return [shown(told.get("time")), who(told), where_from(told), what, of_what(told), answer(told)]


def parse(words: tuple[str, ...]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("mlflowctl audit", description="Who did what in a team's server.")
    parser.add_argument("team")
    parser.add_argument("--user", help="of this person, also where somebody only said to be that")
    parser.add_argument("--since", metavar="TIME", help="as journalctl takes it: yesterday, '2 hours ago'")
    parser.add_argument("--until", metavar="TIME", help="the same")
    parser.add_argument("--route", metavar="PATTERN", help="what was done: experiments/delete, 'users/*'")
    parser.add_argument("--refused", action="store_true", help="only what was refused")
    parser.add_argument("--json", action="store_true", help="as JSON, a list with an object for each line")
    return parser.parse_args(list(words))


def main(*words: str) -> int:
    """Say it."""
    options = parse(words)
    team = teams.load(options.team)
    if not causes.journal_keeps():
        raise Problem(causes.where(team.server))
    try:
        found = found_in(team, options)
    except SpanError as error:
        print(errors.shown(error), file=sys.stderr)
        return USAGE
    name_the_rest(team, found)
    if options.json:
        print(json.dumps(found, indent=2))
        return WELL
    print(table([HEADS, *map(row, found)]) if found else "the journal has nothing of it")
    missed = sum(it["missed"] for it in found if isinstance(it.get("missed"), int))
    if missed:
        print(f"{missed} more lines were not taken by the journal", file=sys.stderr)
    return WELL
