#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registered_model_info
short_description: List the registered models of an MLflow server
version_added: 0.1.0
description: Lists the registered models that the account used to log in can see.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes.info
  - mlops.mlflow.attributes.action_group
options:
  name:
    description: Only this model. The list is empty when there is none of that name.
    type: str
"""

EXAMPLES = r"""
- name: Read all registered models
  mlops.mlflow.registered_model_info:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
  register: result
"""

RETURN = r"""
registered_models:
  description: The models, sorted by name.
  returned: success
  type: list
  elements: dict
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

from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._resources import search
from ansible_collections.mlops.mlflow.plugins.module_utils._state import info_module
from ansible_collections.mlops.mlflow.plugins.module_utils._versions import find_model


def read(client: Client, params: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    if params["name"] is None:
        return search(client, "registered_model")
    found = find_model(client, params["name"], others=True)
    return [found] if found else []


def main() -> None:
    info_module("registered_models", {"name": {"type": "str"}}, read)


if __name__ == "__main__":
    main()
