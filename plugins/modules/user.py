#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: user
short_description: Manage a user of an MLflow server
version_added: 0.1.0
description:
  - Creates, changes or deletes a user of an MLflow server that runs with basic authentication.
  - A password cannot be read back. Whether it is the wanted one is found out by logging in with it.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.action_group
options:
  name:
    description:
      - Name of the user, case-sensitive.
      - It must be printable ASCII without a colon, since MLflow cannot serve others.
    type: str
    required: true
  user_password:
    description:
      - The password the user is to have, of at least 12 printable ASCII characters.
      - Needed when the user does not exist yet.
    type: str
  update_password:
    description:
      - V(always) sets O(user_password) whenever it does not work.
      - V(on_create) sets it on a new user only, so that people may change their own.
    type: str
    choices: [always, on_create]
    default: always
  admin:
    description:
      - Whether the user may do everything on the server. Left as it is by default; a new user is not an admin.
    type: bool
  state:
    description: V(absent) deletes the user with all their grants; what they logged stays.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Alice can log in
  mlops.mlflow.user:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
    name: alice
    user_password: "{{ vault_alice_password }}"

- name: Bob is gone
  mlops.mlflow.user:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
    name: bob
    state: absent
"""

RETURN = r"""
user:
  description: The user after the run; empty when absent.
  returned: success
  type: dict
  sample: {name: alice, admin: false, groups: [annotators]}
  contains:
    name:
      description: Name of the user.
      type: str
    admin:
      description: Whether the user is an admin.
      type: bool
    groups:
      description: Groups the user is a member of, sorted.
      type: list
      elements: str
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._credentials import password_problem, username_problem
from ansible_collections.mlops.mlflow.plugins.module_utils._dialect import user_facts
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest
from ansible_collections.mlops.mlflow.plugins.module_utils._people import user_steps
from ansible_collections.mlops.mlflow.plugins.module_utils._server import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._state import Shown, ensure_module
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import Step


def show(client: Client, params: dict[str, t.Any], server: Server) -> Shown:
    user = server.access.users.get(params["name"])
    return user_facts(user) if user else None


def plan(client: Client, params: dict[str, t.Any], server: Server) -> tuple[Shown, list[Step]]:
    name, password = params["name"], params["user_password"]
    refuse_what_cannot_work(params, is_new=name not in server.access.users)
    steps = user_steps(server, {**params, "password": password})
    if params["state"] == "absent":
        return None, steps
    present = server.access.users.get(name)
    after = user_facts(present) if present else {"name": name, "admin": False, "groups": []}
    if params["admin"] is not None:
        after["admin"] = params["admin"]
    if any(step.line.endswith(" password changed") for step in steps):
        after["password"] = "changed"
    return after, steps


def refuse_what_cannot_work(params: dict[str, t.Any], is_new: bool) -> None:
    if params["state"] == "absent":
        return
    if is_new and params["user_password"] is None:
        raise InvalidRequest(f"user_password: '{params['name']}' does not exist yet and needs one")
    problem = username_problem(params["name"])
    if problem:
        raise InvalidRequest(f"name: {problem}")
    problem = password_problem(params["user_password"]) if params["user_password"] is not None else None
    if problem:
        raise InvalidRequest(f"user_password: {problem}")


def main() -> None:
    ensure_module(
        "user",
        {
            "name": {"type": "str", "required": True},
            "user_password": {"type": "str", "no_log": True},
            "update_password": {
                "type": "str",
                "choices": ["always", "on_create"],
                "default": "always",
                "no_log": False,
            },
            "admin": {"type": "bool"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        lambda client, params: Server(client, [params["name"]]),
        plan,
        show,
    )


if __name__ == "__main__":
    main()
