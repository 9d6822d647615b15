# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing that is declared twice, with different values, so that one of the two would be lost without a word."""

from __future__ import annotations

import typing as t

from ._kinds import ALWAYS, DECLARED, WORDS

Declared = t.Dict[str, t.Any]
Problems = t.Iterator[str]


def contradictions(declared: Declared) -> Problems:
    """Grants that differ, at the holder or between the holder and the thing, and names that come from two places."""
    for key in ("users", "groups"):
        for holder in declared[key]:
            yield from _grants_twice(f"{key}: {holder['name']}: grants", holder["grants"] or [])
    own = {user["name"]: user["grants"] or [] for user in declared["users"]}
    for kind in DECLARED:
        for thing in declared[f"{kind}s"]:
            for user, level in (thing["grants"] or {}).items():
                yield from _elsewhere(kind, thing["name"], user, level, own.get(user, []))
        if kind in ALWAYS:
            yield from _renamed_twice(f"{kind}s", declared[f"{kind}s"])


def _grants_twice(where: str, grants: list[Declared]) -> Problems:
    found: dict[tuple[str, str], list[str]] = {}
    for grant in grants:
        for kind in WORDS:
            if grant.get(kind) is not None:
                levels = found.setdefault((kind, grant[kind]), [])
                levels += [grant["permission"]] if grant["permission"] not in levels else []
    for (kind, name), levels in found.items():
        if len(levels) > 1:
            yield f"{where}: {' and '.join(levels)} on {kind} '{name}'; say which one is meant"


def _elsewhere(kind: str, name: str, user: str, level: object, own: list[Declared]) -> Problems:
    for grant in own:
        if grant.get(kind) == name and grant["permission"] != level:
            yield (
                f"{kind}s: {name}: grants: {user}: {level}, but {grant['permission']} in users: {user}: grants; "
                "say it in one place"
            )


def _renamed_twice(key: str, things: list[Declared]) -> Problems:
    present = {thing["name"] for thing in things if thing.get("state") != "absent"}
    former: dict[str, str] = {}
    for thing in things:
        old = thing.get("rename_from")
        if old is None or old == thing["name"]:
            continue
        if old in present:
            yield f"{key}: {thing['name']}: rename_from: '{old}' is declared as well; leave one of the two out"
        if old in former:
            yield f"{key}: {thing['name']}: rename_from: '{old}' is what '{former[old]}' was called; say it of one"
        former.setdefault(old, thing["name"])
