# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: restic_environment_problems
short_description: Why restic cannot be given these environment variables
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Finds names that are none, those that the role sets itself or that decide which code root runs, and values that are
    no secret or no line of text. No value is ever shown.
options:
  _input:
    description: The variables.
    type: dict
    required: true
  variable:
    description: Name of the variable that holds them.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse what restic would not take
  ansible.builtin.assert:
    that: my_environment | mlops.mlflow.restic_environment_problems('my_environment') | length == 0
"""

RETURN = r"""
_value:
  description: A line for each fault.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.environment import restic_environment_problems as problems_of


def restic_environment_problems(variables: t.Any, variable: str) -> list[str]:
    """The lines, each with the variable in front."""
    if not isinstance(variables, t.Mapping):
        return [f"{variable}: is not a mapping of names to values"]
    return [f"{variable}: {problem}" for problem in problems_of(variables)]


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"restic_environment_problems": restic_environment_problems}
