#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: experiment
short_description: Manage an experiment of an MLflow server
version_added: 0.1.0
description:
  - Creates, restores, tags or deletes an experiment.
  - MLflow deletes experiments softly. The name of a deleted one stays taken until C(mlflow gc) has
    removed it permanently.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.action_group
options:
  name:
    description: Name of the experiment, case-sensitive.
    type: str
    required: true
  artifact_location:
    description:
      - Where the runs' artifacts go, as a URI. The server chooses by default.
      - It is fixed when the experiment is created. Asking for another one later is an error.
    type: str
  tags:
    description: Tags to set. Others are left as they are.
    type: dict
  on_deleted:
    description:
      - What O(state=present) does with an experiment that was deleted.
      - V(restore) restores it with its runs, V(fail) is an error.
    type: str
    choices: [restore, fail]
    default: restore
  rename_from:
    description: Former name. Where it is there and O(name) is not, it gets the new name and keeps its grants.
    type: str
  state:
    description: V(absent) deletes the experiment softly, with its runs.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: There is an experiment for the resnet work
  mlops.mlflow.experiment:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
    name: resnet
    tags:
      owner: alice
"""

RETURN = r"""
experiment:
  description: The experiment after the run; empty where there never was one.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the experiment.
      type: str
    experiment_id:
      description: Its id, as a string of digits. None in check mode when it would be created.
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
from functools import partial

from ansible_collections.mlops.mlflow.plugins.module_utils._claims import find_built_in, foreign_location
from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._resources import find_experiment
from ansible_collections.mlops.mlflow.plugins.module_utils._state import Shown, ensure_module
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import Step
from ansible_collections.mlops.mlflow.plugins.module_utils._things import (
    Observed,
    experiment_steps,
    observe_thing,
    renamed,
    show_thing,
    texts,
)


def plan(client: Client, params: dict[str, t.Any], observed: Observed) -> tuple[Shown, list[Step]]:
    present, steps = renamed(client, "experiment", params, observed)
    steps += experiment_steps(client, present, params)
    if params["state"] == "absent":
        return (present and {**present, "lifecycle_stage": "deleted"}), steps
    # The server chooses the id, and the location where none is asked for.
    before = present or {
        "name": params["name"],
        "experiment_id": None,
        "artifact_location": params["artifact_location"],
        "tags": {},
    }
    return {**before, "lifecycle_stage": "active", "tags": {**before["tags"], **texts(params["tags"])}}, steps


def warn(client: Client, params: dict[str, t.Any], observed: Observed) -> list[str]:
    found = observed.present or observed.source
    if not found or params["state"] == "absent" or not any(foreign_location(found, params, None)):
        return []
    return list(foreign_location(found, params, find_built_in(client)))


def main() -> None:
    ensure_module(
        "experiment",
        {
            "name": {"type": "str", "required": True},
            "artifact_location": {"type": "str"},
            "tags": {"type": "dict"},
            "on_deleted": {"type": "str", "choices": ["restore", "fail"], "default": "restore"},
            "rename_from": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        partial(observe_thing, find_experiment),
        plan,
        show_thing,
        warn,
    )


if __name__ == "__main__":
    main()
