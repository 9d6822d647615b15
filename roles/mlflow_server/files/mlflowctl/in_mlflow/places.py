"""Lets nobody name a place in the server's own store, or anywhere else, as that of what is theirs.

MLflow asks of which run or logged model the source of a model's version is where it is on the server's disk or passed
on by it (`mlflow-artifacts:`). One in the store behind it, such as `s3://`, it reads with its own key for whoever has
the version. Up to 3.17 it lets people set the tag that says where the data of a trace are: the server reads there, and
clients do, with the log-in of whoever looks at the trace; and the name of a trace may be a path.
"""

from __future__ import annotations

import functools
import importlib
import os
import re
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from mlflowctl.in_mlflow import asking

HANDLERS, STORE = "mlflow.server.handlers", "mlflow.store.tracking.sqlalchemy_store"
STORES = ("MLFLOW_ARTIFACTS_DESTINATION", "MLFLOW_DEFAULT_ARTIFACT_ROOT")
# Whether a source has to be within the run or logged model that is named with it. MLflow has it from 3.17 on.
IS_OF_A_RUN = "_is_mlflow_artifact_source"
TAG_IS_VALID, OWN_PLACE = "_validate_trace_tag", "_get_trace_artifact_location_tag"
PLACE_OF_TRACE = "mlflow.artifactLocation"
# Clients choose it: tr- and 32 digits, where they are MLflow's. The data of a trace are in a directory of this name.
TRACE = re.compile(r"[A-Za-z0-9_:-][A-Za-z0-9_:.-]*", re.ASCII)


def is_in_a_store(place: str) -> bool:
    """Say whether a place is in the bucket that the server has its artifacts in, which is more than its own path."""
    found = urlsplit(place)
    stores = [urlsplit(os.environ.get(name, "")) for name in STORES]
    wanted = found.scheme.lower(), found.netloc.lower()
    return any(it.scheme and (it.scheme.lower(), it.netloc.lower()) == wanted for it in stores)


def with_more(is_of_a_run: Callable[[str], bool]) -> Callable[[str], bool]:
    """Return what takes the sources in the server's own store for such, too."""

    @functools.wraps(is_of_a_run)
    def has_to_be(source: str) -> bool:
        return is_of_a_run(source) or is_in_a_store(source)

    return has_to_be


def close() -> None:
    """Have MLflow look."""
    if asking.AUTH not in sys.modules:
        # What is served is none of MLflow's.
        return
    handlers: Any = importlib.import_module(HANDLERS)
    store: Any = importlib.import_module(STORE)
    exceptions: Any = importlib.import_module("mlflow.exceptions")
    if hasattr(handlers, IS_OF_A_RUN):
        setattr(handlers, IS_OF_A_RUN, with_more(getattr(handlers, IS_OF_A_RUN)))
    is_valid, own_place = getattr(store, TAG_IS_VALID), getattr(store.SqlAlchemyStore, OWN_PLACE)

    @functools.wraps(is_valid)
    def is_no_place(key: Any, value: Any, *others: Any, **options: Any) -> Any:
        if key == PLACE_OF_TRACE:
            raise exceptions.MlflowException.invalid_parameter_value(f"the tag {key} is not set by people")
        return is_valid(key, value, *others, **options)

    @functools.wraps(own_place)
    def within(self: Any, experiment: Any, trace_id: str, *others: Any, **options: Any) -> Any:
        if not TRACE.fullmatch(trace_id):
            raise exceptions.MlflowException.invalid_parameter_value("the name of a trace is no path")
        return own_place(self, experiment, trace_id, *others, **options)

    setattr(store, TAG_IS_VALID, is_no_place)
    setattr(store.SqlAlchemyStore, OWN_PLACE, within)
