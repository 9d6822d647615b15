# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is denied to somebody, and may be what is declared so, by another name that somebody has given it.

Who may edit a thing may rename it. A declaration knows it by its name alone, which is then missing, or that of another
thing: made by the next run, or by whoever renamed the first. So a denial of what is not declared is no reason to let
them in, as long as the declaration denies them anything of that kind.
"""

from __future__ import annotations

import typing as t

from ._dialect import Grant, Holder, Resource
from ._kinds import EVERY
from ._making import OTHER
from ._people import Levels, Surplus, called, spell
from ._server import Server

Ours = t.Container[Resource]


def is_renamed(server: Server, wanted: Levels, ours: Ours) -> Surplus:
    """Which grants of somebody with these levels may deny what has another name now; C(ours) is what is declared."""
    denied = {thing for thing, level in wanted.items() if level == "DENY" and thing.key != EVERY}
    # Whoever may edit a model makes a prompt of it.
    kinds = {kind for thing in denied for kind in (thing.kind, OTHER.get(thing.kind))}
    missing = not denied.isdisjoint(server.unmade)

    def may_be(resource: Resource, grant: Grant) -> bool:
        other = resource.kind in kinds and resource.key != EVERY and resource not in ours
        return grant.level == "DENY" and (missing or other)

    return may_be


def sparing(surplus: Surplus, renamed: Surplus) -> Surplus:
    """Revoke the same without those."""
    return lambda resource, grant: surplus(resource, grant) and not renamed(resource, grant)


def kept_denials(
    server: Server, holder: Holder, wanted: Levels, ours: Ours, kinds: t.Container[str]
) -> t.Iterator[str]:
    """A warning for each."""
    renamed = is_renamed(server, wanted, ours)
    for resource, grant in sorted(server.grants(holder, kinds).items()):
        if resource not in server.possible(wanted) and renamed(resource, grant):
            yield (
                f"{called(holder)} keeps DENY {spell(resource)}, which nobody declared: it may be something that is "
                "denied to them, by another name; declare that thing if it is another, with or without that DENY"
            )
