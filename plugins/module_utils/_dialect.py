# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users, groups and grants, and which of MLflow's two permission APIs a server speaks.

A dialect hides one API; only this file and the two dialects know versions, which are the server's own.
"""

from __future__ import annotations

import typing as t

from ._client import Client
from ._errors import Unsupported
from ._kinds import OLDEST
from ._shapes import Word

USERS = "/api/2.0/mlflow/users/"

# NO_PERMISSIONS is none of them: from MLflow 3.13 on it is no grant, and having none says the same.
LEVELS = ("READ", "USE", "EDIT", "MANAGE", "DENY")
# From less to more. A step down is carried out before a step up.
RANKS = {level: rank for rank, level in enumerate(("DENY", *LEVELS[:-1]))}

# Up to 3.12 it denies a user, and elsewhere it says that there is nothing.
NOTHING = "NO_PERMISSIONS"
# All that a server may say somebody has.
LEVEL = Word((*LEVELS, NOTHING))

USE_SINCE = (3, 9)
USER_LIST_SINCE = (3, 10)
ROLES_SINCE = (3, 12)
ROLES_ONLY_SINCE = (3, 13)
DENY_SINCE = (3, 17)
# What versions can do, by names that say it.
FEATURES = {
    "use": USE_SINCE,
    "list of users": USER_LIST_SINCE,
    "groups": ROLES_SINCE,
    # All grants are roles', and no kind has routes of its own.
    "roles alone": ROLES_ONLY_SINCE,
    "users on all": ROLES_ONLY_SINCE,
    # Before, prompts are registered models to it.
    "all prompts": ROLES_ONLY_SINCE,
    # A grant does not take away what everybody has.
    "default is the least": ROLES_ONLY_SINCE,
    "asking for a level": ROLES_ONLY_SINCE,
    "webhooks": (3, 3),
    # Seen in 3.17, and not in 3.12.
    "emptying webhooks": (3, 17),
    # Its secrets, models and endpoints as things of their own.
    "gateway": (3, 12),
}


class Resource(t.NamedTuple):
    """What a grant is on: C(key) is an experiment's id, a model's name, or C(*) for all; see C(_kinds)."""

    kind: str
    key: str


class Grant(t.NamedTuple):
    """A level, and the server's row that holds it where the server tells."""

    level: str
    row: int | None


class Holder(t.NamedTuple):
    """Who has a grant: C(kind) is C(user) or C(group)."""

    kind: str
    name: str


class User(t.NamedTuple):
    """A user as the server knows it."""

    name: str
    admin: bool
    groups: frozenset[str]
    grants: dict[Resource, Grant]


class Group(t.NamedTuple):
    """A group as the server knows it."""

    name: str
    description: str
    members: frozenset[str]
    grants: dict[Resource, Grant]


class Access(t.NamedTuple):
    """Everybody on a server, by name."""

    users: dict[str, User]
    groups: dict[str, Group]


class Dialect(t.Protocol):
    """What both permission APIs can do."""

    def observe(self, names: t.Iterable[str]) -> Access:
        """Read everybody; an old server can only be asked about users by their C(names)."""

    def knows(self, kind: str, holder: str) -> bool:
        """Whether the server can grant a C(holder), a user or a group, something on things of a kind."""

    def words(self, kind: str) -> tuple[str, ...]:
        """What a grant that was observed as one of a C(kind) may be on, in words of the inventory."""

    def all_of(self, kind: str) -> str:
        """The kind of which a grant on all covers these things."""

    def grant(self, holder: Holder, resource: Resource, level: str) -> None:
        """Give a level to somebody who has none of their own on this resource."""

    def change_level(self, holder: Holder, resource: Resource, grant: Grant, level: str) -> None:
        """Change a grant in one step, so that nobody is without access in between."""

    def revoke(self, holder: Holder, resource: Resource, grant: Grant) -> None:
        """Take a grant away."""

    def clear_user(self, user: User, spell: t.Callable[[Resource], str]) -> t.Iterator[str]:
        """Take what keeps a user from being deleted, and yield what each was, once it is taken."""

    def delete_user(self, user: User) -> None:
        """Delete a user, cleared before, with all their grants."""

    def create_group(self, name: str, description: str) -> None:
        """Make a group without members and grants."""

    def describe_group(self, name: str, description: str) -> None:
        """Say what a group is for."""

    def delete_group(self, name: str) -> None:
        """Delete a group; its members stay users."""

    def add_member(self, group: str, username: str) -> None:
        """Let a user have what the group has."""

    def remove_member(self, group: str, username: str) -> None:
        """Take it away again."""


def version_of(client: Client) -> tuple[int, int]:
    """The server's major and minor version."""
    major, minor = client.version.split(".")[:2]
    version = (int(major), int(minor))
    if version < OLDEST:
        raise unsupported(client, "this collection", OLDEST)
    return version


def unsupported(client: Client, what: str, since: tuple[int, int]) -> Unsupported:
    """The error that names the version needed."""
    needed = ".".join(map(str, since))
    return Unsupported(
        f"the server runs MLflow {client.version}; {what} needs {needed} or later", version=client.version
    )


def can(client: Client, feature: str) -> bool:
    """Whether the server has it."""
    return version_of(client) >= FEATURES[feature]


def require(client: Client, feature: str, what: str) -> None:
    """Raise the error that names the version needed, where the server does not have it."""
    if not can(client, feature):
        raise unsupported(client, what, FEATURES[feature])


def refuse_denial(client: Client, what: str, grouped: bool) -> None:
    """Raise where the server cannot deny; C(grouped) tells whether groups have a say in it.

    Up to 3.12 a user can be denied with NO_PERMISSIONS, but a level that a group gives wins over it.
    From 3.13 on that word is gone, and DENY, which wins over all, only came with 3.17.
    """
    version = version_of(client)
    if version < DENY_SINCE and (grouped or version >= ROLES_ONLY_SINCE):
        raise unsupported(client, what, DENY_SINCE)


def user_facts(user: User) -> dict[str, t.Any]:
    """What the modules return about a user."""
    return {"name": user.name, "admin": user.admin, "groups": sorted(user.groups)}


def create_user(client: Client, name: str, password: str) -> None:
    client.write("POST", USERS + "create", username=name, password=password)


def set_admin(client: Client, name: str, admin: bool) -> None:
    client.write("PATCH", USERS + "update-admin", username=name, is_admin=admin)


def set_password(client: Client, name: str, password: str) -> None:
    """Set a password; the account's own needs the former one, and is used from then on."""
    body = {"username": name, "password": password}
    if name == client.username:
        body["current_password"] = client.password
    client.write("PATCH", USERS + "update-password", **body)
    if name == client.username:
        client.password = password
