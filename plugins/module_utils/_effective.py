# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may do in effect, and why."""

from __future__ import annotations

import typing as t

from ._client import Client, fitting
from ._dialect import LEVEL, NOTHING, RANKS, Grant, Group, Holder, Resource, User
from ._errors import Unsupported
from ._kinds import EVERY, KINDS
from ._server import Server

# Looks at a user's or group's grants, one for each thing: a hundred users in ten groups each, and two thousand things.
# Whoever makes up a server needs only a thousand names of each to have somebody work for days.
MOST = 2_000_000

Grants = t.Mapping[Holder, t.Mapping[Resource, Grant]]


class Reason(t.NamedTuple):
    """One of the things that give a user a level."""

    level: str
    why: str


def effective(server: Server, default: str | None) -> list[dict[str, t.Any]]:
    """The level of every user on every thing that can be granted on, with all that speaks for it."""
    creators = server.creators()
    people = [user for _name, user in sorted(server.access.users.items())]
    grants = {holder: server.grants(holder) for holder in server.holders()}
    things = sorted(all_things(server))
    if len(things) * sum(1 + len(user.groups) for user in people) > MOST:
        raise Unsupported(
            f"{server.client.tracking_uri} has {len(people)} users and {len(things)} experiments, models and others, "
            "too many to tell what each may do with each; is it an MLflow server?"
        )
    floor = server.can("default is the least")
    found = (judged(server, user, thing, default, floor, creators, grants) for user in people for thing in things)
    return [each for each in found if each]


def all_things(server: Server) -> t.Iterator[Resource]:
    """Everything by name, and all of each kind of which single things cannot be granted on."""
    for word, kind in KINDS.items():
        if not kind.listing:
            yield Resource(word, EVERY)
        elif server.knows(word, "user") or server.knows(word, "group"):
            things = server.directory.kinds[word]
            yield from (Resource(word, name) for name in things.by_name if things.exists(name))


def judged(
    server: Server,
    user: User,
    thing: Resource,
    default: str | None,
    floor: bool,
    creators: set[int],
    grants: Grants,
) -> dict[str, t.Any] | None:
    """What one user may do with one thing. None where another thing decides, such as the experiment of a run."""
    given = list(grants_for(server, user, thing, creators, grants))
    if thing.key == EVERY and not given:
        return None
    reasons = [Reason("MANAGE", "admin")] if user.admin else []
    reasons += given
    # A grant never takes away what everybody has from 3.13 on; before, a user's own grant replaces it.
    own = [reason for reason in given if reason.why.startswith(("granted", "created"))]
    if default and (floor or not own) and (default != NOTHING or not reasons):
        reasons.append(Reason(default, "default permission"))
    level = decided([reason.level for reason in reasons], user.admin)
    return {
        "user": user.name,
        thing.kind: thing.key,
        "permission": level,
        "reasons": [f"{reason.level}: {reason.why}" for reason in reasons],
    }


def grants_for(server: Server, user: User, thing: Resource, creators: set[int], grants: Grants) -> t.Iterator[Reason]:
    holders = [Holder("user", user.name)] + [Holder("group", name) for name in sorted(user.groups)]
    everything = Resource(server.dialect.all_of(thing.kind), EVERY)
    for holder in holders:
        for resource in dict.fromkeys((thing, everything)):
            grant = grants.get(holder, {}).get(resource)
            if grant is None:
                continue
            where = " on all" if resource.key == EVERY else ""
            if holder.kind == "group":
                why = f"group {holder.name}"
            else:
                why = "created it" if grant.row in creators else "granted"
            yield Reason(grant.level, why + where)


def decided(levels: list[str], admin: bool) -> str:
    """DENY wins over all but being admin; otherwise the highest level counts."""
    if admin:
        return "MANAGE"
    if "DENY" in levels:
        return "DENY"
    return max((level for level in levels if level in RANKS), key=lambda level: RANKS[level], default=NOTHING)


def ask_default(client: Client, server: Server) -> str | None:
    """The server's default permission, from what somebody may do with a thing that nobody has.

    None where nobody can be asked about: before 3.13, or when every user has a grant on all.
    """
    if not server.can("asking for a level"):
        return None
    for name, user in sorted(server.access.users.items()):
        # A group may have come, or be made up, between the two answers.
        groups = [server.access.groups[group] for group in user.groups if group in server.access.groups]
        holders: list[User | Group] = [user, *groups]
        everything = Resource("experiment", EVERY)
        if not user.admin and not any(everything in holder.grants for holder in holders):
            query = {"username": name, "resource_type": "experiment", "resource_id": "nothing has this id"}
            answer = client.get("/api/3.0/mlflow/users/permissions/get", **query)
            return str(fitting(answer, {"permission": LEVEL})["permission"])
    return None
