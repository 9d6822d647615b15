# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: named_things
short_description: What a team's declaration calls by name
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Collects the names of all experiments, registered models, prompts and whatever else a team declares or grants
    something on, for C(beside) of M(mlops.mlflow.access_info).
options:
  _input:
    description: A team, as P(mlops.mlflow.teams#lookup) returns it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what vision speaks of
  ansible.builtin.debug:
    msg: "{{ query('mlops.mlflow.teams', 'vision') | first | mlops.mlflow.named_things }}"
"""

RETURN = r"""
_value:
  description: Names by the words of grants, such as C(registered_model). Former names are among them.
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._kinds import DECLARED, EVERY, KINDS


def named_things(team: dict[str, t.Any]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {word: set() for word, kind in KINDS.items() if kind.listing}
    for word in DECLARED:
        for thing in team[f"{word}s"]:
            found[word] |= {thing["name"], thing.get("rename_from") or thing["name"]}
    for holder in (*team["users"], *team["groups"]):
        for grant in holder["grants"]:
            for word in found.keys() & grant.keys():
                found[word].add(grant[word])
    # All that there is has no name in a declaration.
    return {word: sorted(names - {EVERY}) for word, names in found.items()}


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"named_things": named_things}
