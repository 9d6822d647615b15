#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: group
short_description: Manage a group of users of an MLflow server
version_added: 0.1.0
description:
  - Creates, changes or deletes a group, with its members and its grants. MLflow calls a group a role.
  - Members must exist already; so must what the grants are on.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.action_group
options:
  name:
    description: Name of the group, case-sensitive.
    type: str
    required: true
  description:
    description: What the group is for. Left as it is by default.
    type: str
  members:
    description: The users who are to be members, and nobody else. Left as they are by default.
    type: list
    elements: str
  grants:
    description:
      - The grants the group is to have, and no others. Left as they are by default.
      - Those on kinds of things that none of them names are left, too, but for experiments and registered models.
      - On MLflow 3.12 a group's level on an experiment does not reach its runs.
      - Each names one thing, or all of a kind.
    type: list
    elements: dict
    suboptions:
      experiment:
        description: Name of an experiment, or V(*) for all.
        type: str
      registered_model:
        description: Name of a registered model, or V(*) for all. From MLflow 3.13 on prompts are not among them.
        type: str
      prompt:
        description:
          - Name of a prompt, or V(*) for all from MLflow 3.13 on.
          - Before, all registered models are meant by that.
        type: str
      scorer:
        description:
          - A scorer as V(EXPERIMENT/NAME), the name as in an address (V(%20) is a blank, V(%2F) a slash), or V(*)
            for all.
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
        description: The level. V(DENY) wins over all others; see M(mlops.mlflow.permission) for where there is one.
        type: str
        choices: [READ, USE, EDIT, MANAGE, DENY]
        required: true
  state:
    description: V(absent) deletes the group with its grants; its members stay users.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Annotators may read every experiment
  mlops.mlflow.group:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
    name: annotators
    members: [bob]
    grants:
      - experiment: "*"
        permission: READ
"""

RETURN = r"""
group:
  description: The group after the run; empty when absent.
  returned: success
  type: dict
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
      description: Its grants, in the form of O(grants). An experiment that is gone shows as C(#) and its id.
      type: list
      elements: dict
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import grant_list_spec, wanted_grants
from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._dialect import Holder, Resource
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest
from ansible_collections.mlops.mlflow.plugins.module_utils._people import (
    grant_list,
    group_facts,
    group_steps,
    refuse_unknown_things,
    spoken_kinds,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._server import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._state import Shown, ensure_module
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import Step


def show(client: Client, params: dict[str, t.Any], server: Server) -> Shown:
    return group_facts(server, params["name"]) if params["name"] in server.access.groups else None


def plan(client: Client, params: dict[str, t.Any], server: Server) -> tuple[Shown, list[Step]]:
    grants = None if params["grants"] is None else wanted_grants(params["grants"])
    if params["state"] == "present":
        refuse_unknown_things(server, Holder("group", params["name"]), grants or {})
    refuse_what_is_missing(params, grants or {}, server)
    kinds = spoken_kinds(grants or {})
    steps = group_steps(server, {**params, "grants": grants}, kinds=kinds)
    if params["state"] == "absent":
        return None, steps
    after = show(client, params, server) or {"name": params["name"], "description": "", "members": [], "grants": []}
    if params["description"] is not None:
        after["description"] = params["description"]
    if params["members"] is not None:
        after["members"] = sorted(set(params["members"]))
    if grants is not None:
        left = {
            resource: grant.level
            for resource, grant in server.grants(Holder("group", params["name"])).items()
            if resource.kind not in kinds
        }
        after["grants"] = grant_list({**left, **grants})
    return after, steps


def refuse_what_is_missing(params: dict[str, t.Any], grants: dict[Resource, str], server: Server) -> None:
    # In check mode an earlier task may have been about to make it.
    if server.client.read_only or params["state"] == "absent":
        return
    unknown = sorted(set(params["members"] or []) - set(server.access.users))
    if unknown:
        raise InvalidRequest(f"members: no such user on the server: {', '.join(unknown)}")
    for kind, name in grants:
        if not server.directory.exists(kind, name):
            raise InvalidRequest(f"{kind}: '{name}' does not exist on the server, so nothing can be granted on it")


def main() -> None:
    ensure_module(
        "group",
        {
            "name": {"type": "str", "required": True},
            "description": {"type": "str"},
            "members": {"type": "list", "elements": "str"},
            "grants": grant_list_spec(),
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        lambda client, params: Server(client, params["members"] or []),
        plan,
        show,
    )


if __name__ == "__main__":
    main()
