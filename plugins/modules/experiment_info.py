#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: experiment_info
short_description: List the experiments of an MLflow server
version_added: 0.1.0
description: Lists the experiments that the account used to log in can see.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes.info
  - mlops.mlflow.attributes.action_group
options:
  name:
    description: Only this experiment. The list is empty when there is none of that name.
    type: str
  view:
    description: Whether to list active experiments, deleted ones, or both.
    type: str
    choices: [active, deleted, all]
    default: active
"""

EXAMPLES = r"""
- name: Read all experiments
  mlops.mlflow.experiment_info:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
  register: result
"""

RETURN = r"""
experiments:
  description: The experiments, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the experiment.
      type: str
    experiment_id:
      description: Its id, as a string of digits.
      type: str
    artifact_location:
      description: URI under which its runs keep their artifacts.
      type: str
    lifecycle_stage:
      description: V(active) or V(deleted).
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

from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._resources import find_experiment, search_experiments
from ansible_collections.mlops.mlflow.plugins.module_utils._state import info_module


def read(client: Client, params: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    if params["name"] is None:
        return sorted(search_experiments(client, params["view"]), key=lambda found: found["name"])
    found = find_experiment(client, params["name"])
    return [found] if found and params["view"] in ("all", found["lifecycle_stage"]) else []


def main() -> None:
    info_module(
        "experiments",
        {
            "name": {"type": "str"},
            "view": {"type": "str", "choices": ["active", "deleted", "all"], "default": "active"},
        },
        read,
    )


if __name__ == "__main__":
    main()
