# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may make what has a name of its own on a team's server, beside its admins."""

from __future__ import annotations

import typing as t

from .names import quoted

Team = t.Dict[str, t.Any]


def creator_names(team: Team) -> list[str] | None:
    """The users who may; None where everybody may."""
    declared = team["creators"]
    if declared is None:
        return None
    members = (group["members"] for group in team["groups"] if group["name"] in declared["groups"])
    return sorted({*declared["users"], *(name for each in members for name in each)})


def creator_problems(team: Team) -> t.Iterator[str]:
    """Names that nobody has."""
    declared = team["creators"] or {"users": [], "groups": []}
    users = {*(user["name"] for user in team["users"]), *team["keep_users"], team["admin_username"]}
    for name in declared["users"]:
        if name not in users:
            yield f"creators: users: {quoted(name)} is not a user of this team"
    groups = {group["name"] for group in team["groups"]}
    for name in declared["groups"]:
        if name not in groups:
            yield f"creators: groups: {quoted(name)} is not a group of this team"
