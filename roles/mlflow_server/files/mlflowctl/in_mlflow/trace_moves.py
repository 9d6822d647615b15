"""Has a trace stay in its experiment, whoever knows its name.

Up to MLflow 3.17 who may write to an experiment moves a trace of any other there, with all that it has, by beginning
one of the same name, and adds spans to it by telemetry; of the experiment that it is in, nobody is asked. From 3.18 on
MLflow refuses both, as here.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow import asking, parts, trace_places, traces

SPANS = "log_spans"
OPEN = "people could take the traces of others"


def refuse_moves(store: Any, names: set[str], experiment: Any) -> None:
    """Say which of these traces is in another experiment, where one is."""
    known = getattr(importlib.import_module(trace_places.MODELS), trace_places.INFO)
    with store.ManagedSessionMaker() as session:
        columns = known.request_id, known.experiment_id
        found = session.query(*columns).filter(columns[0].in_(sorted(names))).all()
    for name, its in sorted(found):
        if str(its) != str(experiment):
            exceptions: Any = importlib.import_module("mlflow.exceptions")
            raise exceptions.MlflowException.invalid_parameter_value(
                f"Trace with ID '{name}' already exists in another experiment."
            )


def begins(begin: Callable[..., Any]) -> Callable[..., Any]:
    """Return what begins a trace, and takes none of another experiment's."""

    @functools.wraps(begin)
    def begun(self: Any, trace_info: Any) -> Any:
        refuse_moves(self, {trace_info.trace_id}, trace_info.experiment_id)
        return begin(self, trace_info)

    return begun


def logs(log: Callable[..., Any]) -> Callable[..., Any]:
    """Return what keeps spans, and none of a trace of another experiment's."""

    @functools.wraps(log)
    def logged(self: Any, location: str, spans: list[Any], *others: Any, **options: Any) -> Any:
        refuse_moves(self, {span.trace_id for span in spans}, location)
        return log(self, location, spans, *others, **options)

    return logged


def close() -> None:
    """Have MLflow keep to that."""
    if asking.AUTH not in sys.modules:
        # What is served is none of MLflow's.
        return
    parts.needed(trace_places.MODELS, trace_places.INFO, OPEN)
    kind = parts.needed(traces.STORE, traces.KIND, OPEN)
    for name, change in ((traces.BEGIN, begins), (SPANS, logs)):
        setattr(kind, name, change(parts.needed(traces.STORE, f"{traces.KIND}.{name}", OPEN)))
