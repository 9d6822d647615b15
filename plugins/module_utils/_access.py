# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the difference is between a whole server and its declaration."""

from __future__ import annotations

import typing as t
from functools import partial

from ._arguments import wanted_grants
from ._claims import declared_things, foreign_locations, kept_creators
from ._declared import access_problems
from ._denials import is_renamed, kept_denials, sparing
from ._dialect import RANKS, Grant, Holder, Resource, refuse_denial
from ._errors import InvalidRequest
from ._kinds import DECLARED
from ._making import note_missing, note_taken, rename_steps, thing_steps
from ._people import (
    Levels,
    Surplus,
    deletion,
    grant_steps,
    group_steps,
    refuse_unknown_things,
    spoken_kinds,
    stale_steps,
    user_steps,
)
from ._server import Server
from ._steps import TAKE, Step
from ._text import answerable

Declaration = t.Dict[str, t.Any]


def access_steps(server: Server, declared: Declaration) -> list[Step]:
    """All steps from the server as it is to the declaration; refuses one that cannot be carried out.

    What only things on the server are in the way of is noted there as refused: whoever made those stops nothing else.
    """
    refuse_what_cannot_work(server, declared)
    kinds, whole = kinds_of(declared), declared
    levels = user_levels(declared)
    if declared["on_missing_roles"] == "expand" and not server.can("groups"):
        levels = expanded(levels, declared["groups"])
        declared = {**declared, "groups": []}
    refuse_denied_members(server, declared, levels)
    refuse_unknown_kinds(server, declared, levels)
    steps = rename_steps(server, declared)
    note_taken(server, declared)
    things = thing_steps(server, declared)
    note_missing(server, whole)
    steps += stale_steps(server, kinds)
    steps += [step for step in things if step.phase != TAKE]
    exclusive, ours = declared["policy"] == "exclusive", declared_things(declared)
    for wanted in declared["groups"]:
        grants = None if wanted["grants"] is None else wanted_grants(wanted["grants"])
        spared = sparing(lambda *_: True, is_renamed(server, grants or {}, ours))
        keep = kept_users(server, declared)
        steps += group_steps(server, {**wanted, "grants": grants}, exclusive, keep, kinds, spared)
    undenied = undenied_users(server, declared, levels, kinds)
    surplus = surplus_test(server, declared)
    for wanted in declared["users"]:
        # Without a grant nobody has more than they are to have, but without a denial they may.
        # Who may set their own password would be locked out if the second one never came.
        closed = wanted["name"] in undenied and declared["update_password"] == "always"
        user = {**wanted, "update_password": declared["update_password"]}
        steps += user_steps(server, user, closed)
        if wanted["state"] == "present":
            own = levels[wanted["name"]]
            spared = sparing(surplus, is_renamed(server, own, ours))
            steps += grant_steps(server, Holder("user", wanted["name"]), own, spared, kinds)
    # What goes takes grants on it with it: those that are revoked are revoked before.
    gone = [step for step in things if step.phase == TAKE]
    return steps + (purge_steps(server, declared) if exclusive else []) + gone


def kinds_of(declared: Declaration) -> set[str]:
    """The kinds of things that the declaration speaks of; grants on others are nobody's business."""
    holders = [*declared["users"], *declared["groups"]]
    named = [resource for holder in holders for resource in wanted_grants(holder["grants"] or [])]
    things = [kind for kind in DECLARED if declared[f"{kind}s"]]
    return spoken_kinds(named, [*declared["kinds"], *things])


def user_levels(declared: Declaration) -> dict[str, Levels]:
    """What each declared user is to have, out of the grants that stand with the user and the resources."""
    levels = {user["name"]: wanted_grants(user["grants"] or []) for user in declared["users"]}
    for kind in DECLARED:
        for resource in _present(declared[f"{kind}s"]):
            for user, level in (resource["grants"] or {}).items():
                levels[user][Resource(kind, resource["name"])] = level
    return levels


def expanded(levels: dict[str, Levels], groups: list[Declaration]) -> dict[str, Levels]:
    """The groups' grants given to each member, for a server without groups."""
    levels = {user: dict(own) for user, own in levels.items()}
    for group in _present(groups):
        for member in group["members"] or []:
            for resource, level in wanted_grants(group["grants"] or []).items():
                given = [level, levels[member].get(resource, level)]
                levels[member][resource] = "DENY" if "DENY" in given else max(given, key=lambda word: RANKS[word])
    return levels


def undenied_users(
    server: Server, declared: Declaration, levels: dict[str, Levels], kinds: t.Container[str]
) -> set[str]:
    """Users who are to be denied something, themselves or in a group, and are not yet."""
    lacking = {user for user, own in levels.items() if _lacks_denial(server, Holder("user", user), own, kinds)}
    for group in _present(declared["groups"]):
        own = wanted_grants(group["grants"] or [])
        there = server.access.groups.get(group["name"])
        members = set(group["members"] or []) if "DENY" in own.values() else set()
        if there and not _lacks_denial(server, Holder("group", group["name"]), own, kinds):
            members -= there.members
        lacking |= members
    return lacking


