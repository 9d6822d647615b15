# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow's roles, which are our groups; and the dialect of MLflow 3.13 and later, where all grants are roles'."""

from __future__ import annotations

import re
import typing as t

from ._client import Client, fitting
from ._dialect import LEVEL, USERS, Access, Grant, Group, Holder, Resource, User
from ._errors import RequestRefused
from ._kinds import EVERY, KINDS
from ._shapes import Maybe, fit

GRANTS = "/api/3.0/mlflow/users/permissions/"
ROLES = "/api/3.0/mlflow/roles/"

# Without workspaces every role lives in this one.
WORKSPACE = "default"

# MLflow keeps a user's own grants on a role of this name; it is never a group of ours.
HIDDEN_ROLE = re.compile(r"__user_[0-9]+__")


def _fit_row(row: t.Any, where: str) -> None:
    """A row of a role. Kinds that the inventory has no word for have levels of their own."""
    fit({"id": int, "resource_type": str, "resource_pattern": str, "permission": str}, row, where)
    if row["resource_type"] in KINDS:
        fit(LEVEL, row["permission"], f"{where}.permission")


# As MLflow begins to say that it has no such kind.
NO_KIND = "Invalid resource type"

ROLE = {"id": int, "name": str, "description": Maybe(str), "permissions": [_fit_row]}


class Roles:
    """The requests on roles, which are the same since MLflow 3.12."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ids: dict[str, int] = {}

    def visible_roles(self) -> list[dict[str, t.Any]]:
        """All roles but the hidden ones, those without members too."""
        roles = fitting(self._client.get(ROLES + "list", workspace=WORKSPACE), {"roles": [ROLE]})["roles"]
        roles = [role for role in roles if not HIDDEN_ROLE.fullmatch(role["name"])]
        self._ids = {role["name"]: role["id"] for role in roles}
        return roles

    def member_ids(self, role_id: int) -> list[int]:
        """Ids of the users who have a role."""
        answer = self._client.get(ROLES + "users/list", role_id=role_id)
        return [row["user_id"] for row in fitting(answer, {"assignments": [{"user_id": int}]})["assignments"]]

    def create_group(self, name: str, description: str) -> None:
        answer = self._client.write("POST", ROLES + "create", name=name, workspace=WORKSPACE, description=description)
        self._ids[name] = fitting(answer, {"role": {"id": int}})["role"]["id"]

    def describe_group(self, name: str, description: str) -> None:
        self._client.write("PATCH", ROLES + "update", role_id=self._ids[name], description=description)

    def delete_group(self, name: str) -> None:
        self._client.write("DELETE", ROLES + "delete", role_id=self._ids.pop(name))

    def add_member(self, group: str, username: str) -> None:
        self._client.write("POST", ROLES + "assign", role_id=self._ids[group], username=username)

    def remove_member(self, group: str, username: str) -> None:
        self._client.write("DELETE", ROLES + "unassign", role_id=self._ids[group], username=username)

    def grant(self, holder: Holder, resource: Resource, level: str) -> None:
        kind, pattern = self.spoken(resource)
        body = {"resource_type": kind, "resource_pattern": pattern, "permission": level}
        self._client.write("POST", ROLES + "permissions/add", role_id=self._ids[holder.name], **body)

    def change_level(self, holder: Holder, resource: Resource, grant: Grant, level: str) -> None:
        self._client.write("PATCH", ROLES + "permissions/update", role_permission_id=grant.row, permission=level)

    def revoke(self, holder: Holder, resource: Resource, grant: Grant) -> None:
        self._client.write("DELETE", ROLES + "permissions/remove", role_permission_id=grant.row)

    def delete_user(self, user: User) -> None:
        self._client.write("DELETE", USERS + "delete", username=user.name)

    def words(self, kind: str) -> tuple[str, ...]:
        return (kind,)

    def all_of(self, kind: str) -> str:
        return kind

    def spoken(self, resource: Resource) -> tuple[str, str]:
        """A resource as roles name it."""
        return resource

    def heard(self, kind: str, pattern: str) -> Resource:
        """What roles name so."""
        return Resource(kind, pattern)

    def as_group(self, role: dict[str, t.Any], members: t.Iterable[str]) -> Group:
        return Group(role["name"], role["description"] or "", frozenset(members), self.role_grants(role))

    def role_grants(self, role: dict[str, t.Any]) -> dict[Resource, Grant]:
        return {
            self.heard(row["resource_type"], row["resource_pattern"]): Grant(row["permission"], row["id"])
            for row in role["permissions"]
        }


class RoleDialect(Roles):
    """MLflow 3.13 and later: one answer tells who has what, and all grants have rows of roles."""

    def observe(self, names: t.Iterable[str]) -> Access:
        users: dict[str, User] = {}
        members: dict[int, set[str]] = {}
        everybody = {"users": [{"username": str, "is_admin": bool, "roles": [ROLE]}]}
        for user in fitting(self._client.get(USERS + "list"), everybody)["users"]:
            own = [role for role in user["roles"] if HIDDEN_ROLE.fullmatch(role["name"])]
            others = [role for role in user["roles"] if not HIDDEN_ROLE.fullmatch(role["name"])]
            for role in others:
                members.setdefault(role["id"], set()).add(user["username"])
            users[user["username"]] = User(
                user["username"],
                user["is_admin"],
                frozenset(role["name"] for role in others),
                {resource: grant for role in own for resource, grant in self.role_grants(role).items()},
            )
        groups = [self.as_group(role, members.get(role["id"], ())) for role in self.visible_roles()]
        return Access(users, {group.name: group for group in groups})

    def knows(self, kind: str, holder: str) -> bool:
        query = {"username": self._client.username, "resource_type": kind, "resource_id": EVERY}
        try:
            self._client.get(GRANTS + "get", **query)
        except RequestRefused as refusal:
            # It may know the kind, and have no answer for all of them.
            return refusal.status == 400 and NO_KIND not in str(refusal)
        return True

    def grant(self, holder: Holder, resource: Resource, level: str) -> None:
        if holder.kind == "group":
            super().grant(holder, resource, level)
            return
        body = {"resource_type": resource.kind, "resource_id": resource.key, "permission": level}
        self._client.write("POST", GRANTS + "grant", username=holder.name, **body)

    def clear_user(self, user: User, spell: t.Callable[[Resource], str]) -> t.Iterator[str]:
        return iter(())
