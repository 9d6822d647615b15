"""Has nobody run a scorer that they are denied, or say or read how much of what comes in it scores.

MLflow 3.17, the first that denies scorers, asks for EDIT on the experiment alone there, and runs what stands in the
database under the name. From 3.18 on it asks itself.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mlflowctl.in_mlflow import asking, parts, renames, unchecked

OWN = "_scorer_not_denied_requirements"
CHECKS = ("validate_can_update_online_scoring_config", "validate_can_invoke_genai_evaluate")
READS = "validate_can_read_online_scoring_configs"
READS_BY = ("_get_validated_flask_request_json", "_assert_array", "_get_tracking_store")
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


def is_denied(number: str, names: Iterable[str]) -> bool:
    """Say whether who asks is denied one of these scorers of an experiment."""
    auth = asking.auth_of_mlflow()
    who = auth.authenticate_request().username
    needs = [("scorer_version", "*"), *(("scorer", auth.store._scorer_pattern(number, it)) for it in names)]
    return not auth.authorize(who, ("experiment", number), [auth.Requirement(*it, "not_denied") for it in needs])


def unless_denied(check: Callable[[], bool]) -> Callable[[], bool]:
    """Return what asks the same, and whether somebody is denied a scorer that is meant."""
    flask: Any = importlib.import_module("flask")

    @functools.wraps(check)
    def may() -> bool:
        if not check():
            return False
        body = flask.request.get_json(silent=True)
        return not is_denied(body["experiment_id"], scorers(body))

    return may


def unless_one_is_denied(check: Callable[[], bool]) -> Callable[[], bool]:
    """Return what asks the same, and whether somebody is denied a scorer of which it is read what is said."""
    flask: Any = importlib.import_module("flask")

    @functools.wraps(check)
    def may() -> bool:
        if not check():
            return False
        auth = asking.auth_of_mlflow()
        read, a_list, store = (getattr(auth, name) for name in READS_BY)
        ids = read(flask.request, schema={"scorer_ids": [a_list]}).get("scorer_ids") or []
        numbers = {str(it.experiment_id) for it in store().get_online_scoring_configs(ids)}
        # Of one that has no version any longer, nothing is left to be denied.
        found = [it for it in store().list_scorers_across_experiments(sorted(numbers)) if it.scorer_id in ids]
        return not any(is_denied(str(it.experiment_id), [it.scorer_name]) for it in found)

    return may


def close() -> None:
    """Have MLflow ask, where it denies scorers and does not ask itself."""
    auth = sys.modules.get(asking.AUTH)
    if auth is None or hasattr(auth, OWN) or not hasattr(importlib.import_module(renames.PERMISSIONS), renames.DENY):
        return
    for name in (*ASKED_BY, *READS_BY):
        parts.needed(asking.AUTH, name, OPEN)
    checks = parts.needed(asking.AUTH, unchecked.CHECKS, OPEN)
    for name, change in {**dict.fromkeys(CHECKS, unless_denied), READS: unless_one_is_denied}.items():
        check = parts.needed(asking.AUTH, name, OPEN)
        for where in [where for where, found in checks.items() if found is check]:
            checks[where] = change(check)
