"""Has an endpoint of the gateway leave its traces in no experiment that who says so may not edit, and in nobody's trap.

MLflow only looks whether they are denied it: who may make an endpoint wrote traces into all experiments by asking it.
Where they name none, it takes the one that is called `gateway/NAME`, whosever it is: who had made one read all that
others ask an endpoint that is made later. So nobody gives one such a name but admins, and MLflow for an endpoint.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow import asking, creators, parts, places

CHANGES = ("create_gateway_endpoint", "update_gateway_endpoint")
OPEN = "people could have an endpoint write into the experiments of others"
# How MLflow gets the experiment of an endpoint, and what experiments get their names by.
OWN, NAMING, PREFIX = "_get_or_create_experiment_id", (places.CREATE, "rename_experiment"), "gateway/"
TRAP_OPEN = "people could have the traces of an endpoint of others"
# Whether MLflow is getting one.
for_an_endpoint: contextvars.ContextVar[bool] = contextvars.ContextVar("for_an_endpoint", default=False)


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


def by_mlflow(get: Callable[..., Any]) -> Callable[..., Any]:
    """Return what gets the experiment of an endpoint, and may give one its name."""

    @functools.wraps(get)
    def found(*values: Any, **named: Any) -> Any:
        mark = for_an_endpoint.set(True)
        try:
            return get(*values, **named)
        finally:
            for_an_endpoint.reset(mark)

    return found


def not_as_of_an_endpoint(change: Callable[..., Any]) -> Callable[..., Any]:
    """Return what gives an experiment a name, and for admins alone one that an endpoint could have."""
    signature = inspect.signature(change)

    @functools.wraps(change)
    def changed(self: Any, *values: Any, **named: Any) -> Any:
        request, given = asking.asking.get(), signature.bind(self, *values, **named).arguments
        name = str(given.get("new_name", given.get("name")))
        if request is not None and name.startswith(PREFIX) and not for_an_endpoint.get():
            is_there = "name" in given and self.get_experiment_by_name(name) is not None
            if not is_there and not (request.user and creators.is_admin(request.user)):
                raise asking.denied(
                    "the name of an experiment begins with gateway/ for an endpoint of the gateway alone"
                )
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
    if hasattr(kind, CHANGES[0]):
        setattr(kind, OWN, by_mlflow(parts.needed(places.STORE, f"{places.KIND}.{OWN}", TRAP_OPEN)))
        for name in NAMING:
            setattr(kind, name, not_as_of_an_endpoint(parts.needed(places.STORE, f"{places.KIND}.{name}", TRAP_OPEN)))
