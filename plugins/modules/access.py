#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: access
short_description: Manage everybody and what they may do on an MLflow server, in one call
version_added: 0.1.0
description:
  - Brings the users, groups, experiments, registered models and grants of a whole server into the
    declared state. It observes once, computes the difference, and writes only that.
  - Nobody has more access at any point of the run than before or after it. What is taken away comes
    first, together with changed passwords and lowered levels; then what is new is made; then grants, then
    memberships, then admin flags. A new user who is denied something cannot log in before that, since the
    declared password is set last. With O(update_password=on_create) there is only one password, set first.
  - A run that was cut off is made good by the next one. When somebody else changes the same things
    meanwhile, the module observes again and does what is left, three times at most.
  - Grants on experiments and models that are gone are always removed, since SQLite uses ids again.
  - Grants on other kinds of things, such as prompts and gateway endpoints, are left alone.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.action_group
options:
  policy:
    description:
      - V(exclusive) removes the users, groups, memberships and grants that are not declared. Experiments
        and models are never removed for not being declared. A server before MLflow 3.10 cannot list its
        users, so that only declared ones are looked at there, with a warning.
      - V(additive) only adds and changes.
    type: str
    choices: [exclusive, additive]
    default: exclusive
  keep_users:
    description:
      - Users who are left as they are though nobody declared them, in their groups too.
      - The account that logs in always is.
    type: list
    elements: str
    default: []
  revoke_creators:
    description:
      - Whether to remove also the MANAGE that MLflow gives to whoever creates an experiment or a model.
      - MLflow does not mark it. The first grant on a thing counts as such when it is a user's own, and MANAGE.
    type: bool
    default: false
  on_missing_roles:
    description:
      - What to do with O(groups) on a server before MLflow 3.12, which has none.
      - V(fail) names the version needed. V(expand) gives each member what the group grants.
    type: str
    choices: [fail, expand]
    default: fail
  update_password:
    description:
      - V(always) sets a declared password whenever logging in with it fails.
      - V(on_create) sets it on new users only. It needs no log-in for each user, and people may change their own.
    type: str
    choices: [always, on_create]
    default: always
  users:
    description: The users.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user, printable ASCII without a colon.
        type: str
        required: true
      password:
        description: The password, of at least 12 printable ASCII characters. Needed for a new user.
        type: str
      admin:
        description: Whether the user may do everything on the server.
        type: bool
        default: false
      grants:
        description: What the user may do, for grants on all experiments or models. Each names one thing.
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
            description: The level. V(DENY) wins over all others; see M(mlops.mlflow.permission) for where there is one.
            type: str
            choices: [READ, USE, EDIT, MANAGE, DENY]
            required: true
      state:
        description: V(absent) deletes the user, also where O(policy=additive).
        type: str
        choices: [present, absent]
        default: present
  groups:
    description:
      - The groups, which MLflow calls roles.
      - On MLflow 3.12 a group's level on an experiment does not reach its runs, so members cannot store artifacts.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the group.
        type: str
        required: true
      description:
        description: What the group is for. Left as it is by default.
        type: str
      members:
        description: Names of users. Left as they are by default.
        type: list
        elements: str
      grants:
        description: What members may do. Each names one thing. Left as they are by default.
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
            description: The level. V(DENY) wins over all others; see M(mlops.mlflow.permission) for where there is one.
            type: str
            choices: [READ, USE, EDIT, MANAGE, DENY]
            required: true
      state:
        description: V(absent) deletes the group.
        type: str
        choices: [present, absent]
        default: present
  experiments:
    description: Experiments that are to exist, and users' grants on them.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the experiment.
        type: str
        required: true
      artifact_location:
        description: URI under which its runs keep their artifacts, fixed at creation.
        type: str
      tags:
        description: Tags to set. Others are left as they are.
        type: dict
      grants:
        description: Levels by user name.
        type: dict
      rename_from:
        description: Former name. Where it is there and the new one is not, it gets the new name.
        type: str
      on_deleted:
        description: What to do with one that was deleted.
        type: str
        choices: [restore, fail]
        default: restore
      state:
        description: V(absent) deletes it softly.
        type: str
        choices: [present, absent]
        default: present
  registered_models:
    description: Registered models that are to exist, and users' grants on them.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the model.
        type: str
        required: true
      description:
        description: What the model is for. Left as it is by default.
        type: str
      tags:
        description: Tags to set. Others are left as they are.
        type: dict
      grants:
        description: Levels by user name.
        type: dict
      rename_from:
        description: Former name. Where it is there and the new one is not, it gets the new name.
        type: str
      state:
        description: V(absent) deletes it with all its versions, for good.
        type: str
        choices: [present, absent]
        default: present
