#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: permission_info
short_description: List the grants on an MLflow server
version_added: 0.1.0
description:
  - Lists every grant that a user or a group has of their own.
  - M(mlops.mlflow.access_info) tells what users may do in effect, and why.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes.info
  - mlops.mlflow.attributes.action_group
options:
  user:
    description: Only the grants of this user. Needed with O(group) unset where MLflow is older than 3.10.
    type: str
  group:
    description: Only the grants of this group.
    type: str
"""

EXAMPLES = r"""
- name: Read what was granted to Bob himself
  mlops.mlflow.permission_info:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
    user: bob
  register: result
"""

RETURN = r"""
permissions:
  description: The grants, as M(mlops.mlflow.permission) takes them. Those on what is gone are left out.
  returned: success
  type: list
  elements: dict
  sample: [{user: bob, experiment: resnet, permission: EDIT}]
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._server import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._state import info_module


def read(client: Client, params: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    server = Server(client, [params["user"]] if params["user"] else [])
    asked = {kind: params[kind] for kind in ("user", "group") if params[kind] is not None}
    return [
        {holder.kind: holder.name, resource.kind: resource.key, "permission": grant.level}
        for holder in sorted(server.holders())
        if not asked or asked.get(holder.kind) == holder.name
        for resource, grant in sorted(server.grants(holder).items())
    ]


def main() -> None:
    info_module(
        "permissions",
        {"user": {"type": "str"}, "group": {"type": "str"}},
        read,
        mutually_exclusive=[("user", "group")],
    )


if __name__ == "__main__":
    main()
