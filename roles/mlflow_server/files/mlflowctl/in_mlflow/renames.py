"""Has nobody rename a model or prompt that a group is denied, or give one a name that users have grants on already.

MLflow 3.17, the first that denies groups anything, leaves the grants of groups with the former name, so that whoever
may edit it would let all of them in. Those of users go with the name, and all stay where one of them has any on the new
one already: then, who was denied it is so no longer.

MLflow from 3.18 on refuses it itself. Up to 3.16, it reads the new name in two ways (`new_name`, `newName`), and
renames by one for which it then moves no grants, as where there are some on the new name: who had MANAGE would have it
on whatever is called so next. Admins are not asked: they may take a denial away.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable

from mlflowctl.in_mlflow import asking, parts, unchecked

PERMISSIONS, DENY = "mlflow.server.auth.permissions", "DENY"
OWN, PARAMETER = "_reject_rename_with_named_role_grants", "_get_request_param"
LIST = "store.list_roles"
KINDS = ("registered_model", "prompt")
OPEN = "people could rename what a group is denied"
TABLES, BY_KIND = "mlflow.server.auth.db.models", "SqlExperimentPermission"


def is_denied(name: str) -> bool:
    """Say whether a group is denied what is called so."""
    auth = asking.auth_of_mlflow()
    return any(
        (row.permission, row.resource_pattern) == (DENY, name) and row.resource_type in KINDS
        for role in auth.store.list_roles()
        if not auth.store._is_synthetic_role_name(role.name)
        for row in role.permissions
    )


def is_granted(name: str) -> bool:
    """Say whether a user has anything on what is called so, as on what is not there yet."""
    auth = asking.auth_of_mlflow()
    return any(
        row.resource_pattern == name and row.resource_type in KINDS
        for role in auth.store.list_roles()
        if auth.store._is_synthetic_role_name(role.name)
        for row in role.permissions
    )


def unless_denied(check: Callable[[], bool]) -> Callable[[], bool]:
    """Return what asks the same, and for that."""

    @functools.wraps(check)
    def may() -> bool:
        if not check():
            return False
        name, new = (getattr(asking.auth_of_mlflow(), PARAMETER)(word) for word in ("name", "new_name"))
        if is_denied(name):
            raise asking.invalid(
                "a group is denied what has this name, and would not be under another one; an admin may rename it"
            )
        if new != name and is_granted(new):
            raise asking.invalid("somebody has grants on this name already; an admin may take them away, or rename it")
        return True

    return may


def has_grants_by_kind() -> bool:
    """Say whether each kind of thing has grants in a table of its own: up to 3.12, which is not deployed any more."""
    return hasattr(importlib.import_module(TABLES), BY_KIND)


def close() -> None:
    """Have MLflow ask."""
    auth = sys.modules.get(asking.AUTH)
    if auth is None or hasattr(auth, OWN) or has_grants_by_kind():
        # What is served is none of MLflow's, or one that has nothing to ask for.
        return
    for name in (PARAMETER, LIST, "store._is_synthetic_role_name"):
        parts.needed(asking.AUTH, name, OPEN)
    unchecked.ask_more("2.0/mlflow/registered-models/rename", "POST", unless_denied, OPEN)
