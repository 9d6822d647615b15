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
    removed it for good.
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
      - V(restore) brings it back with its runs, V(fail) is an error.
    type: str
    choices: [restore, fail]
    default: restore
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

from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest
from ansible_collections.mlops.mlflow.plugins.module_utils._resources import EXPERIMENTS, find_experiment, tag_list
from ansible_collections.mlops.mlflow.plugins.module_utils._state import Shown, Step, ensure_module


def observe(client: Client, params: dict[str, t.Any]) -> Shown:
    return find_experiment(client, params["name"])


def plan(client: Client, params: dict[str, t.Any], present: Shown) -> tuple[Shown, list[Step]]:
    if params["state"] == "absent":
        return plan_absent(client, present)
    tags = {key: str(value) for key, value in (params["tags"] or {}).items()}
    if present is None:
        return plan_creation(client, params, tags)
    refuse_what_cannot_be(params, present)
    identity = {"experiment_id": present["experiment_id"]}
    steps: list[Step] = []
    if present["lifecycle_stage"] == "deleted":
        steps.append(partial(client.write, "POST", EXPERIMENTS + "restore", **identity))
    for key, value in tags.items():
        if present["tags"].get(key) != value:
            tag = {"key": key, "value": value, **identity}
            steps.append(partial(client.write, "POST", EXPERIMENTS + "set-experiment-tag", **tag))
    return {**present, "lifecycle_stage": "active", "tags": {**present["tags"], **tags}}, steps


def plan_absent(client: Client, present: Shown) -> tuple[Shown, list[Step]]:
    if present is None or present["lifecycle_stage"] == "deleted":
        return present, []
    step = partial(client.write, "POST", EXPERIMENTS + "delete", experiment_id=present["experiment_id"])
    return {**present, "lifecycle_stage": "deleted"}, [step]


def plan_creation(client: Client, params: dict[str, t.Any], tags: dict[str, str]) -> tuple[Shown, list[Step]]:
    body: dict[str, t.Any] = {"name": params["name"], "tags": tag_list(tags)}
    if params["artifact_location"]:
        body["artifact_location"] = params["artifact_location"]
    after = {
        "name": params["name"],
        "experiment_id": None,
        "artifact_location": params["artifact_location"],
        "lifecycle_stage": "active",
        "tags": tags,
    }
    return after, [partial(client.write, "POST", EXPERIMENTS + "create", **body)]


def refuse_what_cannot_be(params: dict[str, t.Any], present: dict[str, t.Any]) -> None:
    name, location = params["name"], params["artifact_location"]
    if present["lifecycle_stage"] == "deleted" and params["on_deleted"] == "fail":
        raise InvalidRequest(f"name: experiment '{name}' was deleted, and on_deleted is 'fail'")
    if location and location.rstrip("/") != present["artifact_location"].rstrip("/"):
        raise InvalidRequest(
            f"artifact_location: experiment '{name}' keeps its artifacts at {present['artifact_location']}, "
            "and MLflow cannot change that"
        )


def main() -> None:
    ensure_module(
        "experiment",
        {
            "name": {"type": "str", "required": True},
            "artifact_location": {"type": "str"},
            "tags": {"type": "dict"},
            "on_deleted": {"type": "str", "choices": ["restore", "fail"], "default": "restore"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        observe,
        plan,
    )


if __name__ == "__main__":
    main()
