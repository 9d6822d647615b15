# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: csv_table
short_description: Rows as CSV that no spreadsheet calculates
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Writes each value in quotes and as it may be shown, with an apostrophe before what
   a spreadsheet would take for a formula.
options:
  _input:
    description: The rows, a list of values each.
    type: list
    required: true
"""

EXAMPLES = r"""
- name: Show it
  ansible.builtin.debug:
    msg: "{{ [['name', '=1+1']] | mlops.mlflow.csv_table }}"
"""

RETURN = r"""
_value:
  description: The lines of a CSV file.
  type: str
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.written import csv_table


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"csv_table": csv_table}
