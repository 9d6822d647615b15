# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: leaderless
short_description: Which teams of a host cannot go on without the host that leads them
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - What happens once to a team of several hosts, the one that leads it does first. Where it has failed with the team,
    or is not in the run any more, the others do not go on with it.
options:
  _input:
    description: The teams that other hosts lead.
    type: list
    elements: dict
    required: true
  failed:
    description: The teams that have failed, by host, of all hosts that are in the run.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show which teams wait for their leader
  ansible.builtin.debug:
    msg: "{{ query('mlops.mlflow.teams') | rejectattr('leads') | mlops.mlflow.leaderless({'mlflow1': {}}) }}"
"""

RETURN = r"""
_value:
  description: Why, by the name of the team.
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.plan import leaderless


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"leaderless": leaderless}
