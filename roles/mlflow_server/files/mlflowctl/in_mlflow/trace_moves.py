"""Has a trace stay in its experiment, whoever knows its name.

Up to MLflow 3.17 who may write to an experiment moves a trace of any other there, with all that it has, by beginning
one of the same name, and adds spans to it by telemetry; of the experiment that it is in, nobody is asked. So it is with
what was said of a trace (assessments). From 3.18 on MLflow refuses all this itself, and the database is asked once.
That has no name there but what it tells people: where it tells them something else, it is asked here, too.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable
from types import CodeType
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
# What MLflow tells people where it refuses, in what it does one of these by, again and again if need be.
OF_TRACES, OF_ASSESSMENTS = "already exists in another experiment", "belongs to another trace"
ONE_TRY = "_{}_once"
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


def tells(function: Any, *texts: str) -> bool:
    """Say whether each of these is part of what a function of MLflow's may say."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    known = [it for it in code.co_consts if isinstance(it, str)] if isinstance(code, CodeType) else []
    return all(any(text in it for it in known) for text in texts)


def close() -> None:
    """Have MLflow keep to that."""
    if asking.AUTH not in sys.modules:
        # What is served is none of MLflow's.
        return
    for what in (TRACE, ASSESSMENT):
        parts.needed(trace_places.MODELS, what.table, OPEN)
    kind = parts.needed(traces.STORE, traces.KIND, OPEN)
    for name, change, *texts in ((traces.BEGIN, begins, OF_TRACES, OF_ASSESSMENTS), (SPANS, logs, OF_TRACES)):
        own = parts.needed(traces.STORE, f"{traces.KIND}.{name}", OPEN)
        if not tells(getattr(kind, ONE_TRY.format(name), own), *texts):
            setattr(kind, name, change(own))
