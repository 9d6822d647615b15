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
  - Gives a user or a group a level on one thing, or on all of a kind, or takes it away.
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
    description: Name of an experiment, or V(*) for all.
    type: str
  registered_model:
    description: Name of a registered model, or V(*) for all. From MLflow 3.13 on prompts are not among them.
    type: str
  prompt:
    description: Name of a prompt, or V(*) for all from MLflow 3.13 on. Before, all registered models are meant by that.
    type: str
  scorer:
    description:
      - A scorer as V(EXPERIMENT/NAME), the name as in an address (V(%20) is a blank, V(%2F) a slash), or V(*) for
        all.
      - From MLflow 3.7 on.
    type: str
  gateway_secret:
    description: Name of a secret of the gateway, or V(*) for all. From MLflow 3.13 on, for groups from 3.12.
    type: str
  gateway_endpoint:
    description: Name of an endpoint of the gateway, or V(*) for all. From MLflow 3.13 on, for groups from 3.12.
    type: str
  gateway_model_definition:
    description: Name of a model of the gateway, or V(*) for all. From MLflow 3.13 on, for groups from 3.12.
    type: str
  mcp_server:
    description: Name of an MCP server, or V(*) for all. From MLflow 3.15 on.
    type: str
  skill:
    description: Name of a skill, or C(@ORGANIZATION/NAME), or V(*) for all. From MLflow 3.18 on.
    type: str
  run:
    description: V(*), all runs of the experiments that may be read. From MLflow 3.17 on, as all that follow.
    type: str
  trace:
    description: V(*), all traces of the experiments that may be read.
    type: str
  assessment:
    description: V(*), all assessments of the traces that may be read.
    type: str
  logged_model:
    description: V(*), all logged models of the experiments that may be read.
    type: str
  review_queue:
    description: V(*), all review queues of the experiments that may be read.
    type: str
  registered_model_version:
    description: V(*), all versions of the registered models that may be read.
    type: str
  prompt_version:
    description: V(*), all versions of the prompts that may be read.
    type: str
  scorer_version:
    description: V(*), all versions of the scorers that may be read.
    type: str
  mcp_server_version:
    description: V(*), all versions of the MCP servers that may be read.
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
from ansible_collections.mlops.mlflow.plugins.module_utils._kinds import WORDS
from ansible_collections.mlops.mlflow.plugins.module_utils._people import grant_steps, refuse_unknown_things
from ansible_collections.mlops.mlflow.plugins.module_utils._server import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._state import Shown, ensure_module
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import Step


def holder_of(params: dict[str, t.Any]) -> Holder:
    return Holder("user", params["user"]) if params["user"] is not None else Holder("group", params["group"])


def show(client: Client, params: dict[str, t.Any], server: Server) -> Shown:
    resource = resource_of(params)
    grant = server.grants(holder_of(params), {resource.kind}).get(resource)
    return facts(params, grant.level) if grant else None


def facts(params: dict[str, t.Any], level: str) -> dict[str, t.Any]:
    holder, resource = holder_of(params), resource_of(params)
    return {holder.kind: holder.name, resource.kind: resource.key, "permission": level}


def plan(client: Client, params: dict[str, t.Any], server: Server) -> tuple[Shown, list[Step]]:
    holder, resource = holder_of(params), resource_of(params)
    if params["state"] == "absent":
        return None, grant_steps(server, holder, {}, lambda present, _: present == resource, {resource.kind})
    refuse_unknown_things(server, holder, [resource])
    refuse_what_is_missing(params, server)
    level = params["permission"]
    return facts(params, level), grant_steps(server, holder, {resource: level}, lambda *_: False, {resource.kind})


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
        mutually_exclusive=[("user", "group"), WORDS],
        required_one_of=[("user", "group"), WORDS],
        required_if=[("state", "present", ("permission",))],
    )


if __name__ == "__main__":
    main()
