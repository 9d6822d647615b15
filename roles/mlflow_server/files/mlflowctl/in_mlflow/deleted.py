"""What a team has deleted, and for how long already, by its database alone: no server is asked.

Runs on the SQLAlchemy of the team's MLflow, which reaches whatever database the team has.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Generator, Iterator
from typing import Any

import sqlalchemy

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}

OLD_EXPERIMENT = "lifecycle_stage = 'deleted' AND last_update_time < :moment"
OLD_EXPERIMENTS = f"SELECT experiment_id FROM experiments WHERE {OLD_EXPERIMENT}"  # noqa: S608 - no value in it
# Those that MLflow deleted before it noted when are as old as their experiment.
OLD_RUN = f"""lifecycle_stage = 'deleted'
AND (deleted_time <= :moment OR deleted_time IS NULL AND experiment_id IN ({OLD_EXPERIMENTS}))"""
OLD_MODEL = "lifecycle_stage = 'deleted' AND last_updated_timestamp_ms <= :moment"
# By kind: the table, its key, where the artifacts are said to be, and what makes a row old enough.
KINDS = {
    "experiment": ("experiments", "experiment_id", "artifact_location", OLD_EXPERIMENT),
    "run": ("runs", "run_uuid", "artifact_uri", OLD_RUN),
    "logged model": ("logged_models", "model_id", "artifact_location", OLD_MODEL),
}
EXPERIMENTS = "SELECT experiment_id, experiment_id, artifact_location FROM experiments"
# A run that somebody restored, or deleted again only lately, keeps its experiment.
BUSY = f"""SELECT DISTINCT experiment_id FROM runs
WHERE experiment_id IN ({OLD_EXPERIMENTS}) AND NOT ({OLD_RUN})"""  # noqa: S608 - the same
# MLflow does not delete these with their experiment, but they go with it.
MODELS_WITHIN = f"""SELECT model_id, experiment_id, artifact_location FROM logged_models
WHERE experiment_id IN ({OLD_EXPERIMENTS})"""  # noqa: S608 - the same
TRACES_WITHIN = f"""SELECT i.request_id, i.experiment_id, t.value
FROM trace_info i JOIN trace_tags t ON t.request_id = i.request_id
WHERE t.key IN ('mlflow.artifactLocation', 'mlflow.trace.archiveLocation')
AND i.experiment_id IN ({OLD_EXPERIMENTS})"""  # noqa: S608 - the same


@dataclasses.dataclass(frozen=True)
class Thing:
    """An experiment, run, logged model or trace, in which experiment it is, and where its artifacts are said to be."""

    kind: str
    ident: str
    experiment: str
    place: str


def seconds(age: str) -> int:
    """Return an age as the inventory has it."""
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)([dhms])", age))


class Deleted:
    """What was deleted before a moment."""

    def __init__(self, uri: str, moment: float) -> None:
        self.engine = sqlalchemy.create_engine(uri)
        self.moment = int(moment * 1000)

    def __enter__(self) -> Deleted:
        return self

    def __exit__(self, *_error: object) -> None:
        self.engine.dispose()

    def rows(self, question: str, **values: Any) -> Generator[Any, None, None]:
        """Ask the database, and take its answer by and by."""
        with self.engine.connect() as connection:
            asking = connection.execution_options(stream_results=True)
            yield from asking.execute(sqlalchemy.text(question), {"moment": self.moment, **values})

    def things(self, kind: str, **ident: Any) -> Iterator[Thing]:
        """Give all of a kind, or the one that has a key."""
        table, key, place, old = KINDS[kind]
        question = f"SELECT {key}, experiment_id, {place} FROM {table} WHERE {old}"  # noqa: S608 - of the table above
        rows = self.rows(f"{question} AND {key} = :ident" if ident else question, **ident)
        return (named(kind, row) for row in rows)

    def busy(self) -> Iterator[str]:
        """Give the numbers of the experiments that have runs which are not to go."""
        return (str(number) for (number,) in self.rows(BUSY))

    def experiments(self) -> Iterator[Thing]:
        """Give all that there are, deleted or not."""
        return (named("experiment", row) for row in self.rows(EXPERIMENTS))

    def models_within(self) -> Iterator[Thing]:
        """Give all logged models of the experiments, which go with these."""
        return (named("logged model", row) for row in self.rows(MODELS_WITHIN))

    def traces_within(self) -> Iterator[Thing]:
        """Give all traces of the experiments, which go with these, with each place that somebody noted."""
        return (named("trace", row) for row in self.rows(TRACES_WITHIN))

    def still_has(self, thing: Thing) -> bool:
        """Whether nobody restored it or moved it since."""
        ident: Any = int(thing.ident) if thing.kind == "experiment" else thing.ident
        busy = self.rows(f"{BUSY} AND experiment_id = :ident", ident=ident) if thing.kind == "experiment" else ()
        return thing in list(self.things(thing.kind, ident=ident)) and not list(busy)


def named(kind: str, row: Any) -> Thing:
    """Return what a row is about; whatever is in it is taken for text."""
    ident, experiment, place = row
    return Thing(kind, str(ident), str(experiment), "" if place is None else str(place))
