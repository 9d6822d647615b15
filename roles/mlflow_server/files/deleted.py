"""What a team has deleted, and for how long already, by its database alone: no server is asked.

Runs on the SQLAlchemy of the team's MLflow, which reaches whatever database the team has.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import sqlalchemy

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
EXPERIMENTS = """\
SELECT experiment_id, artifact_location FROM experiments
WHERE lifecycle_stage = 'deleted' AND last_update_time < :moment"""
RUNS = "SELECT count(*) FROM runs WHERE lifecycle_stage = 'deleted' AND deleted_time <= :moment"
MODELS = "SELECT count(*) FROM logged_models WHERE lifecycle_stage = 'deleted' AND last_updated_timestamp_ms <= :moment"


@dataclasses.dataclass(frozen=True)
class Deleted:
    """What is old enough to go; experiments by their numbers, with the places of their artifacts."""

    experiments: list[str]
    locations: list[str]
    others: int

    def __bool__(self) -> bool:
        return bool(self.experiments or self.others)


def seconds(age: str) -> int:
    """Return an age as the inventory has it."""
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)([dhms])", age))


def find_deleted(uri: str, moment: float) -> Deleted:
    """Return what was deleted before a moment."""
    engine = sqlalchemy.create_engine(uri)
    since = {"moment": int(moment * 1000)}

    def ask(connection: Any, question: str) -> Any:
        return connection.execute(sqlalchemy.text(question), since)

    try:
        with engine.connect() as connection:
            experiments = list(ask(connection, EXPERIMENTS))
            others = sum(ask(connection, question).scalar() for question in (RUNS, MODELS))
    finally:
        engine.dispose()
    # A place that others may share is no more than its runs' own.
    own = [str(place) for number, place in experiments if str(place).rstrip("/").endswith(f"/{number}")]
    return Deleted([str(number) for number, _place in experiments], own, others)
