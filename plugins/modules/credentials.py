#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: credentials
short_description: Let Unix users of a host log in to their MLflow servers
version_added: 0.1.0
description:
  - Writes, for each user, C(~/.config/mlflow/TEAM.env) with the variables of each team, the link C(default.env) to that
    of the first team, and the account of the first team into C(~/.mlflow/credentials), which MLflow reads by itself.
  - All files are the user's own and readable by nobody else. They are written with the user's rights.
  - Other files in these directories, and whatever else stands in C(~/.mlflow/credentials), is left alone. What it
    wrote before for a team that is not given any more is removed, and so is what a killed run left of a file.
  - Each user's files are read and written in a process of its own, with their rights, that is ended after a while. What
    is in the way of one user is told, and the task fails, once all others have their files.
  - All users in one remote execution, where loops would need several and show passwords.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.attributes
options:
  users:
    description: The Unix users. Others are left alone.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the Unix user.
        type: str
        required: true
      teams:
        description: The teams of the user, the one that is used by default first.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: Name of the team.
            type: str
            required: true
          tracking_uri:
            description: Where the team's server is reached.
            type: str
            required: true
          username:
            description: Name of the user there.
            type: str
            required: true
  passwords:
    description:
      - By Unix user, their passwords by team. A team without one keeps the file that is there, and gets none otherwise.
    type: dict
    default: {}
  ca_path:
    description: File of certificates that the servers' are checked against. Python's own by default.
    type: path
"""

EXAMPLES = r"""
- name: Let Alice work as a member of two teams
  mlops.mlflow.credentials:
    users:
      - name: alice
        teams:
          - {name: vision, tracking_uri: "https://vision.mlflow.example.org", username: alice}
          - {name: nlp, tracking_uri: "https://nlp.mlflow.example.org", username: alice}
    passwords:
      alice: {vision: "{{ vault_vision_alice }}", nlp: "{{ vault_nlp_alice }}"}
"""

RETURN = r"""
steps:
  description: What was done, in words.
  returned: always
  type: list
  elements: str
failures:
  description: What was in the way, by user. They keep what they had.
  returned: always
  type: dict
"""

import functools
import pwd
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._as_account import work_as
from ansible_collections.mlops.mlflow.plugins.module_utils._credential_steps import plan, wanted_texts
from ansible_collections.mlops.mlflow.plugins.module_utils._homes import Home
from ansible_collections.mlops.mlflow.plugins.module_utils._text import shown

# Seconds that there are for one user, whose home may be on a server that is gone.
PATIENCE = 10
# Users at the same time.
TOGETHER = 8


def ensure(module: AnsibleModule, user: dict[str, t.Any], entry: pwd.struct_passwd) -> t.Iterator[str]:
    """Bring the files of one user into their state; yield what that takes, step by step."""
    passwords = module.params["passwords"].get(user["name"]) or {}
    home = Home(entry.pw_dir, [team["name"] for team in user["teams"]])
    for words, do in plan(home, wanted_texts(home, user, passwords, module.params["ca_path"])):
        if not module.check_mode:
            do()
        yield shown(f"{user['name']}: {words}")


def ensure_all(module: AnsibleModule, users: list[dict[str, t.Any]]) -> tuple[list[str], dict[str, str]]:
    """Do so for some users, each with their own rights and in time; what is in the way of one, by name."""
    steps: list[str] = []
    failures: dict[str, str] = {}
    tasks = []
    for user in users:
        try:
            entry = pwd.getpwnam(user["name"])
        except KeyError:
            failures[user["name"]] = "there is no such user on this host"
        else:
            tasks.append((entry, functools.partial(ensure, module, user, entry)))
    for (entry, _work), helper in zip(tasks, work_as(tasks, PATIENCE)):
        steps += helper.items
        if helper.error:
            failures[entry.pw_name] = helper.error
    return steps, failures


def main() -> None:
    team = {
        "name": {"type": "str", "required": True},
        "tracking_uri": {"type": "str", "required": True},
        "username": {"type": "str", "required": True},
    }
    module = AnsibleModule(
        argument_spec={
            "users": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "teams": {"type": "list", "elements": "dict", "required": True, "options": team},
                },
            },
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "ca_path": {"type": "path"},
        },
        supports_check_mode=True,
    )
    steps: list[str] = []
    failures: dict[str, str] = {}
    users = module.params["users"]
    for number in range(0, len(users), TOGETHER):
        done, failed = ensure_all(module, users[number : number + TOGETHER])
        steps += done
        failures.update(failed)
    diff = {"before": "", "after": "".join(f"{step}\n" for step in steps)}
    told: dict[str, t.Any] = {"changed": bool(steps), "steps": steps, "failures": failures, "diff": diff}
    if failures:
        module.fail_json(msg="\n".join(f"{name}: {why}" for name, why in failures.items()), **told)
    module.exit_json(**told)


if __name__ == "__main__":
    main()
