# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One difference between what is and what should be: how it reads, and how it is carried out."""

from __future__ import annotations

import typing as t

from ._text import shown

# The order in which steps are carried out. At no point has anybody more access than before and
# after: first what is taken away, last what lets people in.
RENAME = -1  # keeps who has what, under another name
TAKE = 0  # revoke, demote, remove, change a password
MAKE = 1  # users nobody can log in as yet, groups without members, experiments, models
DENY = 2  # what is denied
GIVE = 3  # grants, raised levels
JOIN = 4  # members of groups
OPEN = 5  # own passwords of users who are new, or lack a denial; admin flags


class Step(t.NamedTuple):
    """One writing request. Steps with no C(line) belong to the one that has it; C(lines) gives what is read of it.

    C(about) is the declared thing that it is a part of, so that another plan can do without; C(name) what one with no
    line is called where it is refused.
    """

    phase: int
    line: str
    do: t.Callable[[], t.Any]
    about: tuple[str, str] | None = None
    name: str = ""


def in_order(steps: t.Iterable[Step]) -> list[Step]:
    """The steps in the order of their phases, otherwise as they come."""
    return sorted(steps, key=lambda step: step.phase)


def lines(steps: t.Iterable[Step]) -> list[str]:
    """What a person signs off: a line a difference, such as C(+ alice MANAGE experiment resnet)."""
    return [shown(step.line) for step in in_order(steps) if step.line]
