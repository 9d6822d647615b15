"""Has a server say of each trace that its data are at its own place, whatever its database says since before.

Up to MLflow 3.17, people could say where they are; nobody can any more (traces.py), but what they said stays. The
server reads there for whoever looks at a trace, and their clients do with their log-in. The own place follows from that
of the experiment and from the name of the trace. A trace whose name may be a path (traces.TRACE) has none.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterable
from typing import Any

from mlflowctl.in_mlflow import asking, parts, traces

MODELS, INFO, EXPERIMENT = "mlflow.store.tracking.dbmodels.models", "SqlTraceInfo", "SqlExperiment"
SAY, SAY_MANY = "to_mlflow_entity", "_build_trace_infos_from_rows"
PLACE = "mlflow.artifactLocation"
OPEN = "people could be sent where others say that traces are"


def locations(session: Any, numbers: Iterable[int]) -> dict[int, str]:
    """Return where the artifacts of experiments are."""
    experiments = getattr(importlib.import_module(MODELS), EXPERIMENT)
    columns = experiments.experiment_id, experiments.artifact_location
    return dict(session.query(*columns).filter(columns[0].in_(sorted(set(numbers)))).all())


def correct(tags: dict[str, str], name: str, location: Callable[[], str | None]) -> None:
    """Have the tags of a trace name its own place, where they name any."""
    if PLACE not in tags:
        return
    at = location() if traces.TRACE.fullmatch(name) else None
    if at is None:
        del tags[PLACE]
    else:
        uri: Any = importlib.import_module("mlflow.utils.uri")
        tags[PLACE] = uri.append_to_uri_path(at, "traces", name, "artifacts")


def one(say: Callable[..., Any]) -> Callable[..., Any]:
    """Return what says it of one trace."""
    orm: Any = importlib.import_module("sqlalchemy.orm")

    @functools.wraps(say)
    def said(self: Any) -> Any:
        info, session = say(self), orm.object_session(self)

        def location() -> str | None:
            if session is None:
                return None
            # In one session, each experiment is asked for once.
            known = session.info.setdefault(PLACE, {})
            if self.experiment_id not in known:
                with session.no_autoflush:
                    known.update(locations(session, [self.experiment_id]))
            return str(known[self.experiment_id]) if self.experiment_id in known else None

        correct(info.tags, self.request_id, location)
        return info

    return said


def many(say: Callable[..., Any]) -> Callable[..., Any]:
    """Return what says it of many."""

    @functools.wraps(say)
    def said(session: Any, rows: Any) -> Any:
        infos = say(session, rows)
        known = locations(session, [row.experiment_id for row in rows]) if rows else {}
        for row, info in zip(rows, infos, strict=True):
            correct(info.tags, row.request_id, functools.partial(known.get, row.experiment_id))
        return infos

    return said


def close() -> None:
    """Have MLflow say it so."""
    if asking.AUTH not in sys.modules:
        # What is served is none of MLflow's.
        return
    parts.needed(MODELS, EXPERIMENT, OPEN)
    kind = parts.needed(MODELS, INFO, OPEN)
    setattr(kind, SAY, one(parts.needed(MODELS, f"{INFO}.{SAY}", OPEN)))
    store: Any = importlib.import_module(traces.STORE)
    # From 3.17 on, it says most in this way.
    if hasattr(store, SAY_MANY):
        setattr(store, SAY_MANY, many(getattr(store, SAY_MANY)))
