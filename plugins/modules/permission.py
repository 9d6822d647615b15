#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: permission
short_description: Manage one grant on an MLflow server
version_added: 0.1.0
description:
  - Gives a user or a group a level on an experiment or a registered model, or takes it away.
  - The user or group and the resource must exist already.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.action_group
options:
  user:
    description: Name of the user who holds the grant.
    type: str
  group:
    description: Name of the group that holds the grant.
    type: str
  experiment:
    description: Name of the experiment the grant is on, or V(*) for all.
    type: str
  registered_model:
    description: Name of the registered model the grant is on, or V(*) for all.
    type: str
  permission:
    description:
      - The level. Each one includes those before it, and V(DENY) wins over all others.
      - V(DENY) is there from MLflow 3.17 on. Up to 3.12 it is set for users who are in no group, under the name
        of C(NO_PERMISSIONS). Elsewhere it is an error, since no word of the server means the same.
      - Required when O(state=present).
    type: str
    choices: [READ, USE, EDIT, MANAGE, DENY]
  state:
    description: V(absent) takes the grant away, whatever its level.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Bob may log runs to resnet
  mlops.mlflow.permission:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
    user: bob
    experiment: resnet
    permission: EDIT
"""

RETURN = r"""
permission:
  description: The grant after the run; empty when absent.
  returned: success
  type: dict
  sample: {user: bob, experiment: resnet, permission: EDIT}
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import grant_spec, resource_of
from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._dialect import Holder
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest
from ansible_collections.mlops.mlflow.plugins.module_utils._people import grant_steps
from ansible_collections.mlops.mlflow.plugins.module_utils._server import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._state import Shown, ensure_module
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import Step


def holder_of(params: dict[str, t.Any]) -> Holder:
    return Holder("user", params["user"]) if params["user"] is not None else Holder("group", params["group"])


def show(client: Client, params: dict[str, t.Any], server: Server) -> Shown:
    grant = server.grants(holder_of(params)).get(resource_of(params))
    return facts(params, grant.level) if grant else None


def facts(params: dict[str, t.Any], level: str) -> dict[str, t.Any]:
    holder, resource = holder_of(params), resource_of(params)
    return {holder.kind: holder.name, resource.kind: resource.key, "permission": level}


def plan(client: Client, params: dict[str, t.Any], server: Server) -> tuple[Shown, list[Step]]:
    holder, resource = holder_of(params), resource_of(params)
    if params["state"] == "absent":
        return None, grant_steps(server, holder, {}, surplus=lambda present, _: present == resource)
    refuse_what_is_missing(params, server)
    level = params["permission"]
    return facts(params, level), grant_steps(server, holder, {resource: level}, surplus=lambda *_: False)


def refuse_what_is_missing(params: dict[str, t.Any], server: Server) -> None:
    holder, resource = holder_of(params), resource_of(params)
    # In check mode an earlier task may have been about to make it.
    if server.client.read_only:
        return
    if not server.exists(holder):
        raise InvalidRequest(f"{holder.kind}: '{holder.name}' does not exist on the server")
    if not server.directory.exists(*resource):
        raise InvalidRequest(
            f"{resource.kind}: '{resource.key}' does not exist on the server, so nothing can be granted on it"
        )


def main() -> None:
    ensure_module(
        "permission",
        {
            "user": {"type": "str"},
            "group": {"type": "str"},
            **grant_spec(),
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        lambda client, params: Server(client, [params["user"]] if params["user"] else []),
        plan,
        show,
        mutually_exclusive=[("user", "group"), ("experiment", "registered_model")],
        required_one_of=[("user", "group"), ("experiment", "registered_model")],
        required_if=[("state", "present", ("permission",))],
    )


if __name__ == "__main__":
    main()
