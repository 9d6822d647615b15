"""Finds what is changed of MLflow's, or lets a server not start: without it, what is closed here would be open."""

from __future__ import annotations

import importlib
import operator
from typing import Any


def needed(module: str, name: str, otherwise: str) -> Any:
    """Return what MLflow calls so, also within a class; say what could happen otherwise, where it has none."""
    try:
        return operator.attrgetter(name)(importlib.import_module(module))
    except (AttributeError, ModuleNotFoundError) as error:
        raise missing(f"{name} in {module}", otherwise) from error


def missing(what: str, otherwise: str) -> RuntimeError:
    """Return what says so."""
    return RuntimeError(f"this MLflow has no {what}, so that {otherwise}")