def _lacks_denial(server: Server, holder: Holder, wanted: Levels, kinds: t.Container[str]) -> bool:
    denied = {thing for thing, level in wanted.items() if level == "DENY"}
    if not denied:
        return False
    present = server.grants(holder, kinds)
    return any(thing not in present or present[thing].level != "DENY" for thing in denied)


def surplus_test(server: Server, declared: Declaration) -> Surplus:
    """Which of a declared user's undeclared grants are revoked."""
    if declared["policy"] != "exclusive":
        return lambda resource, grant: False
    if declared["revoke_creators"]:
        return lambda resource, grant: True
    creators, ours = server.creators(), declared_things(declared)

    def surplus(resource: Resource, grant: Grant) -> bool:
        if resource in ours:
            # Its declaration says who may what, also of whoever was quicker to make it.
            return True
        # An old server does not tell who came first: take who manages a thing for its creator.
        return grant.level != "MANAGE" if grant.row is None else grant.row not in creators

    return surplus


def access_warnings(server: Server, declared: Declaration) -> list[str]:
    """What a person should know of declared things that others have made. The steps have to be planned before."""
    surplus, keep = surplus_test(server, declared), set(declared["keep_users"])
    present = {user["name"] for user in _present(declared["users"])}

    def kept(name: str, resource: Resource, grant: Grant) -> bool:
        if declared["policy"] != "exclusive":
            return True
        return name in keep if name not in present else not surplus(resource, grant)

    levels = user_levels(declared)
    if declared["on_missing_roles"] == "expand" and not server.can("groups"):
        levels = expanded(levels, declared["groups"])
    return [
        *kept_creators(server, declared, levels, kept),
        *foreign_locations(server, declared),
        *(denials_told(server, declared, levels) if declared["policy"] == "exclusive" else ()),
    ]


def denials_told(server: Server, declared: Declaration, levels: dict[str, Levels]) -> t.Iterator[str]:
    """A warning for each denial that C(exclusive) leaves though nobody declared it."""
    ours, kinds = declared_things(declared), kinds_of(declared)
    wanted = {Holder("user", user["name"]): levels[user["name"]] for user in _present(declared["users"])}
    for group in _present(declared["groups"]):
        wanted[Holder("group", group["name"])] = wanted_grants(group["grants"] or [])
    for holder, own in wanted.items():
        yield from kept_denials(server, holder, own, ours, kinds)


def _present(things: list[Declaration]) -> list[Declaration]:
    return [thing for thing in things if thing["state"] == "present"]


def left_grants(server: Server, declared: Declaration) -> dict[str, int]:
    """How many grants C(exclusive) leaves on each kind of thing that the declaration does not speak of.

    Without those of whoever made a thing, which would stay in any case.
    """
    left: dict[str, int] = {}
    if declared["policy"] != "exclusive":
        return left
    kinds, creators = kinds_of(declared), server.creators()
    holders = [Holder(kind, wanted["name"]) for kind in ("user", "group") for wanted in _present(declared[f"{kind}s"])]
    for holder in holders:
        for resource, grant in server.rows(holder).items():
            word = resource.kind
            if len(server.dialect.words(word)) > 1:
                called = server.named(resource)
                word = called.kind if called else word
            made = holder.kind == "user" and (grant.level == "MANAGE" if grant.row is None else grant.row in creators)
            if word not in kinds and not made:
                left[word] = left.get(word, 0) + 1
    return answerable(left)


def purge_steps(server: Server, declared: Declaration) -> list[Step]:
    """Users and groups that nobody declared are removed; experiments and models never are."""
    users = {user["name"] for user in declared["users"]} | kept_users(server, declared)
    groups = {group["name"] for group in declared["groups"]}
    return [deletion(server, user) for name, user in sorted(server.access.users.items()) if name not in users] + [
        Step(TAKE, f"- group {name}", partial(server.dialect.delete_group, name))
        for name in sorted(set(server.access.groups) - groups)
    ]


def kept_users(server: Server, declared: Declaration) -> set[str]:
    """Users who are left alone though nobody declared them."""
    return {*declared["keep_users"], server.client.username}


def refuse_what_cannot_work(server: Server, declared: Declaration) -> None:
    """Everything that would fail half-way is refused before the first step."""
    others = () if declared["policy"] == "exclusive" else server.access.users
    for problem in access_problems(declared, others):
        raise InvalidRequest(problem)


def refuse_unknown_kinds(server: Server, declared: Declaration, levels: dict[str, Levels]) -> None:
    """A kind that the server does not know is an error that names the version needed."""
    for group in _present(declared["groups"]):
        refuse_unknown_things(server, Holder("group", group["name"]), wanted_grants(group["grants"] or []))
    for name, wanted in levels.items():
        refuse_unknown_things(server, Holder("user", name), wanted)


def refuse_denied_members(server: Server, declared: Declaration, levels: dict[str, Levels]) -> None:
    """Those who are to join a group are not in it yet, but it will have a say in what they may do."""
    members = {member for group in declared["groups"] for member in group["members"] or []}
    for user in sorted(members):
        if "DENY" in levels.get(user, {}).values():
            refuse_denial(server.client, f"DENY for '{user}', who is in a group,", grouped=True)
