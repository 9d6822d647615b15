"""What is kept on the host from one look to the next, and from day to day."""

from __future__ import annotations

import datetime
import json
import os
import time
from pathlib import Path
from typing import Any

from mlflowctl.files import write_private

CONFIG = Path("/etc/mlflow-monitoring/settings.json")
HOME = Path("/var/lib/mlflow-monitoring")
# What a record of a day is made of beside its date: the last figure of the day, or what came to it in the day.
LAST = (
    "database_bytes",
    "artifacts_bytes",
    "experiments",
    "runs",
    "registered_models",
    "traces",
    "users",
    "deleted_runs",
)
GROWING = {
    "awake_seconds": "awake_seconds",
    "starts": "starts",
    "restarts": "restarts",
    "cpu_seconds": "cpu_total",
    "refused": "refused",
}


def read(path: Path) -> Any:
    """Return what stands in a file, or nothing where there is none or half of one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def write(path: Path, content: Any) -> None:
    """Write it as a whole, for root alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, (json.dumps(content) + "\n").encode())


def settings() -> dict[str, Any]:
    """Return what the role has written down."""
    return dict(json.loads(CONFIG.read_text(encoding="utf-8")))


def state() -> dict[str, Any]:
    """Return what was known at the last look."""
    return {"cursor": "", "ran": 0.0, "teams": {}, **read(HOME / "state.json")}


def today(now: float) -> str:
    """Return the day, which begins everywhere at the same moment."""
    return datetime.datetime.fromtimestamp(now, datetime.timezone.utc).date().isoformat()


def days(name: str, home: Path = HOME) -> list[dict[str, Any]]:
    """Return the records of a team's days that are over."""
    return list(read(home / "days" / f"{name}.json") or [])


def keep_day(name: str, record: dict[str, Any], most: int, home: Path = HOME) -> None:
    """Add the record of a day that is over; the oldest go."""
    others = [it for it in days(name, home) if it["date"] != record["date"]]
    write(home / "days" / f"{name}.json", sorted([*others, record], key=lambda it: str(it["date"]))[-most:])


def forget(names: list[str], most: int, home: Path = HOME) -> None:
    """Remove what is known of teams that are long gone."""
    oldest = time.time() - most * 86400
    for path in home.glob("*/*.json"):
        if path.stem not in names and os.stat(path).st_mtime < oldest:
            path.unlink()


def count_day(
    name: str, known: dict[str, Any], figures: dict[str, Any], now: float, most: int, home: Path = HOME
) -> None:
    """Bring the record of the running day up to date, and put away the one before once it is over."""
    day = known.get("day")
    noted = known["noted"]
    if day is None or day["date"] != today(now):
        if day is not None:
            keep_day(name, day, most, home)
        # Where what only grows stood when the day began.
        known["begin"] = {key: noted[counter] for key, counter in GROWING.items()}
        known["day"] = day = {"date": today(now)}
    for key, counter in GROWING.items():
        day[key] = round(noted[counter] - known["begin"].get(key, 0), 3)
    for key in LAST:
        if figures.get(key) is not None:
            day[key] = figures[key]
    day["memory_peak_bytes"] = max(day.get("memory_peak_bytes", 0), figures.get("memory_peak_bytes") or 0)
