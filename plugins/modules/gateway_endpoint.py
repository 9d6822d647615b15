#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_endpoint
short_description: Manage an endpoint of an MLflow server's gateway
version_added: 0.1.0
description:
  - Creates, changes or deletes an endpoint of a server's gateway, with the models behind it.
  - Needs MLflow 3.12 or later, with its gateway switched on.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.action_group
options:
  name:
    description: Name of the endpoint, of letters, digits, C(_), C(-) and C(.).
    type: str
    required: true
  models:
    description:
      - The model that answers, and those that do in turn when it fails. Needed for a new endpoint.
      - A model of the gateway that is there is changed to be so, in other endpoints, too.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the gateway's model. By default that of the endpoint, with V(-2), V(-3) and so on for all but
            the first.
        type: str
      provider:
        description: Whose it is, such as C(openai).
        type: str
        required: true
      model:
        description: What the provider calls it, such as C(gpt-4o).
        type: str
        required: true
      secret:
        description: Name of the gateway's secret that is shown to the provider.
        type: str
        required: true
  state:
    description: V(absent) deletes the endpoint, and those of its models that no other endpoint has.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: What the team's judges ask
  mlops.mlflow.gateway_endpoint:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
    name: judge
    models:
      - {provider: openai, model: gpt-4o, secret: openai}
      - {provider: anthropic, model: claude-sonnet-4-5, secret: anthropic}
"""

RETURN = r"""
gateway_endpoint:
  description: The endpoint after the run; empty when absent.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the endpoint.
      type: str
    models:
      description: The model that answers, then those that do when it fails, each as it is declared.
      type: list
      elements: dict
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._access_arguments import GATEWAY_ENDPOINT, STATE
from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._gateway import (
    ENDPOINT,
    endpoint_after,
    endpoint_facts,
    endpoint_steps,
    gateway_things,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._resources import Directory
from ansible_collections.mlops.mlflow.plugins.module_utils._state import Shown, ensure_module
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import Step


def observe(client: Client, params: dict[str, t.Any]) -> Directory:
    return Directory(client)


def show(client: Client, params: dict[str, t.Any], directory: Directory) -> Shown:
    found = gateway_things(client, directory, ENDPOINT).get(params["name"])
    return endpoint_facts(found) if found else None


def plan(client: Client, params: dict[str, t.Any], directory: Directory) -> tuple[Shown, list[Step]]:
    steps = endpoint_steps(client, directory, params)
    found = gateway_things(client, directory, ENDPOINT).get(params["name"])
    return None if params["state"] == "absent" else endpoint_after(found, params), steps


def main() -> None:
    ensure_module(
        "gateway_endpoint",
        {"name": {"type": "str", "required": True}, **GATEWAY_ENDPOINT, "state": STATE},
        observe,
        plan,
        show,
    )


if __name__ == "__main__":
    main()
