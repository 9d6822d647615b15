#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: user_info
short_description: List the users of an MLflow server
version_added: 0.1.0
description: Lists the users of an MLflow server, with their groups.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes.info
  - mlops.mlflow.attributes.action_group
options:
  name:
    description: Only this user. The list is empty when there is none of that name.
    type: str
"""

EXAMPLES = r"""
- name: Read all users
  mlops.mlflow.user_info:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
  register: result
"""

RETURN = r"""
users:
  description: The users, sorted by name.
  returned: success
  type: list
  elements: dict
  sample: [{name: alice, admin: false, groups: [annotators]}]
  contains:
    name:
      description: Name of the user.
      type: str
    admin:
      description: Whether the user is an admin.
      type: bool
    groups:
      description: Groups the user is a member of, sorted.
      type: list
      elements: str
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._dialect import user_facts
from ansible_collections.mlops.mlflow.plugins.module_utils._server import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._state import info_module


def read(client: Client, params: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    users = Server(client, [params["name"]] if params["name"] else []).access.users
    return [user_facts(users[name]) for name in sorted(users) if params["name"] in (None, name)]


def main() -> None:
    info_module("users", {"name": {"type": "str"}}, read)


if __name__ == "__main__":
    main()
