# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the difference is between the people a server has and those it should have."""

from __future__ import annotations

import secrets
import typing as t
from functools import partial

from ._dialect import (
    RANKS,
    Grant,
    Holder,
    Resource,
    User,
    create_user,
    refuse_denial,
    set_admin,
    set_password,
)
from ._errors import InvalidRequest, MlflowError
from ._kinds import ALWAYS, EVERY, KINDS, level_problem, name_problem
from ._server import Server
from ._steps import DENY, GIVE, JOIN, MAKE, OPEN, TAKE, Step
from ._text import shown

Wanted = t.Dict[str, t.Any]
Levels = t.Dict[Resource, str]
# Which grants that are not wanted are revoked.
Surplus = t.Callable[[Resource, Grant], bool]


def user_steps(server: Server, wanted: Wanted, closed: bool = False) -> list[Step]:
    """Bring a user about. C(closed) keeps out whoever gets a password until their grants are there.

    So it is with who is to be an admin no more, as long as they are one: a server may refuse to change that.
    """
    name, password = wanted["name"], wanted["password"]
    user = server.access.users.get(name)
    client = server.client
    own_account = name == client.username
    if wanted["state"] == "absent":
        if user and own_account:
            raise InvalidRequest(f"name: '{name}' is the account this module logs in as, which cannot delete itself")
        return [deletion(server, user)] if user else []
    demotion, promotion = [], []
    if wanted["admin"] is not None and wanted["admin"] != bool(user and user.admin):
        if own_account:
            raise InvalidRequest(f"admin: '{name}' is the account this module logs in as, which must stay an admin")
        change = partial(set_admin, client, name, wanted["admin"])
        if wanted["admin"]:
            promotion = [Step(OPEN, f"+ user {name} is admin", change)]
        else:
            demotion = [Step(TAKE, f"- user {name} is admin", change)]
    steps: list[Step] = []
    # No denial holds for an admin, and if this run is cut off, the next one has to log in by a password that is known.
    closed = (closed or bool(demotion)) and not own_account
    first = secrets.token_urlsafe(32) if closed else password
    if not user:
        if password is None:
            raise InvalidRequest(f"'{name}' does not exist yet and needs a password")
        steps.append(Step(MAKE, f"+ user {name}", partial(create_user, client, name, first)))
    elif password and wanted["update_password"] == "always" and not client.login_works(name, password):
        # The former one is void at once. It may be one that nobody knows, of a run that did not get to the end.
        steps.append(Step(TAKE, f"~ user {name} password changed", partial(set_password, client, name, first)))
    if steps and closed:
        opening = partial(set_password, client, name, password)
        steps.append(Step(OPEN, "", opening, name=f"~ user {name} declared password"))
    return demotion + steps + promotion


def deletion(server: Server, user: User) -> Step:
    """Delete a user with all their grants."""
    return Step(TAKE, f"- user {user.name}", partial(_delete_user, server, user))


def group_steps(
    server: Server,
    wanted: Wanted,
    purge: bool = True,
    keep: t.Iterable[str] = (),
    kinds: t.Container[str] = KINDS,
    surplus: Surplus = lambda *_: True,
) -> list[Step]:
    """Bring a group about; members and grants of None are left as they are, and so are users to C(keep)."""
    name, dialect = wanted["name"], server.dialect
    group = server.access.groups.get(name)
    if wanted["state"] == "absent":
        return [Step(TAKE, f"- group {name}", partial(dialect.delete_group, name))] if group else []
    server.require("groups", f"group '{name}'")
    steps = []
    if not group:
        description = wanted["description"] or ""
        steps.append(Step(MAKE, f"+ group {name}", partial(dialect.create_group, name, description)))
    elif wanted["description"] not in (None, group.description):
        describe = partial(dialect.describe_group, name, wanted["description"])
        steps.append(Step(MAKE, f"~ group {name} description", describe))
    present = group.members if group else frozenset()
    members = present if wanted["members"] is None else set(wanted["members"])
    for member in sorted(present - members - set(keep)) if purge else []:
        steps.append(Step(TAKE, f"- {member} in group {name}", partial(dialect.remove_member, name, member)))
    for member in sorted(members - present):
        steps.append(Step(JOIN, f"+ {member} in group {name}", partial(dialect.add_member, name, member)))
    if wanted["grants"] is not None:
        revoked = surplus if purge else lambda *_: False
        steps += grant_steps(server, Holder("group", name), wanted["grants"], revoked, kinds)
    return steps


