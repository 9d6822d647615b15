#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: home_links
short_description: Links in the homes of Unix users, each to a directory of their own
version_added: 0.1.0
description:
  - Gives each user a link in their home to what has their name in one directory.
  - A link to somewhere in that directory is taken for one of this module's, and set right or removed. Whatever else
    stands there is never overwritten; the task fails and names it, once all others have theirs.
  - Each home is worked in by a process of its own with the user's rights, that is ended after a while.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.attributes
options:
  users:
    description: Names of the Unix users. Others are left alone.
    type: list
    elements: str
    required: true
  name:
    description: Name of the link in each home.
    type: str
    required: true
  directory:
    description: Where what they lead to is, by name of the user. It need not be there yet.
    type: path
    required: true
  state:
    description: Whether there is to be a link.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Show people their artifacts
  mlops.mlflow.home_links:
    users: [alice, bob]
    name: mlflow-artifacts
    directory: /run/mlflow-mounts
"""

RETURN = r"""
steps:
  description: What was done, in words.
  returned: always
  type: list
  elements: str
failures:
  description: What was in the way, by user.
  returned: always
  type: dict
"""

import functools
import os
import pwd
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._as_account import work_as
from ansible_collections.mlops.mlflow.plugins.module_utils._text import shown

# Seconds that there are for one user, whose home may be on a server that is gone.
PATIENCE = 10
# Users at the same time.
TOGETHER = 8


def is_ours(target: str, directory: str) -> bool:
    """Whether a link is one that was made here."""
    return os.path.dirname(target) == directory


def set_right(path: str, target: str, wanted: bool, check: bool) -> t.Iterator[str]:
    """Bring one link into its state; yield what that takes. Raises ValueError for what is in the way."""
    found = os.readlink(path) if os.path.islink(path) else None
    if found == (target if wanted else None) and (wanted or not os.path.lexists(path)):
        return
    if os.path.lexists(path) and (found is None or not is_ours(found, os.path.dirname(target))):
        if wanted:
            raise ValueError(f"{path} is there already, and is not overwritten; move it, or choose another name")
        return
    yield f"link {path} to {target}" if wanted else f"remove {path}"
    if check:
        return
    if found is not None:
        os.unlink(path)
    if wanted:
        # Fails where somebody was quicker.
        os.symlink(target, path)


def work(module: AnsibleModule, account: pwd.struct_passwd) -> t.Iterator[str]:
    """All that is done for one user."""
    wanted = module.params["state"] == "present"
    if not os.path.isdir(account.pw_dir):
        if wanted:
            raise ValueError(f"their home {account.pw_dir} is not there; make it, or take them out")
        return
    path = os.path.join(account.pw_dir, module.params["name"])
    target = os.path.join(module.params["directory"], account.pw_name)
    for step in set_right(path, target, wanted, module.check_mode):
        yield shown(f"{account.pw_name}: {step}")


def work_for_all(module: AnsibleModule, names: list[str]) -> tuple[list[str], dict[str, str]]:
    """Do so for some users side by side; what is in the way of one, by name."""
    steps: list[str] = []
    failures: dict[str, str] = {}
    tasks = []
    for name in names:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            if module.params["state"] == "present":
                failures[name] = "there is no such user on this host"
        else:
            tasks.append((account, functools.partial(work, module, account)))
    for (account, _work), helper in zip(tasks, work_as(tasks, PATIENCE)):
        steps += helper.items
        if helper.error:
            failures[account.pw_name] = shown(helper.error)
    return steps, failures


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "users": {"type": "list", "elements": "str", "required": True},
            "name": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    if os.path.basename(module.params["name"]) in ("", ".", "..") or "/" in module.params["name"]:
        module.fail_json(msg="name: give the name of one file in the home, without a slash")
    steps: list[str] = []
    failures: dict[str, str] = {}
    users = module.params["users"]
    for number in range(0, len(users), TOGETHER):
        done, failed = work_for_all(module, users[number : number + TOGETHER])
        steps += done
        failures.update(failed)
    diff = {"before": "", "after": "".join(f"{step}\n" for step in steps)}
    told: dict[str, t.Any] = {"changed": bool(steps), "steps": steps, "failures": failures, "diff": diff}
    if failures:
        module.fail_json(msg="\n".join(f"{name}: {why}" for name, why in failures.items()), **told)
    module.exit_json(**told)


if __name__ == "__main__":
    main()
