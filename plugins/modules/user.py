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
      - Whether the user may do everything on the server. Left as it is by default; a new user is no admin.
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
from functools import partial

from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._credentials import password_problem, username_problem
from ansible_collections.mlops.mlflow.plugins.module_utils._dialect import User, dialect_of, user_facts
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest
from ansible_collections.mlops.mlflow.plugins.module_utils._state import Shown, Step, ensure_module


def observe(client: Client, params: dict[str, t.Any]) -> User | None:
    return dialect_of(client).observe().users.get(params["name"])


def show(client: Client, params: dict[str, t.Any], user: User | None) -> Shown:
    return user_facts(user) if user else None


def plan(client: Client, params: dict[str, t.Any], user: User | None) -> tuple[Shown, list[Step]]:
    if params["state"] == "absent":
        return plan_absent(client, params["name"], user)
    name, password, dialect = params["name"], params["user_password"], dialect_of(client)
    refuse_what_cannot_work(name, password, user)
    steps: list[Step] = []
    after = user_facts(user) if user else {"name": name, "admin": False, "groups": []}
    if not user:
        steps.append(partial(dialect.create_user, name, password))
    elif password and params["update_password"] == "always" and not client.login_works(name, password):
        steps.append(partial(dialect.set_password, name, password))
        after["password"] = "changed"
    if params["admin"] is not None and params["admin"] != after["admin"]:
        if name == client.username:
            raise InvalidRequest(f"admin: '{name}' is the account this module logs in as, which must stay an admin")
        steps.append(partial(dialect.set_admin, name, params["admin"]))
        after["admin"] = params["admin"]
    return after, steps


def plan_absent(client: Client, name: str, user: User | None) -> tuple[Shown, list[Step]]:
    if not user:
        return None, []
    if name == client.username:
        raise InvalidRequest(f"name: '{name}' is the account this module logs in as, which cannot delete itself")
    return None, [partial(dialect_of(client).delete_user, name)]


def refuse_what_cannot_work(name: str, password: str | None, user: User | None) -> None:
    problem = username_problem(name)
    if problem:
        raise InvalidRequest(f"name: {problem}")
    if password is None:
        if not user:
            raise InvalidRequest(f"user_password: '{name}' does not exist yet and needs one")
        return
    problem = password_problem(password)
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
        observe,
        plan,
        show,
    )


if __name__ == "__main__":
    main()
