#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registered_model
short_description: Manage a registered model of an MLflow server
version_added: 0.1.0
description:
  - Creates, describes, tags or deletes a registered model. Its versions come from people's runs.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.action_group
options:
  name:
    description: Name of the registered model, case-sensitive.
    type: str
    required: true
  description:
    description: What the model is for. Left as it is by default.
    type: str
  tags:
    description: Tags to set. Others are left as they are.
    type: dict
  state:
    description: V(absent) deletes the model with all its versions, for good.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: The detector can be registered
  mlops.mlflow.registered_model:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
    name: detector
    description: Finds defects in photographs
"""

RETURN = r"""
registered_model:
  description: The registered model after the run; empty when absent.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the model.
      type: str
    description:
      description: What the model is for.
      type: str
    tags:
      description: All its tags.
      type: dict
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t
from functools import partial

from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._resources import MODELS, find_model, tag_list
from ansible_collections.mlops.mlflow.plugins.module_utils._state import Shown, Step, ensure_module


def observe(client: Client, params: dict[str, t.Any]) -> Shown:
    return find_model(client, params["name"])


def plan(client: Client, params: dict[str, t.Any], present: Shown) -> tuple[Shown, list[Step]]:
    name = {"name": params["name"]}
    if params["state"] == "absent":
        return None, [partial(client.write, "DELETE", MODELS + "delete", **name)] if present else []
    tags = {key: str(value) for key, value in (params["tags"] or {}).items()}
    description = params["description"]
    if present is None:
        after = {**name, "description": description or "", "tags": tags}
        return after, [partial(client.write, "POST", MODELS + "create", **{**after, "tags": tag_list(tags)})]
    steps: list[Step] = []
    if description is not None and description != present["description"]:
        steps.append(partial(client.write, "PATCH", MODELS + "update", description=description, **name))
        present = {**present, "description": description}
    for key, value in tags.items():
        if present["tags"].get(key) != value:
            steps.append(partial(client.write, "POST", MODELS + "set-tag", key=key, value=value, **name))
    return {**present, "tags": {**present["tags"], **tags}}, steps


def main() -> None:
    ensure_module(
        "registered_model",
        {
            "name": {"type": "str", "required": True},
            "description": {"type": "str"},
            "tags": {"type": "dict"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        observe,
        plan,
    )


if __name__ == "__main__":
    main()
