#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_endpoint_info
short_description: List the endpoints of an MLflow server's gateway
version_added: 0.1.0
description: Lists the endpoints of a server's gateway. Needs MLflow 3.12 or later, with its gateway switched on.
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
  mlops.mlflow.gateway_endpoint_info:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
  register: result
"""

RETURN = r"""
gateway_endpoints:
  description: The endpoints, sorted by name.
  returned: success
  type: list
  elements: dict
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

from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._gateway import ENDPOINT, endpoint_facts, gateway_things
from ansible_collections.mlops.mlflow.plugins.module_utils._listed import Facts
from ansible_collections.mlops.mlflow.plugins.module_utils._resources import Directory
from ansible_collections.mlops.mlflow.plugins.module_utils._state import info_module


def read(client: Client, params: dict[str, t.Any]) -> list[Facts]:
    found = gateway_things(client, Directory(client), ENDPOINT)
    return [endpoint_facts(facts) for name, facts in sorted(found.items()) if params["name"] in (None, name)]


def main() -> None:
    info_module("gateway_endpoints", {"name": {"type": "str"}}, read)


if __name__ == "__main__":
    main()
