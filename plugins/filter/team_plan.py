# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: team_plan
short_description: What is to be done for the teams of a host
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - The difference between what is declared and what M(mlops.mlflow.host_info) has found on the host.
options:
  _input:
    description:
      - The teams, as R(the teams lookup,ansible_collections.mlops.mlflow.teams_lookup) returns them, without those that
        are to be gone.
    type: list
    elements: dict
    required: true
  seen:
    description: What M(mlops.mlflow.host_info) returned as C(teams).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show which teams would be upgraded
  ansible.builtin.debug:
    msg: "{{ (query('mlops.mlflow.teams') | mlops.mlflow.team_plan(host.teams)).upgrade }}"
"""

RETURN = r"""
_value:
  description:
    - Names of teams in C(missing_accounts); C(drained), whose server stays down; C(kept), those whose server has had an
      admin, declared or not; C(upgrade), with C(steps_up) in the same order; C(returning), those that were retired;
      C(bootstrap), those that never had an admin; and C(rotate), those whose admin has another password than the
      declared one.
    - By team, C(versions), which are served, and C(downgrades), which are refused.
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.plan import plan


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"team_plan": plan}
