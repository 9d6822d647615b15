# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys to buckets that are kept on the controller, a file a team."""

from __future__ import annotations

import typing as t

ID, SECRET = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
# Of a team whose key is still to be made. No S3 makes such a one.
UNMADE = "not-made-yet"
Key = t.Dict[str, str]


def file_of(directory: str, team: str) -> str:
    """Where the key of a team is kept."""
    return f"{directory.rstrip('/')}/{team}.json"


def unmade() -> Key:
    """What stands for a key until it is made."""
    return {ID: UNMADE, SECRET: UNMADE}


def key_of(found: t.Any) -> Key | None:
    """The key that a file holds; None where it holds something else."""
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in (ID, SECRET)):
        return None
    return {name: str(found[name]) for name in (ID, SECRET)}


def unmade_problems(teams: t.Sequence[dict[str, t.Any]]) -> dict[str, str]:
    """Teams whose server would get into no bucket, with what is to be said of each."""
    why = "environment: the key to its bucket is not made yet; run mlops.mlflow.make_buckets first"
    return {team["name"]: why for team in teams if team["state"] != "absent" and team["environment"].get(ID) == UNMADE}
