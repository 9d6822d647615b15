"""The figures of one team, from all that was seen of it."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from mlflowctl import access_state
from mlflowctl.team import Team

from monitoring import backups, kinds, units
from monitoring.exposition import Kind, Sample
from monitoring.units import Shown

RECEIPT = "access_receipt.json"
STAGED = {"experiments": kinds.EXPERIMENTS, "runs": kinds.RUNS, "logged_models": kinds.LOGGED_MODELS}
COUNTED = {
    "registered_models": kinds.REGISTERED_MODELS,
    "model_versions": kinds.MODEL_VERSIONS,
    "traces": kinds.TRACES,
    "users": kinds.USERS,
}
LASTS = {"runs": kinds.LAST_RUN, "traces": kinds.LAST_TRACE}
STAGES = ("active", "deleted")


@dataclasses.dataclass(frozen=True)
class Seen:
    """What was seen: of systemd by unit, of the journal, of the databases, and at the last walk."""

    team: Team
    units: Mapping[str, Shown]
    noted: Mapping[str, Any]
    read: Mapping[str, Any]
    walk: Mapping[str, Any]
    failed: bool

    def unit(self, kind: str, ending: str = "service") -> Shown:
        """Return one of its units, and nothing where there is none."""
        return self.units.get(f"{kind}@{self.team.name}.{ending}", {})

    @property
    def state(self) -> str:
        """What its server is at."""
        socket = self.unit("mlflow-listen", "socket")
        return units.state(self.unit("mlflow"), socket, self.noted["failed_starts"])

    @property
    def memory_peak(self) -> int | None:
        """The most memory that its server had since it started."""
        return units.from_kernel(units.PEAKS, self.unit("mlflow").get("ControlGroup", ""))


def samples(seen: Seen) -> Iterator[Sample]:
    """Yield all of them; what is not known is none."""
    own = {"team": seen.team.name}
    for kind, more, value in (
        *of_server(seen),
        *of_databases(seen),
        *of_artifacts(seen),
        *of_backups(seen),
        *of_access(seen),
    ):
        if value is not None:
            yield Sample(kind, {**own, **more}, value)
    yield Sample(kinds.INFO, {**own, "version": seen.team.version}, 1)
    yield Sample(kinds.ERROR, own, seen.failed)


Figure = tuple[Kind, dict[str, str], "float | None"]


def of_server(seen: Seen) -> Iterator[Figure]:
    """Yield what its units are at, and what they took."""
    server, noted = seen.unit("mlflow"), seen.noted
    for state in units.STATES:
        yield kinds.STATE, {"state": state}, seen.state == state
    yield kinds.SINCE, {}, units.seconds_of(server.get("StateChangeTimestamp"))
    yield kinds.STARTS, {}, noted["starts"]
    yield kinds.START_SECONDS, {}, noted["start_seconds"]
    yield kinds.LAST_START, {}, noted["last_start_seconds"]
    yield kinds.RESTARTS, {}, noted["restarts"]
    for cause, number in sorted(noted["failures"].items()):
        yield kinds.FAILURES, {"cause": cause}, number
    yield kinds.FAILED_STARTS, {}, noted["failed_starts"]
    yield kinds.AWAKE, {}, noted["awake_seconds"]
    # Where systemd does not count it, there is none.
    yield kinds.CPU, {}, noted["cpu_total"] or None
    group = server.get("ControlGroup", "")
    yield kinds.MEMORY, {}, units.amount(server.get("MemoryCurrent")) or units.from_kernel(units.CURRENT, group)
    yield kinds.MEMORY_PEAK, {}, seen.memory_peak
    yield kinds.MEMORY_MAX, {}, units.amount(server.get("MemoryMax"))
    yield kinds.WAITING, {}, units.waiting(seen.unit("mlflow-listen", "socket"))
    yield kinds.REFUSED, {}, noted["refused"]
    for status, number in sorted(noted.get("refusals", {}).items()):
        yield kinds.REFUSALS, {"status": status}, number


def of_databases(seen: Seen) -> Iterator[Figure]:
    """Yield their sizes and what is in them."""
    for name, size in seen.read.get("sizes", {}).items():
        yield kinds.DATABASE, {"database": name}, size
    if "read" in seen.read:
        yield kinds.DATABASE_READ, {}, seen.read["read"]
    answers = seen.read.get("answers", {})
    for name, kind in STAGED.items():
        for stage in STAGES if name in answers else ():
            yield kind, {"stage": stage}, count(answers[name], stage)
    for name, kind in COUNTED.items():
        if name in answers:
            yield kind, {}, answers[name][0]["number"]
    if "users" in answers:
        yield kinds.ADMINS, {}, answers["users"][0]["admins"] or 0
    for name, kind in LASTS.items():
        moments = [row["last"] for row in answers.get(name, []) if row["last"]]
        yield kind, {}, max(moments) / 1000 if moments else None


def count(rows: list[dict[str, Any]], stage: str) -> int:
    """Return how many are at a stage; MLflow knows two, and had rows without one."""
    return sum(row["number"] for row in rows if (row["stage"] or "active") == stage)


def of_artifacts(seen: Seen) -> Iterator[Figure]:
    """Yield what was counted of them, and what the disk has left."""
    artifacts = seen.walk.get("artifacts")
    if artifacts:
        yield kinds.ARTIFACTS, {}, artifacts["bytes"]
        yield kinds.ARTIFACT_FILES, {}, artifacts["files"]
        yield kinds.WALKED, {}, seen.walk["at"]
    yield kinds.DISK_USED, {}, disk_used(seen.team, seen.walk, seen.read)
    yield kinds.DISK_MAX, {}, disk_max(seen.team)
    facts = os.statvfs(seen.team.state_dir)
    yield kinds.DISK_SIZE, {}, facts.f_blocks * facts.f_frsize
    yield kinds.DISK_FREE, {}, facts.f_bavail * facts.f_frsize


def disk_max(team: Team) -> int | None:
    """Return how much a team may have on this host; its server minds where it keeps artifacts there."""
    return team.disk_max if team.artifacts else None


def disk_used(team: Team, walk: Mapping[str, Any], read: Mapping[str, Any]) -> int | None:
    """Return how much of it there was, when artifacts were last counted; None where they were not."""
    artifacts, sizes = walk.get("artifacts"), read.get("sizes", {})
    if not artifacts:
        return None
    return int(artifacts["bytes"] + sum(sizes.get(it["name"], 0) for it in team.databases if it["file"]))


def of_backups(seen: Seen) -> Iterator[Figure]:
    """Yield when there was one, what is in it, and when that was tried out."""
    known = backups.settings()
    timer = seen.unit("mlflow-backup", "timer")
    expected = (
        bool(known) and timer.get("UnitFileState") == "enabled" and seen.team.name not in known.get("exclude", [])
    )
    yield kinds.BACKUP_EXPECTED, {}, expected
    if expected:
        yield kinds.BACKUP_AGE, {}, known.get("max_age")
    backup, drill = (backups.noted(seen.team.name, what) for what in ("backup", "drill"))
    yield kinds.BACKUP_TIME, {}, backup.get("began")
    yield kinds.BACKUP_BYTES, {}, backup.get("bytes")
    yield kinds.BACKUP_FILES, {}, backup.get("files")
    yield kinds.DRILL_TIME, {}, drill.get("at")
    yield kinds.DRILL_WRONG, {}, drill.get("differences")


def receipt(team: Team) -> tuple[Any, float]:
    """Return what was noted when access was last found as declared, and when; nothing where it never was."""
    path = team.directory / RECEIPT
    try:
        return json.loads(path.read_text(encoding="utf-8"))["state"], os.stat(path).st_mtime
    except (OSError, ValueError, KeyError, TypeError):
        return None, 0.0


def of_access(seen: Seen) -> Iterator[Figure]:
    """Yield when access was last found as declared, and whether it still was when the databases were last read."""
    noted, verified = receipt(seen.team)
    if not verified:
        return
    yield kinds.VERIFIED, {}, verified
    # What was read of another note says nothing about it; a clock that was ahead hides nothing.
    read = seen.read if seen.read.get("verified") == verified else {}
    as_declared = bool(read.get("as_declared")) or access_state.same_files(seen.team, noted)
    yield kinds.AS_DECLARED, {}, as_declared
    yield kinds.GRANTS_AS_DECLARED, {}, as_declared or read.get("grants_as_declared")


def daily(seen: Seen) -> dict[str, Any]:
    """Return what of it goes into the record of a day."""
    answers = seen.read.get("answers", {})
    runs = answers.get("runs")
    return {
        "database_bytes": sum(seen.read["sizes"].values()) if seen.read.get("sizes") else None,
        "artifacts_bytes": (seen.walk.get("artifacts") or {}).get("bytes"),
        "experiments": count(answers["experiments"], "active") if "experiments" in answers else None,
        "runs": count(runs, "active") if runs is not None else None,
        "deleted_runs": count(runs, "deleted") if runs is not None else None,
        **{
            name: answers[name][0]["number"] if name in answers else None
            for name in ("registered_models", "traces", "users")
        },
        "memory_peak_bytes": seen.memory_peak,
    }
