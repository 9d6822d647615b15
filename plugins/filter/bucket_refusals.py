# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: bucket_refusals
short_description: What an S3 would not do for teams
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Tells the teams whose bucket or user could not be made from the others, for the role C(mlflow_bucket).
options:
  _input:
    description: The C(accounts) that P(mlops.mlflow.bucket_accounts#filter) returns.
    type: list
    elements: dict
    required: true
  buckets:
    description: The results of tasks that went through buckets, by their names.
    type: list
    elements: dict
    required: true
  users:
    description: The results of tasks that went through users, by their names or with them as C(user).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what failed
  ansible.builtin.debug:
    msg: "{{ wanted.accounts | mlops.mlflow.bucket_refusals(created.results, limited.results) }}"
"""

RETURN = r"""
_value:
  description: For each that failed, the C(user) of the team, and the C(problem) as a line.
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.bucket_plan import refusals


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"bucket_refusals": refusals}
