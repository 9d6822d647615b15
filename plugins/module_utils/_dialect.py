# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users, groups and grants as the server's version speaks of them.

A dialect hides one permission API; callers never see a version. There is one so far, that of
MLflow 3.13 and later, where a group is a role and a user's own grants are rows of a hidden role.
"""

from __future__ import annotations

import re
import typing as t

from ._client import Client
from ._errors import Unsupported

USERS = "/api/2.0/mlflow/users/"
GRANTS = "/api/3.0/mlflow/users/permissions/"
ROLES = "/api/3.0/mlflow/roles/"

# Without workspaces every role lives in this one.
WORKSPACE = "default"

# MLflow keeps a user's own grants on a role of this name; it is never a group of ours.
HIDDEN_ROLE = re.compile(r"^__user_\d+__$")


class Resource(t.NamedTuple):
    """What a grant is on: C(key) is an experiment's id, a model's name, or C(*) for all."""

    kind: str
    key: str


class Grant(t.NamedTuple):
    """A level, and the server's row that holds it."""

    level: str
    row: int


class User(t.NamedTuple):
    """A user as the server knows it."""

    name: str
    admin: bool
    groups: frozenset[str]
    grants: dict[Resource, Grant]


class Group(t.NamedTuple):
    """A role as the server knows it."""

    name: str
    id: int
    description: str
    members: frozenset[str]
    grants: dict[Resource, Grant]


class Access(t.NamedTuple):
    """Everybody on a server, by name."""

    users: dict[str, User]
    groups: dict[str, Group]


def user_facts(user: User) -> dict[str, t.Any]:
    """What the modules return about a user."""
    return {"name": user.name, "admin": user.admin, "groups": sorted(user.groups)}


def dialect_of(client: Client) -> RoleDialect:
    """The dialect that this server speaks, by its own version."""
    number = re.match(r"(\d+)\.(\d+)", client.version)
    if not number:
        raise Unsupported(f"{client.tracking_uri} does not tell a version of MLflow; is it an MLflow server?")
    if tuple(map(int, number.groups())) < (3, 13):
        raise Unsupported(
            f"the server runs MLflow {client.version}; users and permissions need 3.13 or later",
            version=client.version,
        )
    return RoleDialect(client)


class RoleDialect:
    """MLflow 3.13 and later: C(users/list) tells all, C(roles/*) writes."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def observe(self) -> Access:
        """Read everybody: one request for who has what, one for groups without members."""
        users: dict[str, User] = {}
        members: dict[int, set[str]] = {}
        for user in self._client.get(USERS + "list")["users"]:
            own = [role for role in user["roles"] if HIDDEN_ROLE.match(role["name"])]
            others = [role for role in user["roles"] if not HIDDEN_ROLE.match(role["name"])]
            for role in others:
                members.setdefault(role["id"], set()).add(user["username"])
            users[user["username"]] = User(
                user["username"],
                user["is_admin"],
                frozenset(role["name"] for role in others),
                {resource: grant for role in own for resource, grant in _grants(role).items()},
            )
        groups = {
            role["name"]: Group(
                role["name"],
                role["id"],
                role["description"] or "",
                frozenset(members.get(role["id"], ())),
                _grants(role),
            )
            for role in self._client.get(ROLES + "list", workspace=WORKSPACE)["roles"]
            if not HIDDEN_ROLE.match(role["name"])
        }
        return Access(users, groups)

    def create_user(self, name: str, password: str) -> None:
        self._client.write("POST", USERS + "create", username=name, password=password)

    def delete_user(self, name: str) -> None:
        self._client.write("DELETE", USERS + "delete", username=name)

    def set_admin(self, name: str, admin: bool) -> None:
        self._client.write("PATCH", USERS + "update-admin", username=name, is_admin=admin)

    def set_password(self, name: str, password: str) -> None:
        body = {"username": name, "password": password}
        if name == self._client.username:
            body["current_password"] = self._client.password
        self._client.write("PATCH", USERS + "update-password", **body)
        if name == self._client.username:
            self._client.password = password

    def create_group(self, name: str, description: str) -> Group:
        answer = self._client.write("POST", ROLES + "create", name=name, workspace=WORKSPACE, description=description)
        return Group(name, answer["role"]["id"], description, frozenset(), {})

    def describe_group(self, group: Group, description: str) -> None:
        self._client.write("PATCH", ROLES + "update", role_id=group.id, description=description)

    def delete_group(self, group: Group) -> None:
        self._client.write("DELETE", ROLES + "delete", role_id=group.id)

    def add_member(self, group: Group, username: str) -> None:
        self._client.write("POST", ROLES + "assign", role_id=group.id, username=username)

    def remove_member(self, group: Group, username: str) -> None:
        self._client.write("DELETE", ROLES + "unassign", role_id=group.id, username=username)

    def grant(self, holder: User | Group, resource: Resource, level: str) -> None:
        """Give a level that the holder has none of yet on this resource."""
        row = {"resource_type": resource.kind, "permission": level}
        if isinstance(holder, Group):
            self._client.write(
                "POST", ROLES + "permissions/add", role_id=holder.id, resource_pattern=resource.key, **row
            )
        else:
            self._client.write("POST", GRANTS + "grant", username=holder.name, resource_id=resource.key, **row)

    def change_level(self, grant: Grant, level: str) -> None:
        """Change a grant in one step, so that nobody is without access in between."""
        self._client.write("PATCH", ROLES + "permissions/update", role_permission_id=grant.row, permission=level)

    def revoke(self, grant: Grant) -> None:
        self._client.write("DELETE", ROLES + "permissions/remove", role_permission_id=grant.row)


def _grants(role: dict[str, t.Any]) -> dict[Resource, Grant]:
    return {
        Resource(row["resource_type"], row["resource_pattern"]): Grant(row["permission"], row["id"])
        for row in role["permissions"]
    }
