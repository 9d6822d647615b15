"""Lets only those make experiments, models and whatever else has a name of its own who are declared to.

MLflow without workspaces has nothing that forbids it. It is asked where MLflow writes what is new into its database,
and not by route: whichever way a request came, of whatever version of the API, and whatever else it makes on its way.
A process that serves people makes nothing for nobody.

Admins may always. Who else may is read anew each time, so that a server need not be restarted for it.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow import parts
from mlflowctl.in_mlflow.asking import Asked, asking, auth_of_mlflow, denied

# Where the names of those stand who may; everybody may where it is not set.
SETTING = "MLOPS_MLFLOW_CREATORS"
# Tables, as MLflow's code calls them, and what it is that stands in them.
TRACKING, REGISTRY = "mlflow.store.tracking.dbmodels.models", "mlflow.store.model_registry.dbmodels.models"
ALWAYS = {(TRACKING, "SqlExperiment"): "experiments", (REGISTRY, "SqlRegisteredModel"): "registered models or prompts"}
# Not every version has these.
LATER = {
    (TRACKING, "SqlGatewaySecret"): "secrets of the gateway",
    (TRACKING, "SqlGatewayEndpoint"): "endpoints of the gateway",
    (TRACKING, "SqlGatewayModelDefinition"): "models of the gateway",
    (TRACKING, "SqlMCPServer"): "MCP servers",
    (TRACKING, "SqlSkill"): "skills",
}


class Alone:
    """An application of which nobody else follows who asks."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if asking.get() is None and scope["type"] != "lifespan":
            asking.set(Asked())
        await self.app(scope, receive, send)


def may_create(path: str, name: str | None, is_admin: Callable[[str], bool]) -> bool:
    """Say whether somebody is declared to make things, or is an admin; who is not known may not."""
    if name is None:
        return False
    with open(path, encoding="utf-8") as file:
        declared = json.load(file)
    return name in declared or is_admin(name)


def is_admin(name: str) -> bool:
    """Say whether MLflow lets somebody do everything, as it is at this moment."""
    return bool(auth_of_mlflow().store.get_user(name).is_admin)


def refusal(path: str, what: str) -> Callable[..., None]:
    """Return what is called when a row was written, and raises where it may not stay.

    That is not before, so that who makes what is there already is answered as ever: MLflow's client makes the model of
    each version that it registers, and goes on where that is there.
    """

    def after_insert(_mapper: Any, _connection: Any, _row: Any) -> None:
        request = asking.get()
        name = request.user if request is not None else None
        if not may_create(path, name, is_admin):
            who = f"'{name}'" if name else "who is not logged in"
            message = f"{who} may not make {what} on this server; whoever runs it declares who may (creators)"
            # All that was written with it is taken back.
            raise denied(message)

    return after_insert


def around(app: Any) -> Any:
    """Return an application that lets only creators make things, or the same where everybody may."""
    path = os.environ.get(SETTING)
    if not path:
        return app
    event: Any = importlib.import_module("sqlalchemy.event")
    for (module, table), what in {**ALWAYS, **LATER}.items():
        if (module, table) in ALWAYS:
            parts.needed(module, table, f"nobody could be kept from making {what}")
        found = getattr(importlib.import_module(module), table, None)
        if found is not None:
            event.listen(found, "after_insert", refusal(path, what), propagate=True)
    return Alone(app)
