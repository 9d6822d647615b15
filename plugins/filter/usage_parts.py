# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: usage_parts
short_description: What each team has and uses, for that team alone
version_added: 0.1.0
author: The mlops.mlflow authors
description:
  - Makes a page, a table and data of each team, for P(mlops.mlflow.files#module). Nothing of another team is in them.
  - A team is left out of which nothing was said by a host that it is declared on.
options:
  _input:
    description: What the program of the role C(mlflow_monitoring) prints, by host.
    type: dict
    required: true
  teams:
    description: The teams, as P(mlops.mlflow.all_teams#lookup) returns them.
    type: list
    elements: dict
    required: true
  directory:
    description: Where each team has a directory of its own.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show which files there would be
  ansible.builtin.debug:
    msg: >-
      {{ {'host1': {'at': 1795000000, 'teams': {}}}
         | mlops.mlflow.usage_parts([{'name': 'vision', 'hosts': [{'host': 'host1'}]}], '/srv/usage') }}
"""

RETURN = r"""
_value:
  description: The directories and the files.
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.usage_parts import usage_parts


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"usage_parts": usage_parts}
