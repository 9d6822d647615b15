# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: teams_to_leave
short_description: Which teams a host leaves to other hosts
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - The host was one of several that served the team, and is named for it no longer, while another one has all of its
    secrets.
options:
  _input:
    description: The teams that other hosts serve.
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
- name: Show which teams this host leaves
  ansible.builtin.debug:
    msg: "{{ query('mlops.mlflow.teams', elsewhere=true) | mlops.mlflow.teams_to_leave(inventory_hostname, seen) }}"
"""

RETURN = r"""
_value:
  description: Their names.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.plan import to_leave


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"teams_to_leave": to_leave}
