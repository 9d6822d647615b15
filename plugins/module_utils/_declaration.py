# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server in the words of the inventory, for adopting one that is there."""

from __future__ import annotations

from ._dialect import LEVELS, Holder, Resource, User
from ._kinds import ALWAYS, EVERY
from ._listed import Facts
from ._people import grant_list
from ._server import Server
from ._text import answerable

# MLflow makes this experiment itself.
BUILT_IN = "Default"
INTERNAL_TAG = "mlflow."


def declaration(server: Server) -> dict[str, list[Facts]]:
    """The options of C(access) that describe the server as it is, without passwords."""
    admin = server.client.username
    people = [user for name, user in sorted(server.access.users.items()) if name != admin]
    grants = {user.name: levels(server, Holder("user", user.name)) for user in people}
    experiments = [
        found
        for name, found in sorted(server.directory.experiments.items())
        if server.directory.exists("experiment", name)
    ]
    things = {
        "experiments": [described("experiment", found, grants) for found in experiments],
        "registered_models": [
            described("registered_model", found, grants) for _name, found in sorted(server.directory.models.items())
        ],
    }
    # MLflow's own experiment only stands there when somebody has a grant on it.
    things["experiments"] = [thing for thing in things["experiments"] if thing["name"] != BUILT_IN or "grants" in thing]
    return {
        "users": [described_user(user, grants[user.name]) for user in people],
        "groups": groups(server),
        **things,
    }


def described_user(user: User, own: dict[Resource, str]) -> Facts:
    """A user; grants on all of a kind stand here, and those on things that are not declared themselves.

    So do all of somebody whose name cannot be a key.
    """
    here = {
        resource: level
        for resource, level in own.items()
        if resource.key == EVERY or resource.kind not in ALWAYS or not answerable({user.name: level})
    }
    grants = {"grants": grant_list(here)} if here else {}
    return {"name": user.name, **({"admin": True} if user.admin else {}), **grants}


def levels(server: Server, holder: Holder) -> dict[Resource, str]:
    """What a holder has, in the words of the inventory: up to 3.12 a group could also be given nothing.

    Without what is on experiments that are deleted, which cannot be declared as long as they are.
    """
    return {
        resource: grant.level
        for resource, grant in server.grants(holder).items()
        if grant.level in LEVELS and server.directory.exists(*resource)
    }


def groups(server: Server) -> list[Facts]:
    return [
        {
            "name": name,
            **({"description": group.description} if group.description else {}),
            "members": sorted(group.members - {server.client.username}),
            "grants": grant_list(levels(server, Holder("group", name))),
        }
        for name, group in sorted(server.access.groups.items())
    ]


def described(kind: str, found: Facts, grants: dict[str, dict[Resource, str]]) -> Facts:
    """One experiment or model, with the users' grants on it."""
    thing = Resource(kind, found["name"])
    tags = {key: value for key, value in found["tags"].items() if not key.startswith(INTERNAL_TAG)}
    given = answerable({user: own[thing] for user, own in grants.items() if thing in own})
    return {
        "name": found["name"],
        **({"description": found["description"]} if found.get("description") else {}),
        **({"tags": tags} if tags else {}),
        **({"grants": given} if given else {}),
    }
