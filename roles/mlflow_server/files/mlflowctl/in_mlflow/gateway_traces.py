"""Has an endpoint of the gateway leave its traces in no experiment that who says so may not edit.

MLflow only looks whether they are denied it: who may make an endpoint wrote traces into all experiments by asking it.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow import asking, parts, places

CHANGES = ("create_gateway_endpoint", "update_gateway_endpoint")
OPEN = "people could have an endpoint write into the experiments of others"


def into_own(change: Callable[..., Any]) -> Callable[..., Any]:
    """Return what does the same to an endpoint, and names no experiment of others for it."""
    signature = inspect.signature(change)

    @functools.wraps(change)
    def changed(self: Any, *values: Any, **named: Any) -> Any:
        request, given = asking.asking.get(), signature.bind(self, *values, **named).arguments
        number = given.get("experiment_id")
        if request is not None and number and not places.may_edit(number, request.user):
            # Where its traces are already, they stay: pages send that along.
            endpoint = given.get("endpoint_id")
            if not endpoint or str(self.get_gateway_endpoint(endpoint_id=endpoint).experiment_id) != str(number):
                message = f"who may not edit experiment {number} has no endpoint leave its traces there"
                raise asking.denied(message)
        return change(self, *values, **named)

    return changed


def close() -> None:
    """Have MLflow keep to that, where it has a gateway."""
    if asking.AUTH not in sys.modules:
        # What is served is none of MLflow's.
        return
    parts.needed(asking.AUTH, places.MAY, OPEN)
    kind = parts.needed(places.STORE, places.KIND, OPEN)
    for name in CHANGES:
        if hasattr(kind, name):
            setattr(kind, name, into_own(getattr(kind, name)))
