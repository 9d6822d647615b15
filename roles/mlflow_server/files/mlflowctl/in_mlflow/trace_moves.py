"""Has a trace stay in its experiment, whoever knows its name.

Up to MLflow 3.17 who may write to an experiment moves a trace of any other there, with all that it has, by beginning
one of the same name, and adds spans to it by telemetry; of the experiment that it is in, nobody is asked. So it is with
what was said of a trace (assessments). From 3.18 on MLflow refuses all this itself.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from mlflowctl.in_mlflow import asking, parts, trace_places, traces


class Moved(NamedTuple):
    """A table, what names a row of it and what it is in, and what both are called."""

    table: str
    name: str
    within: str
    called: str
    of: str


TRACE = Moved(trace_places.INFO, "request_id", "experiment_id", "the trace", "experiment")
ASSESSMENT = Moved("SqlAssessments", "assessment_id", "trace_id", "the assessment", "trace")
SPANS = "log_spans"
OPEN = "people could take the traces of others"


def refuse_moves(store: Any, what: Moved, names: set[str], own: Any) -> None:
    """Say which of these is in something else, where one is."""
    table = getattr(importlib.import_module(trace_places.MODELS), what.table)
    name, within = (getattr(table, column) for column in (what.name, what.within))
    with store.ManagedSessionMaker() as session:
        found = session.query(name, within).filter(name.in_(sorted(names))).all()
    for known, its in sorted(found):
        if str(its) != str(own):
            raise asking.invalid(f"{what.called} '{known}' stays where it is, in another {what.of}")


def begins(begin: Callable[..., Any]) -> Callable[..., Any]:
    """Return what begins a trace, and takes none of another experiment's."""

    @functools.wraps(begin)
    def begun(self: Any, trace_info: Any) -> Any:
        refuse_moves(self, TRACE, {trace_info.trace_id}, trace_info.experiment_id)
        said = {assessment.assessment_id for assessment in trace_info.assessments if assessment.assessment_id}
        if said:
            refuse_moves(self, ASSESSMENT, said, trace_info.trace_id)
        return begin(self, trace_info)

    return begun


def logs(log: Callable[..., Any]) -> Callable[..., Any]:
    """Return what keeps spans, and none of a trace of another experiment's."""

    @functools.wraps(log)
    def logged(self: Any, location: str, spans: list[Any], *others: Any, **options: Any) -> Any:
        refuse_moves(self, TRACE, {span.trace_id for span in spans}, location)
        return log(self, location, spans, *others, **options)

    return logged


def close() -> None:
    """Have MLflow keep to that."""
    if asking.AUTH not in sys.modules:
        # What is served is none of MLflow's.
        return
    for what in (TRACE, ASSESSMENT):
        parts.needed(trace_places.MODELS, what.table, OPEN)
    kind = parts.needed(traces.STORE, traces.KIND, OPEN)
    for name, change in ((traces.BEGIN, begins), (SPANS, logs)):
        setattr(kind, name, change(parts.needed(traces.STORE, f"{traces.KIND}.{name}", OPEN)))
