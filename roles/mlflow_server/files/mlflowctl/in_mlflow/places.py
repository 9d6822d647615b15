"""Lets nobody name a place in the server's own store, or anywhere else, as that of what is theirs.

MLflow asks of which run or logged model the source of a model's version is where it is on the server's disk or passed
on by it (`mlflow-artifacts:`). One in the store behind it, such as `s3://`, it reads with its own key for whoever has
the version. Where the data of traces are is in traces.py.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from mlflowctl.in_mlflow import asking

HANDLERS = "mlflow.server.handlers"
STORES = ("MLFLOW_ARTIFACTS_DESTINATION", "MLFLOW_DEFAULT_ARTIFACT_ROOT")
# Whether a source has to be within the run or logged model that is named with it. MLflow has it from 3.17 on.
IS_OF_A_RUN = "_is_mlflow_artifact_source"


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
    if hasattr(handlers, IS_OF_A_RUN):
        setattr(handlers, IS_OF_A_RUN, with_more(getattr(handlers, IS_OF_A_RUN)))
