#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: access_info
short_description: Tell who can do what on an MLflow server, and why
version_added: 0.1.0
description:
  - Returns everybody on a server and everything they are declared to have, in the words of
    M(mlops.mlflow.access), and what each user may do in effect on each experiment, model and other thing that can
    be granted on.
  - Giving C(access_info.declaration) back to M(mlops.mlflow.access) changes nothing.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes.info
  - mlops.mlflow.attributes.action_group
options:
  default_permission:
    description:
      - The server's C(default_permission), which MLflow does not tell.
      - From MLflow 3.13 on it is found out where there is a user without a grant on all experiments.
    type: str
    choices: [NO_PERMISSIONS, READ, USE, EDIT, MANAGE]
  names:
    description: Users to ask about on a server before MLflow 3.10, which cannot list them.
    type: list
    elements: str
    default: []
  beside:
    description:
      - What is declared, as names by the words of grants. All that there is beside it is returned as C(undeclared).
      - It is nothing that is asked for beyond what the rest needs.
    type: dict
"""

EXAMPLES = r"""
- name: See who can do what
  mlops.mlflow.access_info:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
  register: result

- name: See what is there and not declared
  mlops.mlflow.access_info:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
    beside:
      experiment: [resnet]
      prompt: [summarize]
  register: result
"""

RETURN = r"""
access_info:
  description: Who can do what.
  returned: success
  type: dict
  contains:
    version:
      description: The server's version.
      type: str
    default_permission:
      description: What everybody may do with what was not granted. None where it could not be found out.
      type: str
    effective:
      description:
        - One entry for each user and each active experiment, registered model, prompt, scorer, MCP server, skill, and
          secret, endpoint and model of the gateway, as far as the server knows the kind. Up to MLflow 3.12, which has
          no list of all scorers, one for those in experiments where somebody has a grant on one.
        - One for all of a kind of which single things cannot be granted on, such as C(run), for each user who has
          such a grant. For others the experiment decides, or whatever it belongs to.
      type: list
      elements: dict
      sample:
        - user: bob
          experiment: resnet
          permission: EDIT
          reasons: ["EDIT: granted", "READ: group annotators on all"]
    unmanaged:
      description:
        - Grants that the collection leaves alone, since the inventory has no word for what they are on, or the server
          does not tell its name, as where its gateway is switched off. They are in neither C(effective) nor
          C(declaration).
      type: list
      elements: dict
      sample:
        - holder: bob
          kind: gateway_endpoint
          name: e-40def4fe7d54408db602ee5ab58c21aa
          permission: READ
    undeclared:
      description:
        - Each active experiment, registered model, prompt and whatever else is called by a name and is not in
          O(beside); MLflow's own first experiment is not among them.
        - C(created_by) is who has MANAGE for having made it, where C(according_to) is V(grant), which MLflow tells from
          3.13 on. It is what the thing says of itself where that is V(itself), which is anybody's word.
        - Each of the three is None where MLflow does not tell it.
      returned: when O(beside) is given
      type: list
      elements: dict
      sample:
        - experiment: scratch
          created_by: frank
          according_to: grant
          created_at: "2026-03-02T10:15:04Z"
    declaration:
      description:
        - The options C(users), C(groups), C(experiments) and C(registered_models) of M(mlops.mlflow.access)
          that describe the server. Passwords cannot be read.
      type: dict
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import client_from, connection_spec
from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._declaration import declaration
from ansible_collections.mlops.mlflow.plugins.module_utils._effective import ask_default, effective
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import MlflowError
from ansible_collections.mlops.mlflow.plugins.module_utils._people import called
from ansible_collections.mlops.mlflow.plugins.module_utils._server import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._undeclared import refuse_odd_names, undeclared


def read(client: Client, params: dict[str, t.Any]) -> dict[str, t.Any]:
    beside = params["beside"]
    refuse_odd_names(beside or {})
    server = Server(client, params["names"])
    default = params["default_permission"] or ask_default(client, server)
    return {
        "version": client.version,
        "default_permission": default,
        "effective": effective(server, default),
        "unmanaged": [
            {"holder": called(holder), "kind": resource.kind, "name": resource.key, "permission": grant.level}
            for holder, resource, grant in server.unmanaged_grants()
        ],
        "declaration": declaration(server),
        **({} if beside is None else {"undeclared": undeclared(server, beside)}),
    }


def main() -> None:
    levels = ["NO_PERMISSIONS", "READ", "USE", "EDIT", "MANAGE"]
    module = AnsibleModule(
        argument_spec={
            **connection_spec(),
            "default_permission": {"type": "str", "choices": levels},
            "names": {"type": "list", "elements": "str", "default": []},
            "beside": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    try:
        found = read(client_from(module.params, read_only=True), module.params)
    except MlflowError as error:
        module.fail_json(msg=str(error), failure=error.failure)
    module.exit_json(changed=False, access_info=found)


if __name__ == "__main__":
    main()
