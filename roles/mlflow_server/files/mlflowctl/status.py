"""What there is to say of the teams of this host, without waking anybody or asking a repository."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from mlflowctl import commands, databases, drained, patience, systemd, transaction, turns
from mlflowctl import team as teams
from mlflowctl.errors import Problem
from mlflowctl.team import Team

Say = Callable[[Team, dict[str, dict[str, str]]], dict[str, Any]]
# For each of a team's disks.
DISK_SECONDS = 20
PROPERTIES = ("ActiveState", "SubState", "ActiveEnterTimestampMonotonic", "InactiveEnterTimestampMonotonic")


def units_of(name: str) -> tuple[str, str]:
    """Return a team's server, and the socket in front of it."""
    return f"mlflow@{name}.service", f"mlflow-listen@{name}.socket"


def state_of(server: dict[str, str], socket: dict[str, str]) -> tuple[str, float | None]:
    """Say in a word whether a team is served, and since when it is so."""
    active = server.get("ActiveState", "inactive")
    if active == "active":
        return "awake", systemd.moment(server.get("ActiveEnterTimestampMonotonic", ""))
    since = systemd.moment(server.get("InactiveEnterTimestampMonotonic", ""))
    if active != "inactive":
        return {"activating": "starting", "deactivating": "ending"}.get(active, active), since
    if socket.get("ActiveState") == "active":
        return "asleep", since or systemd.moment(socket.get("ActiveEnterTimestampMonotonic", ""))
    return "stopped", since


def sizes(team: Team) -> list[dict[str, Any]]:
    """Return a team's databases with their sizes; None for one that does not say it."""
    found = []
    for database in team.databases:
        size = None
        with contextlib.suppress(Problem, OSError, ValueError):
            size = databases.size(team, database)
        found.append({"name": database["name"], "kind": databases.kind(database), "bytes": size})
    return found


def brief(team: Team, shown: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return what there is to say of one without looking at its databases."""
    state, since = state_of(*(shown.get(unit, {}) for unit in units_of(team.name)))
    moment = drained.since(team.name)
    if moment is not None:
        state, since = "drained", moment
    port = urlsplit(team.tracking_uri).port
    return {"team": team.name, "version": team.version, "state": state, "since": since, "port": port}


def room(team: Team) -> int | None:
    """Return how many bytes are free where a team's data are."""
    with contextlib.suppress(OSError):
        return shutil.disk_usage(team.state_dir).free
    return None


def of_team(team: Team, shown: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return all that there is to say of one."""
    left = transaction.read_journal(team.name)
    # Of one that is away nothing else is asked.
    patience.refuse_silent(team.places, DISK_SECONDS)
    return {
        **brief(team, shown),
        "databases": sizes(team),
        "disk_free": room(team),
        "last_backup": turns.noted(team.name, "backup"),
        "last_drill": turns.noted(team.name, "drill"),
        "undone": left and {"what": left["what"], "tried_out": left["trying"]},
    }


def of_teams(names: list[str], say: Say = of_team) -> list[dict[str, Any]]:
    """Return it of these, or of all."""
    wanted = names or teams.names()
    teams.refuse_unknown(names)
    shown = systemd.show([unit for name in wanted for unit in units_of(name)], PROPERTIES)
    found = []
    for name in wanted:
        try:
            team = teams.load(name)
        except (OSError, TypeError, ValueError) as error:
            found.append({"team": name, "state": "unreadable", "problem": str(error)})
        else:
            try:
                found.append(say(team, shown))
            except commands.LateError as error:
                found.append({"team": name, "state": "unreadable", "problem": str(error)})
    return found


def ago(moment: float | None) -> str:
    """Return how long something is past, as people say it."""
    if moment is None:
        return "-"
    seconds = max(0, int(time.time() - moment))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def megabytes(size: int | None) -> str:
    """Return a size as people read it."""
    return "?" if size is None else f"{size / 2**20:,.0f} MiB"


def backed_up(last: dict[str, Any] | None) -> str:
    """Return how long ago the last snapshot was begun."""
    return "-" if last is None else f"{ago(last['began'])} ago"


def drilled(last: dict[str, Any] | None) -> str:
    """Return what the last drill came to, and how long ago."""
    if last is None:
        return "-"
    return f"{'well' if not last['differences'] else 'differs'}, {ago(last['at'])} ago"


def row(found: dict[str, Any]) -> list[str]:
    """Return a team's line of the table."""
    if "problem" in found:
        return [found["team"], "?", found["state"], "-", "-", "-", "-", "-", "-", found["problem"]]
    stores = ", ".join(f"{it['kind']} {megabytes(it['bytes'])}" for it in found["databases"])
    undone = f"{found['undone']['what']} was cut off" if found["undone"] else "-"
    at = [found["team"], found["version"] or "-", found["state"], ago(found["since"]), str(found["port"] or "-")]
    ends = [backed_up(found["last_backup"]), drilled(found["last_drill"]), undone]
    return [*at, stores or "-", megabytes(found["disk_free"]), *ends]


HEADS = ["TEAM", "VERSION", "STATE", "FOR", "PORT", "DATABASES", "FREE", "LAST BACKUP", "LAST DRILL", "NOT UNDONE YET"]


def table(rows: list[list[str]]) -> str:
    """Return columns that are as wide as what is in them."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(map(str.ljust, cells, widths)).rstrip() for cells in rows)


def parse(name: str, words: tuple[str, ...]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(f"mlflowctl {name}", description=__doc__)
    parser.add_argument("teams", nargs="*", help="which; all of the host by default")
    parser.add_argument("--json", action="store_true", help="as JSON, a list with an object for each")
    return parser.parse_args(list(words))


def main(*words: str) -> None:
    """Say it."""
    options = parse("status", words)
    found = of_teams(options.teams)
    print(json.dumps(found, indent=2) if options.json else table([HEADS, *map(row, found)]))
