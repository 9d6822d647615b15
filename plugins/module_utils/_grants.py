# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a difference between the grants that are and the grants that should be is."""

from __future__ import annotations

import typing as t
from functools import partial

from ._dialect import Group, Resource, RoleDialect, User


def grant_steps(
    dialect: RoleDialect,
    holder: User | Group,
    wanted: dict[Resource, str],
    purge: bool,
) -> list[t.Callable[[], t.Any]]:
    """The steps from the holder's present grants to the wanted levels, removals first.

    With C(purge) what is not wanted is revoked, otherwise it stays.
    """
    surplus = [grant for resource, grant in holder.grants.items() if purge and resource not in wanted]
    steps: list[t.Callable[[], t.Any]] = [partial(dialect.revoke, grant) for grant in surplus]
    for resource, level in wanted.items():
        present = holder.grants.get(resource)
        if present is None:
            steps.append(partial(dialect.grant, holder, resource, level))
        elif present.level != level:
            steps.append(partial(dialect.change_level, present, level))
    return steps
