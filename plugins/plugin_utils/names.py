# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name of a team, which becomes an account, a unit, directories and a label in DNS."""

from __future__ import annotations

import re
import typing as t

from ..module_utils._text import cut

TEAM_NAME = re.compile(r"[a-z][a-z0-9-]{0,23}")
# Those with two hyphens here are kept for names in other alphabets, as in xn--bcher-kva; no authority certifies others.
RESERVED_LABEL = re.compile(r"..--")
# Under a path that begins so, MLflow takes every request for one that needs no credentials.
OPEN_PATHS = ("health", "static")


def name_problems(name: str, leaving: bool) -> t.Iterator[str]:
    """What is wrong with the name; a team that is C(leaving) may still have one that no new team may have."""
    if not TEAM_NAME.fullmatch(name):
        yield (
            f"name: {quoted(name)} is not a valid name; use 1 to 24 lower-case letters, digits and hyphens, "
            "beginning with a letter"
        )
    elif leaving:
        return
    elif name.endswith("-"):
        yield f"name: '{name}' ends with a hyphen, which no name in DNS does; end it with a letter or a digit"
    elif RESERVED_LABEL.match(name):
        yield (
            f"name: '{name}' has hyphens in third and fourth place, which DNS keeps for names in other alphabets; "
            "leave one of them out"
        )
    elif name.startswith(OPEN_PATHS):
        yield (
            f"name: '{name}' begins with {' or '.join(OPEN_PATHS)}; under a path of that name MLflow "
            "switches authentication off"
        )


def quoted(text: str) -> str:
    """The text in quotes, shown, and without its end if it is long."""
    return f"'{cut(text, 80)}'"
