# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A declaration with its templates and lookups resolved, as one variable that Ansible does not look into.

Each use of a declaration would resolve its secrets anew, and a lookup of a password manager takes its time. In a fact
as it is, an older Ansible would take a password with braces in it for a template.
"""

from __future__ import annotations

import base64
import json
import typing as t

from ansible.errors import AnsibleError

from .templates import reason

Declared = t.Dict[str, t.Any]


def packed(resolve: t.Callable[[], Declared]) -> str:
    """What is found, as one word; with what cannot be resolved as a problem, since who keeps the word shows nothing."""
    try:
        found = resolve()
    except AnsibleError as error:
        found = {"teams": [], "problems": [f"mlflow_teams: {reason(error)}"]}
    return base64.b64encode(json.dumps(found, default=str).encode()).decode()


def unpacked(word: str) -> Declared:
    """What was found, with C(teams) and C(problems)."""
    return t.cast(Declared, json.loads(base64.b64decode(word)))
