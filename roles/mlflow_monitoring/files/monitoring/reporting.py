"""What a report is made of: each team's days, and what its databases said at the last daily look."""

from __future__ import annotations

import time
from typing import Any

from mlflowctl import team as teams

from monitoring import store
from monitoring.figures import count, disk_max, disk_used
from monitoring.looking import FAILURES, say

QUIET_DAYS = 90
# So that a report of many teams stays small.
MOST = 20
MOST_PEOPLE = 500
# Of questions.WEEK, in seconds.
WEEK = 7 * 86400


def report() -> dict[str, Any]:
    """Return it for all teams of the host."""
    state = store.state()
    return {"at": time.time(), "teams": {name: one(name, state) for name in teams.names()}}


def one(name: str, state: dict[str, Any]) -> dict[str, Any]:
    """Return it for one; one that cannot be read keeps no other out."""
    try:
        return of_team(name, state)
    except FAILURES as error:
        say(name, error)
        nothing: dict[str, Any] = {"days": [], "weeks": [], "experiments": [], "deleted": {"bytes": 0}}
        return {**nothing, "version": "", "disk": {}, "error": True, "walked_at": None, "quiet": None}


def of_team(name: str, state: dict[str, Any]) -> dict[str, Any]:
    """Return it for one; what is not known is not there."""
    walk = store.read(store.HOME / "walks" / f"{name}.json")
    read = store.read(store.HOME / "databases" / f"{name}.json")
    today = (state["teams"].get(name) or {}).get("day")
    answers, sizes = walk.get("answers", {}), (walk.get("artifacts") or {}).get("within", {})
    deleted = {what: count(rows, "deleted") for what, rows in read.get("answers", {}).items() if what in DELETABLE}
    team = teams.load(name)
    return {
        "version": team.version,
        "disk": {"used": disk_used(team, walk, read), "max": disk_max(team)},
        "error": bool(read.get("error") or walk.get("error")),
        "walked_at": walk.get("at"),
        "days": [*store.days(name), *([today] if today else [])],
        "weeks": sorted([row["week"] * WEEK, row["number"]] for row in answers.get("weeks", [])),
        "quiet": quiet(answers) if "people" in answers and "logged" in answers else None,
        "experiments": experiments(answers.get("largest", []), sizes),
        "deleted": {**deleted, "bytes": deleted_bytes(answers.get("largest", []), sizes)},
    }


DELETABLE = ("experiments", "runs", "logged_models")


def quiet(answers: dict[str, Any]) -> list[list[Any]]:
    """Return the users whose name is on no run of the last days, each with the moment of the last one, or none.

    The name on a run is the one that the client gave: whoever logs by another one is among them.
    """
    oldest = (time.time() - QUIET_DAYS * 86400) * 1000
    last = {row["name"]: row["last"] or 0 for row in answers["logged"]}
    found = [[row["name"], last.get(row["name"], 0) / 1000 or None] for row in answers["people"]]
    return [it for it in found if (it[1] or 0) * 1000 < oldest][:MOST_PEOPLE]


def experiments(rows: list[dict[str, Any]], sizes: dict[str, int]) -> list[dict[str, Any]]:
    """Return those that are large, and those with many runs."""
    found = [{**row, "bytes": sizes.get(str(row["id"]))} for row in rows]
    by_runs = sorted(found, key=lambda row: -row["runs"])[:MOST]
    by_bytes = sorted(found, key=lambda row: -(row["bytes"] or 0))[:MOST]
    return by_runs + [row for row in by_bytes if row not in by_runs]


def deleted_bytes(rows: list[dict[str, Any]], sizes: dict[str, int]) -> int:
    """Return how much the artifacts of deleted experiments take, those of deleted runs of others aside."""
    return sum(sizes.get(str(row["id"]), 0) for row in rows if row["stage"] == "deleted")
