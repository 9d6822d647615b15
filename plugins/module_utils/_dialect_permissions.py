# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dialect of MLflow up to 3.12: grants of users have routes of their own, for each kind of resource."""

from __future__ import annotations

import typing as t

from ._client import Client, fitting
from ._dialect import (
    LEVEL,
    NOTHING,
    USERS,
    Access,
    Grant,
    Group,
    Holder,
    Resource,
    User,
    can,
    version_of,
)
from ._dialect_roles import Roles
from ._kinds import KINDS
from ._scorers import scorer_key, scorer_of
from ._shapes import Maybe


class Route(t.NamedTuple):
    """Where users' grants on a kind of thing are, and what the thing is called there."""

    path: str
    fields: tuple[str, ...]


ROUTES = {
    "experiment": Route("/api/2.0/mlflow/experiments/permissions/", ("experiment_id",)),
    "registered_model": Route("/api/2.0/mlflow/registered-models/permissions/", ("name",)),
    "scorer": Route("/api/3.0/mlflow/scorers/permissions/", ("experiment_id", "scorer_name")),
}
# The server tells of them only where it knows them.
LATER = ("scorer",)

# What denies a user here; DENY came with 3.17.
DENIED = NOTHING

NAMES = {"users": [{"username": str}]}


def told(kind: str, route: Route) -> t.Any:
    """What a user's grants on a kind look like."""
    rows = [{**dict.fromkeys(route.fields, str), "permission": LEVEL}]
    return Maybe(rows) if kind in LATER else rows


USER = {
    "user": {
        "id": int,
        "username": str,
        "is_admin": bool,
        **{f"{kind}_permissions": told(kind, route) for kind, route in ROUTES.items()},
    }
}


class PermissionDialect(Roles):
    """MLflow 2.22 to 3.12. Groups are there from 3.12 on; users can be listed from 3.10 on."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.has_groups = can(client, "groups")
        self._told = set(ROUTES) - set(LATER)

    def observe(self, names: t.Iterable[str]) -> Access:
        found: list[dict[str, t.Any]] = [
            answer["user"] for answer in map(self._read_user, self._usernames(names)) if answer
        ]
        self._told |= {kind for kind in LATER for user in found if user.get(f"{kind}_permissions") is not None}
        by_id = {user["id"]: user["username"] for user in found}
        groups: dict[str, Group] = {}
        for role in self.visible_roles() if self.has_groups else ():
            members = [by_id[number] for number in self.member_ids(role["id"]) if number in by_id]
            groups[role["name"]] = self.as_group(role, members)
        users = {}
        for user in found:
            name = user["username"]
            joined = frozenset(group.name for group in groups.values() if name in group.members)
            users[name] = User(name, user["is_admin"], joined, user_grants(user))
        return Access(users, groups)

    def _usernames(self, names: t.Iterable[str]) -> t.Iterable[str]:
        if not can(self._client, "list of users"):
            return sorted({*names, self._client.username})
        return [user["username"] for user in fitting(self._client.get(USERS + "list"), NAMES)["users"]]

    def _read_user(self, name: str) -> dict[str, t.Any] | None:
        answer = self._client.find(USERS + "get", username=name)
        return answer and fitting(answer, USER)

    def grant(self, holder: Holder, resource: Resource, level: str) -> None:
        if holder.kind == "group":
            super().grant(holder, resource, level)
        else:
            self._write("POST", "create", holder, resource, permission=spoken(level))

    def change_level(self, holder: Holder, resource: Resource, grant: Grant, level: str) -> None:
        if holder.kind == "group":
            super().change_level(holder, resource, grant, level)
        else:
            self._write("PATCH", "update", holder, resource, permission=spoken(level))

    def revoke(self, holder: Holder, resource: Resource, grant: Grant) -> None:
        if holder.kind == "group":
            super().revoke(holder, resource, grant)
        else:
            self._write("DELETE", "delete", holder, resource)

    def clear_user(self, user: User, spell: t.Callable[[Resource], str]) -> t.Iterator[str]:
        # These versions refuse to delete somebody who still has grants or groups.
        for resource, grant in user.grants.items():
            self.revoke(Holder("user", user.name), resource, grant)
            yield f"{grant.level} {spell(resource)}"
        for group in user.groups & set(self._ids):
            self.remove_member(group, user.name)
            yield f"in group {group}"

    def knows(self, kind: str, holder: str) -> bool:
        filed = KINDS[kind].filed_as or kind
        if holder == "user":
            return filed in self._told
        # Only a writing request would tell.
        return self.has_groups and KINDS[filed].groups_since <= version_of(self._client)

    def words(self, kind: str) -> tuple[str, ...]:
        return (kind, *(other.word for other in KINDS.values() if other.filed_as == kind))

    def all_of(self, kind: str) -> str:
        return KINDS[kind].filed_as or kind

    def spoken(self, resource: Resource) -> tuple[str, str]:
        kind = self.all_of(resource.kind)
        # Roles have the names of scorers unquoted here.
        return (
            (kind, "/".join(scorer_of(resource.key)))
            if kind == "scorer" and "/" in resource.key
            else (kind, resource.key)
        )

    def heard(self, kind: str, pattern: str) -> Resource:
        number, slash, name = pattern.partition("/")
        return Resource(kind, scorer_key(number, name) if kind == "scorer" and slash else pattern)

    def _write(self, method: str, verb: str, holder: Holder, resource: Resource, **body: str) -> None:
        kind = self.all_of(resource.kind)
        route = ROUTES[kind]
        values = scorer_of(resource.key) if kind == "scorer" else (resource.key,)
        self._client.write(method, route.path + verb, username=holder.name, **dict(zip(route.fields, values)), **body)


def user_grants(user: dict[str, t.Any]) -> dict[Resource, Grant]:
    """A user's own grants; MLflow does not tell their rows."""
    return {
        Resource(kind, scorer_key(*names) if kind == "scorer" else names[0]): Grant(
            "DENY" if row["permission"] == DENIED else row["permission"], None
        )
        for kind, route in ROUTES.items()
        for row in user.get(f"{kind}_permissions") or ()
        for names in [[row[field] for field in route.fields]]
    }


def spoken(level: str) -> str:
    """The word of these versions for a level."""
    return DENIED if level == "DENY" else level
