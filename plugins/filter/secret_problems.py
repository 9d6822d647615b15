# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: secret_problems
short_description: Why a value cannot be the secret that was meant
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Finds text that is still a template or still encrypted, that ends with the line break of a pipe, that would be cut
    off, and values that are not text. The secret is never shown.
options:
  _input:
    description: The secret.
    type: raw
    required: true
  variable:
    description: Name of the variable that holds it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse a password that is none
  ansible.builtin.assert:
    that: my_password | mlops.mlflow.secret_problems('my_password') | length == 0
"""

RETURN = r"""
_value:
  description: A line for what is wrong; nothing where nothing is.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._secret_text import secret_problem


def secret_problems(value: t.Any, variable: str) -> list[str]:
    """The one line, or none."""
    problem = secret_problem(value)
    return [f"{variable}: {problem}"] if problem else []


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"secret_problems": secret_problems}
