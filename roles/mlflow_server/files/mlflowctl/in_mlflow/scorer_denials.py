"""Has nobody run a scorer that they are denied, or say how much of what comes in it scores.

MLflow 3.17, the first that denies scorers, asks for EDIT on the experiment alone there, and runs what stands in the
database under the name. From 3.18 on it asks itself.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from mlflowctl.in_mlflow import asking, parts, renames, unchecked

OWN = "_scorer_not_denied_requirements"
CHECKS = ("validate_can_update_online_scoring_config", "validate_can_invoke_genai_evaluate")
ASKED_BY = ("authorize", "authenticate_request", "Requirement", "store._scorer_pattern")
OPEN = "people could run scorers that they are denied"


def scorers(body: dict[str, Any]) -> Iterator[str]:
    """Give the names of the scorers that are meant: one, or those of which a version is."""
    if isinstance(body.get("name"), str):
        yield body["name"]
    for scorer in body.get("serialized_scorers") or ():
        try:
            found = json.loads(scorer)
        except (TypeError, ValueError):
            continue
        if isinstance(found, dict) and isinstance(found.get("name"), str):
            yield found["name"]


def unless_denied(check: Callable[[], bool]) -> Callable[[], bool]:
    """Return what asks the same, and whether somebody is denied a scorer that is meant."""
    flask: Any = importlib.import_module("flask")

    @functools.wraps(check)
    def may() -> bool:
        if not check():
            return False
        auth, body = asking.auth_of_mlflow(), flask.request.get_json(silent=True)
        number, who = body["experiment_id"], auth.authenticate_request().username
        needs = [("scorer_version", "*"), *(("scorer", auth.store._scorer_pattern(number, it)) for it in scorers(body))]
        return bool(auth.authorize(who, ("experiment", number), [auth.Requirement(*it, "not_denied") for it in needs]))

    return may


def close() -> None:
    """Have MLflow ask, where it denies scorers and does not ask itself."""
    auth = sys.modules.get(asking.AUTH)
    if auth is None or hasattr(auth, OWN) or not hasattr(importlib.import_module(renames.PERMISSIONS), renames.DENY):
        return
    for name in ASKED_BY:
        parts.needed(asking.AUTH, name, OPEN)
    checks = parts.needed(asking.AUTH, unchecked.CHECKS, OPEN)
    for name in CHECKS:
        check = parts.needed(asking.AUTH, name, OPEN)
        for where in [where for where, found in checks.items() if found is check]:
            checks[where] = unless_denied(check)
