"""Has nobody come by a grant on a scorer by adding a version to it, or do away with those of others by removing one.

MLflow gives MANAGE on a scorer to whoever registers it, and takes all that users have on it when it is deleted: both
for each single version, too. So who may edit an experiment could read and delete the scorers of others in it, and who
may delete a version took away what others are denied.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow import asking, parts

HANDLERS = "AFTER_REQUEST_HANDLERS"
GIVES, TAKES = "set_can_manage_scorer_permission", "delete_scorer_permissions_cascade"
OPEN = "people could do more with the scorers of others for a version of theirs"


def is_new(answer: Any) -> bool:
    """Say whether what was registered is a scorer's first version."""
    return bool((answer.get_json(silent=True) or {}).get("version") == 1)


def is_all_of_it(_answer: Any) -> bool:
    """Say whether a scorer was deleted, and not one version."""
    flask: Any = importlib.import_module("flask")
    return (flask.request.get_json(force=True, silent=True) or {}).get("version") is None


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
    handlers = parts.needed(asking.AUTH, HANDLERS, OPEN)
    for name, counts in ((GIVES, is_new), (TAKES, is_all_of_it)):
        change = parts.needed(asking.AUTH, name, OPEN)
        for where in [where for where, handler in handlers.items() if handler is change]:
            handlers[where] = only_where(counts, change)
