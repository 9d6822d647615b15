#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: permission
short_description: Manage one grant on an MLflow server
version_added: 0.1.0
description:
  - Gives a user or a group a level on an experiment or a registered model, or takes it away.
  - The user or group and the resource must exist already.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.action_group
options:
  user:
    description: Name of the user who holds the grant.
    type: str
  group:
    description: Name of the group that holds the grant.
    type: str
  experiment:
    description: Name of the experiment the grant is on, or V(*) for all.
    type: str
  registered_model:
    description: Name of the registered model the grant is on, or V(*) for all.
    type: str
  permission:
    description:
      - The level. Each one includes those before it, and V(DENY) wins over all others.
      - Required when O(state=present).
    type: str
    choices: [READ, USE, EDIT, MANAGE, DENY]
  state:
    description: V(absent) takes the grant away, whatever its level.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Bob may log runs to resnet
  mlops.mlflow.permission:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
    user: bob
    experiment: resnet
    permission: EDIT
"""

RETURN = r"""
permission:
  description: The grant after the run; empty when absent.
  returned: success
  type: dict
  sample: {user: bob, experiment: resnet, permission: EDIT}
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t
from functools import partial

from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import grant_spec, resource_of
from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._dialect import Group, Resource, User, dialect_of
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest
from ansible_collections.mlops.mlflow.plugins.module_utils._grants import grant_steps
from ansible_collections.mlops.mlflow.plugins.module_utils._resources import resolve
from ansible_collections.mlops.mlflow.plugins.module_utils._state import Shown, Step, ensure_module


class Observed(t.NamedTuple):
    holder: User | Group | None
    resource: Resource


def observe(client: Client, params: dict[str, t.Any]) -> Observed:
    access = dialect_of(client).observe()
    kind, name = holder_of(params)
    holder = access.users.get(name) if kind == "user" else access.groups.get(name)
    # What is to have no grant need not exist, nor what the grant would be on.
    lenient = client.read_only or params["state"] == "absent"
    if holder is None and not lenient:
        raise InvalidRequest(f"{kind}: '{name}' does not exist on the server")
    return Observed(holder, resolve(client, *resource_of(params), missing_ok=lenient))


def holder_of(params: dict[str, t.Any]) -> tuple[str, str]:
    return ("user", params["user"]) if params["user"] is not None else ("group", params["group"])


def show(client: Client, params: dict[str, t.Any], observed: Observed) -> Shown:
    grant = observed.holder and observed.holder.grants.get(observed.resource)
    return facts(params, grant.level) if grant else None


def facts(params: dict[str, t.Any], level: str) -> dict[str, t.Any]:
    (holder_kind, holder), (kind, resource) = holder_of(params), resource_of(params)
    return {holder_kind: holder, kind: resource, "permission": level}


def plan(client: Client, params: dict[str, t.Any], observed: Observed) -> tuple[Shown, list[Step]]:
    holder, resource = observed
    dialect = dialect_of(client)
    if params["state"] == "absent":
        grant = holder and holder.grants.get(resource)
        return None, [partial(dialect.revoke, grant)] if grant else []
    level = params["permission"]
    if holder is None:
        holder = User(holder_of(params)[1], False, frozenset(), {})
    return facts(params, level), grant_steps(dialect, holder, {resource: level}, purge=False)


def main() -> None:
    ensure_module(
        "permission",
        {
            "user": {"type": "str"},
            "group": {"type": "str"},
            **grant_spec(),
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        observe,
        plan,
        show,
        mutually_exclusive=[("user", "group"), ("experiment", "registered_model")],
        required_one_of=[("user", "group"), ("experiment", "registered_model")],
        required_if=[("state", "present", ("permission",))],
    )


if __name__ == "__main__":
    main()
