#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: group_info
short_description: List the groups of an MLflow server
version_added: 0.1.0
description: Lists the groups of an MLflow server, with their members and grants. Servers before MLflow 3.12 have none.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes.info
  - mlops.mlflow.attributes.action_group
options:
  name:
    description: Only this group. The list is empty when there is none of that name.
    type: str
"""

EXAMPLES = r"""
- name: Read all groups
  mlops.mlflow.group_info:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
  register: result
"""

RETURN = r"""
groups:
  description: The groups, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the group.
      type: str
    description:
      description: What the group is for.
      type: str
    members:
      description: Names of its members, sorted.
      type: list
      elements: str
    grants:
      description: Its grants, as M(mlops.mlflow.group) takes them.
      type: list
      elements: dict
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._people import group_facts
from ansible_collections.mlops.mlflow.plugins.module_utils._server import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._state import info_module


def read(client: Client, params: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    server = Server(client)
    return [group_facts(server, name) for name in sorted(server.access.groups) if params["name"] in (None, name)]


def main() -> None:
    info_module("groups", {"name": {"type": "str"}}, read)


if __name__ == "__main__":
    main()
