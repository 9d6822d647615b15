"""Lets nobody say where the data of a trace are, and has the server follow no such word, whenever it was said.

MLflow keeps it in tags of the trace; what they say since before is in trace_places.py. Up to 3.17 some of the ways in
which a trace begins, ends and is tagged take these from people: the server reads there, and clients do, with the log-in
of whoever looks at the trace. When a trace goes that is said to be in an archive, the server removes what is there: a
place could be spelt so that this was all that the team has. Servers of this collection archive none, so that no archive
is read, and nothing of one is removed.
Jobs are processes of MLflow's own, in which nothing of this is changed.

The name of a trace may be a path to MLflow; its data are in a directory of this name. One that may be is not begun.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import re
import sys
from typing import Any

from mlflowctl.in_mlflow import asking, parts

HANDLERS, STORE, KIND = "mlflow.server.handlers", "mlflow.store.tracking.sqlalchemy_store", "SqlAlchemyStore"
TAG_IS_VALID, OWN_PLACE = "_validate_trace_tag", "_get_trace_artifact_location_tag"
# The latter are those of MLflow 2, which are open to nobody where they are gone.
BEGIN, BEGIN_OR_END = "start_trace", ("deprecated_start_trace_v2", "deprecated_end_trace_v2")
OPEN = "it could follow where people say that traces are"
# What opens the store that a place of an archive is in, and in the latter module nothing else.
ARCHIVES = ((HANDLERS, "_get_trace_archive_repo"), (STORE, "get_artifact_repository"))
OF_ARCHIVES = "mlflow.tracing.trace_archival_config"
PLACES = frozenset({"mlflow.artifactLocation", "mlflow.trace.spansLocation", "mlflow.trace.archiveLocation"})
# Clients choose it: tr- and 32 digits, where they are MLflow's.
TRACE = re.compile(r"[A-Za-z0-9_:-][A-Za-z0-9_:.-]*", re.ASCII)


def without_places(tags: dict[str, str]) -> dict[str, str]:
    """Return tags without those that are the server's."""
    return {key: value for key, value in tags.items() if key not in PLACES}


class NoArchive:
    """What is found at any place of an archive: nothing, as where it is gone."""

    def __init__(self, *_place: Any) -> None:
        pass

    def download_archived_trace_data(self) -> Any:
        """Return the data of a trace without any."""
        entities: Any = importlib.import_module("mlflow.entities")
        return entities.TraceData(spans=[])

    def delete_artifacts(self, _name: str) -> None:
        """Remove nothing."""


def has_archives() -> bool:
    """Say whether this MLflow has any; from 3.13 on, it does."""
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(OF_ARCHIVES)
        return True
    return False


def close() -> None:
    """Have MLflow keep to that."""
    if asking.AUTH not in sys.modules:
        # What is served is none of MLflow's.
        return
    kind = parts.needed(STORE, KIND, OPEN)
    is_valid = parts.needed(STORE, TAG_IS_VALID, OPEN)
    own_place, begin = (parts.needed(STORE, f"{KIND}.{name}", OPEN) for name in (OWN_PLACE, BEGIN))

    @functools.wraps(is_valid)
    def is_no_place(key: Any, value: Any, *others: Any, **options: Any) -> Any:
        if key in PLACES:
            raise asking.invalid(f"the tag {key} is not set by people")
        return is_valid(key, value, *others, **options)

    @functools.wraps(own_place)
    def within(self: Any, experiment: Any, trace_id: str, *others: Any, **options: Any) -> Any:
        if not TRACE.fullmatch(trace_id):
            raise asking.invalid("the name of a trace may be a path")
        return own_place(self, experiment, trace_id, *others, **options)

    @functools.wraps(begin)
    def begin_without(self: Any, trace_info: Any) -> Any:
        trace_info.tags = without_places(trace_info.tags)
        return begin(self, trace_info)

    setattr(importlib.import_module(STORE), TAG_IS_VALID, is_no_place)
    setattr(kind, OWN_PLACE, within)
    setattr(kind, BEGIN, begin_without)
    for name in filter(functools.partial(hasattr, kind), BEGIN_OR_END):
        setattr(kind, name, tagged_without(getattr(kind, name)))
    for module, name in ARCHIVES if has_archives() else ():
        parts.needed(module, name, OPEN)
        setattr(importlib.import_module(module), name, NoArchive)


def tagged_without(change: Any) -> Any:
    """Return what begins or ends a trace, and takes no tags that are the server's."""

    @functools.wraps(change)
    def changed(self: Any, *others: Any, tags: dict[str, str], **options: Any) -> Any:
        return change(self, *others, tags=without_places(tags), **options)

    return changed
