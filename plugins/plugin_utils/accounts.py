# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is alike wherever teams get accounts of their own: at a PostgreSQL, and at an S3."""

from __future__ import annotations

import typing as t
from importlib.util import find_spec

Account = t.Dict[str, t.Any]


def asked_for(accounts: t.Sequence[Account], only: t.Sequence[str]) -> list[Account]:
    """Those of the teams that were named; all where none was."""
    return [account for account in accounts if not only or account["team"] in only]


def has_collection(name: str) -> bool:
    """Whether the controller has the modules of a collection."""
    try:
        return find_spec(f"ansible_collections.{name}.plugins.modules") is not None
    except ImportError:
        return False
