"""Has nobody come by a grant on a scorer by adding a version to it, or do away with those of others by removing one.

MLflow gives MANAGE on a scorer to whoever registers it, and takes all that users have on it when it is deleted: both
for each single version, too. So who may edit an experiment could read and delete the scorers of others in it, and who
may delete a version took away what others are denied. With the last version, the scorer is gone as well: who makes one
of the name has it alone.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow import asking, parts, places

HANDLERS = "AFTER_REQUEST_HANDLERS"
GIVES, TAKES = "set_can_manage_scorer_permission", "delete_scorer_permissions_cascade"
STORE_OF, STORE, VERSIONS = "mlflow.server.handlers", "_get_tracking_store", "SqlAlchemyStore.list_scorer_versions"
NOT_THERE = "RESOURCE_DOES_NOT_EXIST"
OPEN = "people could do more with the scorers of others for a version of theirs"


def is_new(answer: Any) -> bool:
    """Say whether what was registered is a scorer's first version."""
    return bool((answer.get_json(silent=True) or {}).get("version") == 1)


def is_all_of_it(_answer: Any) -> bool:
    """Say whether a scorer has no version any longer."""
    flask: Any = importlib.import_module("flask")
    exceptions: Any = importlib.import_module("mlflow.exceptions")
    asked = flask.request.get_json(force=True, silent=True) or {}
    if asked.get("version") is None:
        return True
    try:
        store = getattr(importlib.import_module(STORE_OF), STORE)()
        return not store.list_scorer_versions(asked["experiment_id"], asked["name"])
    except exceptions.MlflowException as error:
        if error.error_code != NOT_THERE:
            raise
        return True


def only_where(counts: Callable[[Any], bool], change: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return what changes grants upon an answer, where that counts."""

    @functools.wraps(change)
    def changed(answer: Any) -> None:
        if counts(answer):
            change(answer)

    return changed


def close() -> None:
    """Have MLflow keep to that."""
    if asking.AUTH not in sys.modules:
        # What is served is none of MLflow's.
        return
    parts.needed(STORE_OF, STORE, OPEN)
    parts.needed(places.STORE, VERSIONS, OPEN)
    handlers = parts.needed(asking.AUTH, HANDLERS, OPEN)
    for name, counts in ((GIVES, is_new), (TAKES, is_all_of_it)):
        change = parts.needed(asking.AUTH, name, OPEN)
        for where in [where for where, handler in handlers.items() if handler is change]:
            handlers[where] = only_where(counts, change)
