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
  - Creates, describes, tags or deletes a registered model, and says which version an alias means. Its versions come
    from people's runs.
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
  aliases:
    description:
      - Words that are to mean a version, by its number or V(latest), which is the newest one at the time of the run.
      - An alias of V(null) is taken away. Others are left as they are.
    type: dict
  rename_from:
    description: Former name. Where it is there and O(name) is not, it gets the new name and keeps its grants.
    type: str
  state:
    description: V(absent) deletes the model permanently, with all its versions.
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

- name: Its third version serves
  mlops.mlflow.registered_model:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
    name: detector
    aliases:
      champion: 3
      challenger: latest
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
    aliases:
      description: All its aliases, with the number of the version that each means.
      type: dict
      sample: {champion: 3}
    version:
      description: Number of the newest version; none where it has none.
      type: int
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t
from functools import partial

from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._state import Shown, ensure_module
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import Step
from ansible_collections.mlops.mlflow.plugins.module_utils._things import (
    NEW_MODEL,
    Observed,
    model_steps,
    observe_thing,
    renamed,
    show_thing,
    texts,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._versions import find_model, with_aliases


def plan(client: Client, params: dict[str, t.Any], observed: Observed) -> tuple[Shown, list[Step]]:
    present, steps = renamed(client, "registered_model", params, observed)
    steps += model_steps(client, present, params)
    if params["state"] == "absent":
        return None, steps
    before = present or {"name": params["name"], **NEW_MODEL}
    after = {
        **before,
        "description": before["description"] if params["description"] is None else params["description"],
        "tags": {**before["tags"], **texts(params["tags"])},
        "aliases": with_aliases(before["aliases"], params["aliases"], before["version"]),
    }
    return after, steps


def main() -> None:
    ensure_module(
        "registered_model",
        {
            "name": {"type": "str", "required": True},
            "description": {"type": "str"},
            "tags": {"type": "dict"},
            "aliases": {"type": "dict"},
            "rename_from": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        partial(observe_thing, find_model),
        plan,
        show_thing,
    )


if __name__ == "__main__":
    main()
