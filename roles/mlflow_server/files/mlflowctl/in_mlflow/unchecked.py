"""Has MLflow ask for grants on routes where some of its versions ask nobody: who knew the number of a run read its
metrics up to 3.15, and wrote its inputs and outputs up to 3.14.

It is asked by what it asks on the same thing elsewhere, and where it asks something itself, that stays.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from mlflowctl.in_mlflow import asking, parts

CHECKS, APIS = "BEFORE_REQUEST_VALIDATORS", ("api", "ajax-api")
OPEN = "it could ask nobody who knows the number of a run"
ROUTES = {
    ("metrics/get-history-bulk-interval", "GET"): "validate_can_read_metric_history_bulk_interval",
    ("runs/log-inputs", "POST"): "validate_can_update_run",
    ("runs/outputs", "POST"): "validate_can_update_run",
}


def close() -> None:
    """Have it ask."""
    if asking.AUTH not in sys.modules:
        # What is served is none of MLflow's.
        return
    checks = parts.needed(asking.AUTH, CHECKS, OPEN)
    for (route, method), check in ROUTES.items():
        for api in APIS:
            where = f"/{api}/2.0/mlflow/{route}", method
            # A route may stand there without anything that asks.
            checks[where] = checks.get(where) or parts.needed(asking.AUTH, check, OPEN)


def ask_more(route: str, method: str, asks: Callable[[Callable[[], bool]], Callable[[], bool]], otherwise: str) -> None:
    """Have what is asked on a route be what is made of it, wherever the route stands."""
    checks = parts.needed(asking.AUTH, CHECKS, otherwise)
    for api in APIS:
        path = f"/{api}/{route}"
        if (path, method) not in checks:
            raise parts.missing(f"{method} {path} in {CHECKS} of {asking.AUTH}", otherwise)
        checks[path, method] = asks(checks[path, method])
