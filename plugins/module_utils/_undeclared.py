# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is on a server and stands in no declaration, with who made it and when, as far as MLflow tells."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ._claims import BUILT_IN_ID
from ._dialect import Resource
from ._effective import all_things
from ._errors import InvalidRequest
from ._kinds import KINDS
from ._server import Server

# By how MLflow knows who made a thing.
BY_GRANT, BY_ITSELF = "grant", "itself"
# In milliseconds; what comes later is no year that is written with four digits.
LAST = 253402300800000

Names = t.Mapping[str, t.Collection[str]]


def refuse_odd_names(named: t.Mapping[str, t.Any]) -> None:
    """Raise where what is declared is not names by kinds."""
    for kind, names in named.items():
        if kind not in KINDS or not KINDS[kind].listing:
            raise InvalidRequest(f"beside: '{kind}' is not a kind of thing that is called by a name")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InvalidRequest(f"beside: {kind}: is not a list of names")


def undeclared(server: Server, named: Names) -> list[dict[str, t.Any]]:
    """Everything that is called by a name and is not C(named), by kind. What is listed is all that is asked."""
    makers, found = server.makers(), []
    named = {kind: set(names) for kind, names in named.items()}
    for thing in sorted(each for each in all_things(server) if KINDS[each.kind].listing):
        things = server.directory.kinds[thing.kind]
        key = things.key(thing.key)
        # MLflow makes the first experiment itself.
        if thing.key in named.get(thing.kind, ()) or (thing.kind, key) == ("experiment", BUILT_IN_ID):
            continue
        origin = things.origin(thing.key)
        _row, granted = makers.get(Resource(thing.kind, key), (0, None))
        found.append(
            {
                thing.kind: thing.key,
                "created_by": granted or origin.by,
                "according_to": BY_GRANT if granted else BY_ITSELF if origin.by else None,
                "created_at": when(origin.at),
            }
        )
    return found


def when(milliseconds: int | None) -> str | None:
    """A time in UTC; None where the server tells none, or none that can be."""
    if milliseconds is None or not 0 < milliseconds < LAST:
        return None
    return datetime.fromtimestamp(milliseconds // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