def grant_steps(
    server: Server,
    holder: Holder,
    wanted: Levels,
    surplus: Surplus,
    kinds: t.Container[str] = KINDS,
) -> list[Step]:
    """Bring the holder's grants on these kinds about; C(surplus) says which of those not wanted are revoked."""
    present = server.grants(holder, kinds)
    who = called(holder)
    wanted = server.possible(wanted)
    steps = [
        Step(TAKE, f"- {who} {grant.level} {spell(resource)}", partial(_revoke, server, holder, resource, grant))
        for resource, grant in present.items()
        if resource not in wanted and surplus(resource, grant)
    ]
    for resource, level in wanted.items():
        refuse_unknown_words(server, holder, resource, level)
        grant = present.get(resource)
        if grant is None:
            give = partial(_grant, server, holder, resource, level)
            steps.append(Step(DENY if level == "DENY" else GIVE, f"+ {who} {level} {spell(resource)}", give))
        elif grant.level != level:
            phase = TAKE if RANKS[level] < RANKS.get(grant.level, len(RANKS)) else GIVE
            change = partial(_change_level, server, holder, resource, grant, level)
            steps.append(Step(phase, f"~ {who} {grant.level} to {level} {spell(resource)}", change))
    return steps


def refuse_unknown_things(server: Server, holder: Holder, wanted: t.Iterable[Resource]) -> None:
    """Refuse what no grant can be on, and kinds that the server does not know."""
    if holder.kind == "group":
        server.require("groups", f"group '{holder.name}'")
    for resource in wanted:
        problem = name_problem(*resource)
        if problem:
            raise InvalidRequest(f"grants: {problem}")
        server.refuse_unknown(holder, resource, f"{holder.kind} '{holder.name}': a grant on {spell(resource)}")


def refuse_unknown_words(server: Server, holder: Holder, resource: Resource, level: str) -> None:
    """A word that this version does not have, or that means something else there, is an error."""
    where = f"{level} for {holder.kind} '{holder.name}' on {resource.kind} '{resource.key}'"
    problem = level_problem(resource.kind, level)
    if problem:
        raise InvalidRequest(f"grants: {problem}")
    if level == "USE":
        server.require("use", where)
    if holder.kind == "user" and resource.key == EVERY:
        server.require("users on all", where)
    if level == "DENY":
        user = server.access.users.get(holder.name)
        refuse_denial(server.client, where, grouped=holder.kind == "group" or bool(user and user.groups))


def spoken_kinds(wanted: t.Iterable[Resource], more: t.Iterable[str] = ()) -> set[str]:
    """The kinds that a declaration speaks of: those that any server has, and those that it names."""
    return {*ALWAYS, *more, *(resource.kind for resource in wanted)}


def stale_steps(server: Server, kinds: t.Container[str]) -> list[Step]:
    """Revoke what has outlived the thing it was on."""
    return [
        Step(
            TAKE,
            f"- {called(stale.holder)} {stale.grant.level} {stale.resource.kind} {stale.resource.key}, which is gone",
            partial(server.dialect.revoke, stale.holder, stale.resource, stale.grant),
        )
        for stale in server.stale_grants(kinds)
    ]


def group_facts(server: Server, name: str) -> dict[str, t.Any]:
    """What the modules return about a group."""
    group = server.access.groups[name]
    levels = {resource: grant.level for resource, grant in server.grants(Holder("group", name)).items()}
    return {
        "name": name,
        "description": group.description,
        "members": sorted(group.members),
        "grants": grant_list(levels),
    }


def grant_list(levels: Levels) -> list[dict[str, str]]:
    """Grants as the inventory writes them, sorted."""
    return [{kind: key, "permission": level} for (kind, key), level in sorted(levels.items())]


def called(holder: Holder) -> str:
    """A holder in a line of a change list."""
    return shown(holder.name if holder.kind == "user" else f"group {holder.name}")


def spell(resource: Resource) -> str:
    """A resource in a line of a change list."""
    return shown(f"{resource.kind} {resource.key}")


def _delete_user(server: Server, user: User) -> None:
    done: list[str] = []
    try:
        for taken in server.dialect.clear_user(user, lambda resource: spell(server.named(resource) or resource)):
            done.append(shown(f"- {user.name} {taken}"))
        server.dialect.delete_user(user)
    except MlflowError as error:
        error.done += done
        raise


def _grant(server: Server, holder: Holder, resource: Resource, level: str) -> None:
    # Only now does everything that an earlier step made have its id.
    server.dialect.grant(holder, server.directory.keyed(resource), level)


def _change_level(server: Server, holder: Holder, resource: Resource, grant: Grant, level: str) -> None:
    server.dialect.change_level(holder, server.directory.keyed(resource), grant, level)


def _revoke(server: Server, holder: Holder, resource: Resource, grant: Grant) -> None:
    server.dialect.revoke(holder, server.directory.keyed(resource), grant)
