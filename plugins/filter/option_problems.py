# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: option_problems
short_description: Which options of a role hold what nginx or systemd would not take
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Looks at the form of options before a role changes anything.
options:
  _input:
    description:
      - What each option is to be, by its name, such as V(count), V(path), V(size), V(network), V(calendar event) or
        V(time span).
    type: dict
    required: true
  values:
    description: What they hold, in the same order. Empty text is for what is not used.
    type: list
    elements: raw
    required: true
"""

EXAMPLES = r"""
- name: Refuse a time that systemd would not take
  ansible.builtin.assert:
    that: "{'my_schedule': 'calendar event'} | mlops.mlflow.option_problems([my_schedule]) | length == 0"
"""

RETURN = r"""
_value:
  description: A line for each option or item that is wrong, with its name, what it is not, and what to give.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils import option_kinds


def option_problems(kinds: dict[str, str], values: list[t.Any]) -> list[str]:
    """The lines, in the order of the kinds."""
    pairs = zip(kinds.items(), values)
    return [line for (name, kind), value in pairs for line in option_kinds.option_problems(name, value, kind)]


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"option_problems": option_problems}
