# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drained_leaders
short_description: Which teams are drained on the host that leads them
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - What somebody has drained with C(mlflowctl drain) is left as it is. Where this is the host that leads the team, or
    the only one that serves it, nothing can be done with the team.
options:
  _input:
    description: The teams that the host serves.
    type: list
    elements: dict
    required: true
  here:
    description: Inventory name of the host that asks.
    type: str
    required: true
  seen:
    description: What M(mlops.mlflow.host_info) returned as C(teams), by host.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show which teams are drained where they are led
  ansible.builtin.debug:
    msg: "{{ query('mlops.mlflow.teams') | mlops.mlflow.drained_leaders(inventory_hostname, seen) }}"
"""

RETURN = r"""
_value:
  description: What to do about it, by the name of the team.
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.plan import drained_leaders


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"drained_leaders": drained_leaders}
