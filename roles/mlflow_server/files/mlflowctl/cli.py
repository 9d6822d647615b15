"""The command line: one command for each thing that units, roles and people ask this host for.

Exit codes: 0 where all is well, 1 where something is wrong or could not be done, 2 where it was asked for wrongly.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import CodeType

from mlflowctl.errors import Problem, shown

WELL, WRONG, USAGE = 0, 1, 2
# Of a function that takes any number of words.
CO_VARARGS = 4
# By command: the module whose main() does it, or which function, and what that is.
FOR_PEOPLE = {
    "list": ("listing", "the teams of this host: [--json] [TEAM...]"),
    "status": ("status", "how they are, without waking them: [--json] [TEAM...]"),
    "doctor": ("doctor", "what is wrong, and what to do: [--json] [TEAM...]"),
    "audit": ("audit", "who did what in a team's server: [--user NAME] [--since TIME] [--until TIME] ... TEAM"),
    "backup": ("backup.start", "back teams up now, as their timers would: TEAM..."),
    "drill": ("backup.drill", "restore teams' newest snapshots aside, and compare: [--host HOST] TEAM..."),
    "restore": ("backup.restore", "replace a team by a snapshot: TEAM [--into TEAM] [--snapshot ID | --at TIME] ..."),
    "upgrade": ("people:upgrade", "bring a team to a version that is installed: TEAM VERSION"),
    "retire": ("people:take_off", "take teams off this host: --archive-dir DIRECTORY [--remove-data] TEAM..."),
    "drain": ("drained:drain", "let a team's other hosts answer, for work on this one: [--seconds SECONDS] TEAM"),
    "undrain": ("drained:undrain", "put a drained replica back: TEAM"),
    "reinstate": ("people:give_back", "give retired teams what was kept of them: TEAM..."),
    "gc": ("people:collect_garbage", "remove for good what teams deleted long enough ago: TEAM..."),
    "mounts": ("people:mounts", "whose artifacts are mounted here, or what is wrong with that: status|doctor"),
}
# What units, roles and this program itself run; it may be another in any version.
FOR_PROGRAMS = {
    "access-contents": ("access_contents:print_contents", "digest what a file of SQLite has of it: PATH NAMES"),
    "access-state": ("access_state", "say whose access may be another than noted: teams on standard input"),
    "age": ("backup.age", "fail where a team's newest snapshot is too old: [TEAM...]"),
    "answers": (
        "backup.answers",
        "compare a restored server with its snapshot: TEAM, its manifest on standard input",
    ),
    "before": (
        "transaction",
        "wait until a server may start, or clients come: server|clients|garbage TEAM [MOST]",
    ),
    "beside-postgresql": ("backup.drill_postgresql", "run a command beside a PostgreSQL made of dumps"),
    "contents": ("backup.contents", "say what is in a copy or a directory of artifacts: ACTION PATH"),
    "database": ("databases", "do something to a database as a file: ACTION PATH..."),
    "finish": ("finish", "let a server finish what it is answering: TEAM"),
    "forget-former": ("former", "remove the programs of before this one, once nothing knows of them"),
    "hold": ("drained:hold", "stop replicas until they are started again, after what they are answering: TEAM..."),
    "locations": ("locations", "say which artifacts a copy of a database has elsewhere: PATH KNOWN"),
    "move-stores": (
        "stores",
        "move a team to the stores that are declared: look|claim|mine|begin|keep|copy|try|back|undo|done|end TEAM RUN",
    ),
    "put-back": ("backup.places", "undo a restore: PLAN"),
    "reinstate-teams": ("retirement.reinstate", "give retired teams what was kept of them: NAMES"),
    "repository": ("backup.repository", "look at, make or prune the repositories: ACTION [TEAM...]"),
    "retire-teams": ("retirement.retire", "take teams off this host: keep|remove|leave DIRECTORY NAMES"),
    "snapshot": ("backup.snapshot", "make a snapshot of a team here and now: TEAM [TAG...]"),
    "upgrade-teams": ("upgrade", "bring teams to their versions: DIRECTORY BATCH VERSIONS"),
    "verify": ("verify", "see whether a team's server works: TEAM, denials on standard input"),
}
COMMANDS = {**FOR_PEOPLE, **FOR_PROGRAMS}


def listed(commands: dict[str, tuple[str, str]]) -> str:
    """Return the commands and what they do, a line each."""
    return "\n".join(f"  {name:18} {about}" for name, (_module, about) in commands.items())


def usage() -> str:
    """Return what can be asked for."""
    return (
        f"usage: mlflowctl COMMAND ...\n\n{listed(FOR_PEOPLE)}\n\n"
        f"What units, roles and this program itself run:\n\n{listed(FOR_PROGRAMS)}\n\n"
        "Exit codes: 0 all is well, 1 something is wrong or could not be done, 2 it was asked for wrongly."
    )


def takes(do: Callable[..., object], number: int) -> bool:
    """Say whether a function takes so many words; the library's own way to ask loads longer than most commands work."""
    code: CodeType = do.__code__
    least = code.co_argcount - len(do.__defaults__ or ())
    return least <= number and (number <= code.co_argcount or bool(code.co_flags & CO_VARARGS))


def main(words: list[str]) -> int:
    """Do what the words say."""
    # Whatever a terminal can show: names, paths and errors are of any letters.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if words[:1] in (["--help"], ["-h"], ["help"]):
        print(usage())
        return WELL
    if not words or words[0] not in COMMANDS:
        print(usage(), file=sys.stderr)
        return USAGE
    name, *given = words
    module, about = COMMANDS[name]
    part, _colon, function = module.partition(":")
    do = getattr(importlib.import_module(f"mlflowctl.{part}"), function or "main")
    if not takes(do, len(given)):
        print(f"usage: mlflowctl {name}: {about}", file=sys.stderr)
        return USAGE
    try:
        return int(do(*given) or WELL)
    except (Problem, OSError) as error:
        print(shown(error), file=sys.stderr)
        return WRONG
