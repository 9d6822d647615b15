"""Has nobody link their traces to a run of others, by sending them in OpenTelemetry's way.

From 3.14 on a header there names a run, and MLflow asks who may write to the experiment in the other one alone. Where
traces are linked otherwise, it asks for the run, too; and so it is asked here.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from mlflowctl.in_mlflow import asking, parts, places, renames

ROUTES, NAME, HEADER = "mlflow.server.otel_api", "MLFLOW_RUN_ID_HEADER", "x-mlflow-run-id"
CHECK, STORE = "_get_otel_validator", "_get_tracking_store"
# What MLflow asks by where there are grants on all runs.
REQUIREMENT, AUTHORIZE = "_run_requirement", "authorize"
OPEN = "people could link their traces to the runs of others"

Check = Callable[[str, Any], Awaitable[bool]]


def may_change(run: str, who: str) -> bool:
    """Say whether somebody may change a run; one that is not there has nothing linked to it."""
    auth = asking.auth_of_mlflow()
    if hasattr(auth, REQUIREMENT):
        found = auth._run_requirement(run, "update")
        return found is None or bool(auth.authorize(who, *found))
    exceptions: Any = importlib.import_module("mlflow.exceptions")
    try:
        number = auth._get_tracking_store().get_run(run).info.experiment_id
    except exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return True
    return places.may_edit(number, who)


def asks_for_the_run(checks: Callable[[str], Check]) -> Callable[[str], Check]:
    """Return what gives the check of a route, with the run that a request names."""

    @functools.wraps(checks)
    def check_of(path: str) -> Check:
        check = checks(path)

        async def may(who: str, request: Any) -> bool:
            if not await check(who, request):
                return False
            run = request.headers.get(HEADER)
            return not run or await asyncio.to_thread(may_change, run, who)

        return may

    return check_of


def close() -> None:
    """Have MLflow ask."""
    if asking.AUTH not in sys.modules or not hasattr(importlib.import_module(ROUTES), NAME):
        # What is served is none of MLflow's, or links nothing so.
        return
    auth: Any = sys.modules[asking.AUTH]
    has_grants = hasattr(importlib.import_module(renames.PERMISSIONS), renames.DENY)
    for name in (REQUIREMENT, AUTHORIZE) if has_grants else (STORE, places.MAY):
        parts.needed(asking.AUTH, name, OPEN)
    setattr(auth, CHECK, asks_for_the_run(parts.needed(asking.AUTH, CHECK, OPEN)))
