"""Whether what M(access) found as declared may be otherwise by now, without asking a server that sleeps.

Who has asked a server notes the state that was looked at before: a change after that look leaves another state,
whenever it came, and one before it is in the server's answers. It is a state of the files, which ends with whatever is
written to them, and one of what is in them, which does not end with work.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mlflowctl import access_contents
from mlflowctl import team as teams
from mlflowctl.databases import sqlite
from mlflowctl.errors import ODD, Problem
from mlflowctl.team import Team

# How many teams are looked at at the same time.
AT_ONCE = 4
# Whatever a team's databases, or a note of before, may be.
FAILURES = (Problem, OSError, *ODD)

State = dict[str, Any]


class Look:
    """What there is to see of a team at one moment; the files are looked at before what is in them."""

    def __init__(self, team: Team, names: Iterable[str]) -> None:
        """names: the registered models and prompts whose versions count."""
        self.names = sorted(names)
        now, files = time.time_ns(), of_files(team)
        self.files = files if files and sqlite.settled(files, now) else None
        self.contents: str | None = None
        self.grants: str | None = None
        with contextlib.suppress(*FAILURES):
            told = access_contents.of_team(team, self.names)
            grants = [it.pop("grants") for it in told.values()]
            self.contents = json.dumps([team.version, told], sort_keys=True)
            self.grants = json.dumps(grants) if access_contents.tells_grants(told) else None

    @property
    def state(self) -> State | None:
        """What can be noted of it; nothing where nobody but the server can tell."""
        if self.files is None and self.contents is None:
            return None
        salt = secrets.token_hex(16)
        digests = {"digest": digest(self.contents, salt), "grants": digest(self.grants, salt)}
        return {"files": self.files, "names": self.names, "salt": salt, **digests}

    def is_as(self, noted: State) -> bool:
        """Say whether the contents are as they were when a state was noted."""
        return noted.get("names") == self.names and same(noted, "digest", self.contents) is True

    def grants_are_as(self, noted: State) -> bool | None:
        """Say the same of who is there and what they were granted; None where nobody can tell."""
        return same(noted, "grants", self.grants)


def digest(text: str | None, salt: str) -> str | None:
    """Return one that says nothing to who has no salt."""
    return None if text is None else hmac.new(salt.encode(), text.encode(), hashlib.sha256).hexdigest()


def same(noted: State, which: str, text: str | None) -> bool | None:
    """Say whether this is what was noted; None where one of both is not known."""
    known, now = noted.get(which), digest(text, str(noted.get("salt")))
    return hmac.compare_digest(known.encode(), now.encode()) if isinstance(known, str) and now is not None else None


def unchanged(team: Team, noted: object) -> bool:
    """Say whether all is as it was when a state was noted."""
    return compared(team, noted)[0]


def compared(team: Team, noted: object) -> tuple[bool, bool | None]:
    """Say whether all is as it was when a state was noted, and whether grants are, where that can be told."""
    names = noted.get("names") if isinstance(noted, dict) else None
    if not isinstance(noted, dict):
        return False, None
    if same_files(team, noted):
        return True, True
    if not isinstance(names, list):
        return False, None
    look = Look(team, map(str, names))
    return look.is_as(noted), look.grants_are_as(noted)


def same_files(team: Team, noted: State) -> bool:
    """Say whether nothing at all was written since."""
    return bool(noted.get("files")) and noted["files"] == of_files(team)


def of_files(team: Team) -> list[list[int]] | None:
    """Return the state of the files; nothing where a database is none."""
    return sqlite.written(database["file"] for database in team.databases)


def looked_at(name: str, told: dict[str, Any]) -> State:
    """Return whether a team is as noted, and the state to note instead: none where what is noted will do."""
    noted = told.get("noted")
    noted = noted if isinstance(noted, dict) else {}
    try:
        team = teams.load(name)
        if same_files(team, noted):
            return {"holds": True, "state": None}
        look = Look(team, told["names"])
        return {"holds": look.is_as(noted), "state": look.state}
    except FAILURES:
        return {"holds": False, "state": None}


def main() -> None:
    """Print that of each team on standard input, whose names are those of things whose versions count, as JSON."""
    told = json.load(sys.stdin)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        print(json.dumps(dict(zip(told, pool.map(looked_at, told, told.values())))))
