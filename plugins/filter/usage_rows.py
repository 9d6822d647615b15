# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: usage_rows
short_description: What teams had and used, day by day
version_added: 0.1.0
author: The mlops.mlflow authors
description:
  - Makes a row for each day of each team, for P(mlops.mlflow.csv_table#filter).
options:
  _input:
    description: What the program of the role C(mlflow_monitoring) prints, by host.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show it
  ansible.builtin.debug:
    msg: "{{ {'host1': {'at': 1795000000, 'teams': {}}} | mlops.mlflow.usage_rows }}"
"""

RETURN = r"""
_value:
  description: The rows, the first with the names of the columns.
  type: list
  elements: list
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.usage import usage_rows


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"usage_rows": usage_rows}
