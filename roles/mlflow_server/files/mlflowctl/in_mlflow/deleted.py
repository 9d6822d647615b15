"""What a team has deleted, and for how long already, by its database alone: no server is asked.

Runs on the SQLAlchemy of the team's MLflow, which reaches whatever database the team has.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}

# So many rows are asked for at a time: they have room, and SQLite's lock lasts as long as an answer is being read.
AT_ONCE = 1000

OLD_EXPERIMENT = "lifecycle_stage = 'deleted' AND last_update_time < :moment"
OLD_EXPERIMENTS = f"SELECT experiment_id FROM experiments WHERE {OLD_EXPERIMENT}"  # noqa: S608 - no value in it
WITHIN = f"experiment_id IN ({OLD_EXPERIMENTS})"
# Those that MLflow deleted before it noted when are as old as their experiment.
OLD_RUN = f"""lifecycle_stage = 'deleted'
AND (deleted_time <= :moment OR deleted_time IS NULL AND {WITHIN})"""
OLD_MODEL = "lifecycle_stage = 'deleted' AND last_updated_timestamp_ms <= :moment"


@dataclasses.dataclass(frozen=True)
class Asked:
    """Which rows of which table, and what of them: the key is first, and they come in its order.

    What is no key of the table itself is asked for once each.
    """

    table: str
    columns: tuple[str, ...]
    which: str = ""
    each_once: bool = False


def models(which: str) -> Asked:
    """Ask for logged models."""
    return Asked("logged_models", ("model_id", "experiment_id", "artifact_location"), which)


EXPERIMENTS = Asked("experiments", ("experiment_id", "experiment_id", "artifact_location"))
KINDS = {
    "experiment": dataclasses.replace(EXPERIMENTS, which=OLD_EXPERIMENT),
    "run": Asked("runs", ("run_uuid", "experiment_id", "artifact_uri"), OLD_RUN),
    "logged model": models(OLD_MODEL),
}
# A run that somebody restored, or deleted again only lately, keeps its experiment.
BUSY = Asked("runs", ("experiment_id",), f"{WITHIN} AND NOT ({OLD_RUN})", each_once=True)
# MLflow does not delete these with their experiment, but they go with it.
MODELS_WITHIN = models(WITHIN)
# By table. Datasets for evaluations are of experiments by their numbers, as texts, and stay when one of these goes.
FORGET = {
    "entity_associations": """DELETE FROM entity_associations WHERE source_type = 'experiment' AND source_id = :ident
OR destination_type = 'experiment' AND destination_id = :ident"""
}
# So are jobs, such as the optimization of a prompt; elsewhere than in SQLite, no number is given again.
IN_SQLITE = {
    "jobs": "DELETE FROM jobs WHERE json_valid(params) AND json_extract(params, '$.experiment_id') = :ident",
}
TRACES_WITHIN = Asked(
    "trace_info i JOIN trace_tags t ON t.request_id = i.request_id",
    ("i.request_id", "i.experiment_id", "t.value"),
    f"t.key = :tag AND i.{WITHIN}",
)
PLACES_OF_TRACES = ("mlflow.artifactLocation", "mlflow.trace.archiveLocation")


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

    def rows(self, asked: Asked, **values: Any) -> Iterator[Any]:
        """Ask the database for some at a time; it is free while somebody thinks about them, or asks for others."""
        columns = [sqlalchemy.literal_column(name) for name in asked.columns]
        question = sqlalchemy.select(*columns).select_from(sqlalchemy.text(asked.table))
        question = question.order_by(columns[0]).limit(AT_ONCE)
        if asked.each_once:
            question = question.distinct()
        if asked.which:
            question = question.where(sqlalchemy.text(asked.which))
        page = self.page(question, values)
        yield from page
        following = question.where(sqlalchemy.text(f"{asked.columns[0]} > :after"))
        while len(page) == AT_ONCE:
            page = self.page(following, {**values, "after": page[-1][0]})
            yield from page

    def page(self, question: Any, values: dict[str, Any]) -> list[Any]:
        """Return what the database answers to it."""
        known = {"moment": self.moment, **values}
        with self.engine.connect() as connection:
            return list(connection.execute(question, known))

    def things(self, kind: str, ident: Any = None) -> Iterator[Thing]:
        """Give all of a kind, or the one that has a key."""
        asked = KINDS[kind]
        if ident is None:
            return (named(kind, row) for row in self.rows(asked))
        one = dataclasses.replace(asked, which=f"({asked.which}) AND {asked.columns[0]} = :ident")
        return (named(kind, row) for row in self.rows(one, ident=ident))

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
        for tag in PLACES_OF_TRACES:
            yield from (named("trace", row) for row in self.rows(TRACES_WITHIN, tag=tag))

    def forget(self, experiment: str) -> None:
        """Have nothing else be of an experiment that is about to go: another one may get its number."""
        known = sqlalchemy.inspect(self.engine)
        statements = {**FORGET, **(IN_SQLITE if self.engine.dialect.name == "sqlite" else {})}
        with self.engine.begin() as connection:
            for table, statement in statements.items():
                if known.has_table(table):
                    connection.execute(sqlalchemy.text(statement), {"ident": experiment})

    def still_has(self, thing: Thing) -> bool:
        """Whether nobody restored it or moved it since."""
        ident: Any = int(thing.ident) if thing.kind == "experiment" else thing.ident
        if thing not in self.things(thing.kind, ident):
            return False
        busy = dataclasses.replace(BUSY, which=f"{BUSY.which} AND experiment_id = :ident")
        return thing.kind != "experiment" or not any(self.rows(busy, ident=ident))


def named(kind: str, row: Any) -> Thing:
    """Return what a row is about; whatever is in it is taken for text."""
    ident, experiment, place = row
    return Thing(kind, str(ident), str(experiment), "" if place is None else str(place))
