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
    first, together with changed passwords and lowered levels; then what is new is made; then denials; then other
    grants, then memberships, then admin flags. Who lacks a denial, and is new or gets another password, cannot log in
    before it is there, since the declared password is set last; a former one is void at once. With
    O(update_password=on_create) there is only one password, set first.
  - A run that was cut off is made good by the next one. When somebody else changes the same things
    meanwhile, the module observes again and does what is left, three times at most.
  - What the server refuses nevertheless keeps nothing from being taken away. A thing of which it refuses something is
    left, and all else done. Where it refuses to take away, make or deny anything else, nobody is given anything more,
    and where a member does not get into a group, no new user is let in. The module then fails, and returns what it did.
  - Grants on experiments and models that are gone are always removed, since SQLite uses ids again; so are those on
    things of other kinds that the declaration speaks of.
  - Grants on kinds of things that it does not speak of are left alone, and counted; see O(kinds).
  - A thing that is on the server in a way that cannot become the declared one, such as a prompt with the name of a
    declared model, is left as it is, and nothing is granted on what is not there. All else is done before the module
    fails with it.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.access
  - mlops.mlflow.connection
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.action_group
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
  returned: success, and when it failed after the first change, or some things could not be brought about
  type: dict
  contains:
    changes:
      description: A line for each difference, in the order of the run. Never a password.
      type: list
      elements: str
      sample: ["- bob EDIT experiment resnet", "+ alice MANAGE experiment resnet"]
    left:
      description:
        - How many grants of declared users and groups were left alone, by MLflow's words for the kinds of things that
          the declaration does not speak of. Without the MANAGE of whoever made a thing.
        - Empty where O(policy=additive).
      type: dict
      sample: {"prompt": 3}
failure:
  description: What the server answered when it refused something, or ended the run; empty otherwise.
  returned: failure
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._access_arguments import access_spec
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import client_from, connection_spec
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import MlflowError
from ansible_collections.mlops.mlflow.plugins.module_utils._reconcile import reconcile
from ansible_collections.mlops.mlflow.plugins.module_utils._text import shown
from ansible_collections.mlops.mlflow.plugins.module_utils._unlogged import UnloggedModule


def main() -> None:
    module = UnloggedModule(argument_spec={**connection_spec(), **access_spec()}, supports_check_mode=True)
    try:
        done = reconcile(client_from(module.params, read_only=module.check_mode), module.params)
    except MlflowError as error:
        module.fail_json(msg=str(error), failure=error.failure)
    for warning in done.warnings:
        module.warn(shown(warning))
    told: dict[str, t.Any] = {
        "changed": bool(done.changes),
        "diff": {"prepared": "".join(f"{line}\n" for line in done.changes)},
        "access": {"changes": done.changes, "left": done.left},
    }
    if done.refused:
        module.fail_json(msg=shown(done.problem), failure=done.failure, **told)
    module.exit_json(**told)


if __name__ == "__main__":
    main()
