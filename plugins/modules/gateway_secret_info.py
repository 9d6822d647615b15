#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_secret_info
short_description: List the secrets of an MLflow server's gateway
version_added: 0.1.0
description: Lists the secrets of a server's gateway. Needs MLflow 3.12 or later, with its gateway switched on.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes.info
  - mlops.mlflow.attributes.action_group
options:
  name:
    description: Only this one. The list is empty when there is none of that name.
    type: str
"""

EXAMPLES = r"""
- name: Read all
  mlops.mlflow.gateway_secret_info:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
  register: result
"""

RETURN = r"""
gateway_secrets:
  description: The secrets, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the secret.
      type: str
    provider:
      description: For which provider it is; empty where nobody said so.
      type: str
    auth_config:
      description: What is not secret of it.
      type: dict
    masked_values:
      description: What MLflow shows of its values, the first three characters of each and the last four.
      type: dict
      sample: {api_key: sk-...k3Yz}
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._gateway import SECRET, gateway_things, secret_facts
from ansible_collections.mlops.mlflow.plugins.module_utils._listed import Facts
from ansible_collections.mlops.mlflow.plugins.module_utils._resources import Directory
from ansible_collections.mlops.mlflow.plugins.module_utils._state import info_module


def read(client: Client, params: dict[str, t.Any]) -> list[Facts]:
    found = gateway_things(client, Directory(client), SECRET)
    return [secret_facts(facts) for name, facts in sorted(found.items()) if params["name"] in (None, name)]


def main() -> None:
    info_module("gateway_secrets", {"name": {"type": "str"}}, read)


if __name__ == "__main__":
    main()
