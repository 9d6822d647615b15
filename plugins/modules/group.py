#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: group
short_description: Manage a group of users of an MLflow server
version_added: 0.1.0
description:
  - Creates, changes or deletes a group, with its members and its grants. MLflow calls a group a role.
  - Members must exist already; so must the experiments and models of the grants.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.action_group
options:
  name:
    description: Name of the group, case-sensitive.
    type: str
    required: true
  description:
    description: What the group is for. Left as it is by default.
    type: str
  members:
    description: The users who are to be members, and nobody else. Left as they are by default.
    type: list
    elements: str
  grants:
    description:
      - The grants the group is to have, and no others. Left as they are by default.
      - One grant names one of O(grants[].experiment) and O(grants[].registered_model).
    type: list
    elements: dict
    suboptions:
      experiment:
        description: Name of an experiment, or V(*) for all.
        type: str
      registered_model:
        description: Name of a registered model, or V(*) for all.
        type: str
      permission:
        description: The level. V(DENY) wins over all others.
        type: str
        choices: [READ, USE, EDIT, MANAGE, DENY]
        required: true
  state:
    description: V(absent) deletes the group with its grants; its members stay users.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Annotators may read every experiment
  mlops.mlflow.group:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
    name: annotators
    members: [bob]
    grants:
      - experiment: "*"
        permission: READ
"""

RETURN = r"""
group:
  description: The group after the run; empty when absent.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the group.
      type: str
    description:
      description: What the group is for.
      type: str
    members:
      description: Names of its members, sorted.
      type: list
      elements: str
    grants:
      description: Its grants, in the form of O(grants). An experiment that is gone shows as C(#) and its id.
      type: list
      elements: dict
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t
from functools import partial

from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import grant_spec, resource_of
from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._dialect import Access, Group, Resource, dialect_of
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest
from ansible_collections.mlops.mlflow.plugins.module_utils._grants import grant_steps
from ansible_collections.mlops.mlflow.plugins.module_utils._resources import display_name, resolve
from ansible_collections.mlops.mlflow.plugins.module_utils._state import Shown, Step, ensure_module


def observe(client: Client, params: dict[str, t.Any]) -> Access:
    return dialect_of(client).observe()


def show(client: Client, params: dict[str, t.Any], access: Access) -> Shown:
    group = access.groups.get(params["name"])
    if not group:
        return None
    grants = [(resource.kind, display_name(client, resource), grant.level) for resource, grant in group.grants.items()]
    return group_facts(group.name, group.description, group.members, grants)


def group_facts(
    name: str, description: str, members: t.Iterable[str], grants: t.Iterable[tuple[str, str, str]]
) -> dict[str, t.Any]:
    return {
        "name": name,
        "description": description,
        "members": sorted(members),
        "grants": [{kind: resource, "permission": level} for kind, resource, level in sorted(grants)],
    }


def plan(client: Client, params: dict[str, t.Any], access: Access) -> tuple[Shown, list[Step]]:
    group = access.groups.get(params["name"])
    dialect = dialect_of(client)
    if params["state"] == "absent":
        return None, [partial(dialect.delete_group, group)] if group else []
    refuse_unknown_members(client, params, access)
    wanted = wanted_grants(client, params["grants"])
    if group:
        return changed_group(client, params, access, group, wanted)
    after = group_facts(params["name"], params["description"] or "", params["members"] or [], shown(params["grants"]))
    return after, [partial(create, client, params, wanted)]


def wanted_grants(client: Client, grants: list[dict[str, t.Any]] | None) -> dict[Resource, str]:
    wanted: dict[Resource, str] = {}
    for grant in grants or []:
        # In check mode an earlier task may have been about to create it.
        resource = resolve(client, *resource_of(grant), missing_ok=client.read_only)
        if wanted.setdefault(resource, grant["permission"]) != grant["permission"]:
            raise InvalidRequest(f"grants: {' '.join(resource_of(grant))} has two levels")
    return wanted


def shown(grants: list[dict[str, t.Any]] | None) -> set[tuple[str, str, str]]:
    return {(*resource_of(grant), grant["permission"]) for grant in grants or []}


def changed_group(
    client: Client, params: dict[str, t.Any], access: Access, group: Group, wanted: dict[Resource, str]
) -> tuple[Shown, list[Step]]:
    after = t.cast(t.Dict[str, t.Any], show(client, params, access))
    dialect = dialect_of(client)
    steps: list[Step] = []
    if params["members"] is not None:
        after["members"] = sorted(set(params["members"]))
        steps += [partial(dialect.remove_member, group, name) for name in group.members - set(params["members"])]
    if params["grants"] is not None:
        after = group_facts(group.name, group.description, after["members"], shown(params["grants"]))
        steps += grant_steps(dialect, group, wanted, purge=True)
    # Whoever joins comes last: by then the group grants no more than it should.
    if params["members"] is not None:
        steps += [partial(dialect.add_member, group, name) for name in set(params["members"]) - group.members]
    if params["description"] not in (None, group.description):
        after["description"] = params["description"]
        steps.append(partial(dialect.describe_group, group, params["description"]))
    return after, steps


def create(client: Client, params: dict[str, t.Any], wanted: dict[Resource, str]) -> None:
    dialect = dialect_of(client)
    group = dialect.create_group(params["name"], params["description"] or "")
    for step in grant_steps(dialect, group, wanted, purge=True):
        step()
    for name in params["members"] or []:
        dialect.add_member(group, name)


def refuse_unknown_members(client: Client, params: dict[str, t.Any], access: Access) -> None:
    unknown = set(params["members"] or []) - set(access.users)
    # In check mode an earlier task may have been about to create them.
    if unknown and not client.read_only:
        raise InvalidRequest(f"members: no such user on the server: {', '.join(sorted(unknown))}")


def main() -> None:
    grant = grant_spec()
    grant["permission"]["required"] = True
    ensure_module(
        "group",
        {
            "name": {"type": "str", "required": True},
            "description": {"type": "str"},
            "members": {"type": "list", "elements": "str"},
            "grants": {
                "type": "list",
                "elements": "dict",
                "options": grant,
                "mutually_exclusive": [("experiment", "registered_model")],
                "required_one_of": [("experiment", "registered_model")],
            },
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        observe,
        plan,
        show,
    )


if __name__ == "__main__":
    main()