"""

EXAMPLES = r"""
- name: The vision team, and nobody else
  mlops.mlflow.access:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
    users:
      - name: alice
        password: "{{ vault_alice_password }}"
      - name: bob
        password: "{{ vault_bob_password }}"
    groups:
      - name: annotators
        members: [bob]
        grants:
          - experiment: "*"
            permission: READ
    experiments:
      - name: resnet
        grants:
          alice: MANAGE
          bob: EDIT
"""

RETURN = r"""
access:
  description: What the run did, or in check mode would do.
  returned: success
  type: dict
  contains:
    changes:
      description: A line for each difference, in the order of the run. Never a password.
      type: list
      elements: str
      sample: ["- bob EDIT experiment resnet", "+ alice MANAGE experiment resnet"]
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._access import access_steps
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import (
    client_from,
    connection_spec,
    grant_list_spec,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._dialect import USER_LIST_SINCE
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import MlflowError, RequestRefused
from ansible_collections.mlops.mlflow.plugins.module_utils._server import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import in_order, lines

OBSERVATIONS = 3
STATE = {"type": "str", "choices": ["present", "absent"], "default": "present"}
NAME = {"type": "str", "required": True}


def argument_spec() -> dict[str, object]:
    grants = grant_list_spec()
    return {
        **connection_spec(),
        "policy": {"type": "str", "choices": ["exclusive", "additive"], "default": "exclusive"},
        "keep_users": {"type": "list", "elements": "str", "default": []},
        "revoke_creators": {"type": "bool", "default": False},
        "on_missing_roles": {"type": "str", "choices": ["fail", "expand"], "default": "fail"},
        "update_password": {
            "type": "str",
            "choices": ["always", "on_create"],
            "default": "always",
            "no_log": False,
        },
        "users": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": NAME,
                "password": {"type": "str", "no_log": True},
                "admin": {"type": "bool", "default": False},
                "grants": grants,
                "state": STATE,
            },
        },
        "groups": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": NAME,
                "description": {"type": "str"},
                "members": {"type": "list", "elements": "str"},
                "grants": grants,
                "state": STATE,
            },
        },
        "experiments": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": NAME,
                "artifact_location": {"type": "str"},
                "tags": {"type": "dict"},
                "grants": {"type": "dict"},
                "rename_from": {"type": "str"},
                "on_deleted": {"type": "str", "choices": ["restore", "fail"], "default": "restore"},
                "state": STATE,
            },
        },
        "registered_models": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": NAME,
                "description": {"type": "str"},
                "tags": {"type": "dict"},
                "grants": {"type": "dict"},
                "rename_from": {"type": "str"},
                "state": STATE,
            },
        },
    }


def reconcile(module: AnsibleModule) -> list[str]:
    """Do what differs; after a refusal look again, since somebody else may have done it."""
    done: list[str] = []
    client = client_from(module.params, read_only=module.check_mode)
    for attempt in range(OBSERVATIONS):
        server = Server(client, [user["name"] for user in module.params["users"]])
        steps = in_order(access_steps(server, module.params))
        if attempt == 0 and server.version < USER_LIST_SINCE and module.params["policy"] == "exclusive":
            module.warn(
                f"MLflow {client.version} cannot list its users, so those nobody declared stay; 3.10 and later can"
            )
        if module.check_mode:
            return lines(steps)
        try:
            for step in steps:
                step.do()
                done += [step.line] if step.line else []
            break
        except RequestRefused as refusal:
            if refusal.status not in (400, 404, 409) or attempt == OBSERVATIONS - 1:
                raise
    return done


def main() -> None:
    # The target's journal would get the users as one text, in which quotes hide a password from being masked.
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True, no_log=True)
    try:
        changes = reconcile(module)
    except MlflowError as error:
        module.fail_json(msg=str(error), failure=error.failure)
    module.exit_json(
        changed=bool(changes),
        diff={"prepared": "".join(f"{line}\n" for line in changes)},
        access={"changes": changes},
    )


if __name__ == "__main__":
    main()
