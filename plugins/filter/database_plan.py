# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: database_plan
short_description: What is to be done at a PostgreSQL for teams to have their databases
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Compares what teams want with what a PostgreSQL has, for the role C(mlflow_database).
options:
  _input:
    description: The accounts, as P(mlops.mlflow.database_accounts#filter) returns them.
    type: list
    elements: dict
    required: true
  server:
    description: Version, port and roles of the PostgreSQL, and whether it has TLS.
    type: dict
    required: true
  databases:
    description: Its databases, as C(community.postgresql.postgresql_info) returns them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be done
  ansible.builtin.debug:
    msg: "{{ (wanted.accounts | mlops.mlflow.database_plan(server, info.databases)).steps }}"
"""

RETURN = r"""
_value:
  description:
    - The C(roles), C(databases), C(closed) databases and C(schemas) that differ, the C(steps) as lines without secrets,
      and the C(problems), by line; nothing is done for a team that has one.
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.database_plan import plan


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"database_plan": plan}
