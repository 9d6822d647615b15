# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: exported_inventory
short_description: A server's declaration as a file of an inventory
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Writes the variable of one team, in which Ansible takes nothing for a template but the admin's password.
  - Every text is tagged C(!unsafe).
options:
  _input:
    description: What M(mlops.mlflow.access_info) returns as C(declaration).
    type: dict
    required: true
  team:
    description: Name of the team.
    type: str
    required: true
  port:
    description: Port that the team will listen on.
    type: int
    required: true
  admin_username:
    description: Name of the admin.
    type: str
    required: true
  default_permission:
    description: What everybody may do with what was not granted.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show it
  ansible.builtin.debug:
    msg: >-
      {{ found.access_info.declaration
      | mlops.mlflow.exported_inventory('vision', 5001, 'admin', 'NO_PERMISSIONS') }}
"""

RETURN = r"""
_value:
  description: The text of the file, without its first lines.
  type: str
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.written import exported_inventory


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"exported_inventory": exported_inventory}
