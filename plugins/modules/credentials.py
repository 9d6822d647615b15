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
    wrote before for a team that is not given any more is removed.
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
  returned: success
  type: list
  elements: str
"""

import contextlib
import functools
import os
import pwd
import typing as t
from stat import S_IMODE

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._private_files import write_private
from ansible_collections.mlops.mlflow.plugins.module_utils._profiles import (
    account,
    can_be_kept,
    environment,
    kept_account,
    with_account,
)

DEFAULT = "default.env"
PRIVATE = 0o600


@contextlib.contextmanager
def rights_of(user: pwd.struct_passwd) -> t.Iterator[None]:
    """Work as the user, whose directory may lead anywhere by now."""
    if os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups(os.getgrouplist(user.pw_name, user.pw_gid))
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def write(path: str, text: str) -> None:
    """Through a link that the user may keep there, and readable by nobody else at any moment."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    write_private(os.path.realpath(path), text, lambda descriptor: os.fchmod(descriptor, 0o600))


def facts(path: str) -> tuple[str, int]:
    """Text and mode of a file, following the user's links."""
    text = read(path)
    return text, S_IMODE(os.stat(path).st_mode) if os.path.exists(path) else PRIVATE


class Home:
    """The files of one user."""

    def __init__(self, path: str) -> None:
        self.directory = os.path.join(path, ".config", "mlflow")
        self.default = os.path.join(self.directory, DEFAULT)
        self.credentials = os.path.join(path, ".mlflow", "credentials")
        names = os.listdir(self.directory) if os.path.isdir(self.directory) else []
        self.present = {
            name[: -len(".env")]: facts(os.path.join(self.directory, name))
            for name in sorted(names)
            if name.endswith(".env") and name != DEFAULT
        }

    def file_of(self, team: str) -> str:
        return os.path.join(self.directory, f"{team}.env")


Step = t.Tuple[str, t.Callable[[], object]]


def wanted_texts(home: Home, user: dict[str, t.Any], passwords: dict[str, str], ca_path: str | None) -> dict[str, str]:
    """The text of each team's file, the default team's first."""
    found = {}
    for team in user["teams"]:
        name = team["name"]
        if passwords.get(name):
            found[name] = environment(team["tracking_uri"], team["username"], str(passwords[name]), ca_path)
        elif account(home.present.get(name, ("", 0))[0]):
            found[name] = home.present[name][0]
    return found


def default_of(texts: dict[str, str]) -> str | None:
    """The team that comes first."""
    return next(iter(texts), None)


def plan(home: Home, texts: dict[str, str]) -> t.Iterator[Step]:
    """What is to be done, in an order in which it can be cut off anywhere and done again."""
    for name, text in texts.items():
        if home.present.get(name) != (text, PRIVATE):
            path = home.file_of(name)
            yield f"write {path}", functools.partial(write, path, text)
    yield from plan_credentials(home, texts)
    present = os.readlink(home.default) if os.path.islink(home.default) else None
    default = default_of(texts)
    wanted = f"{default}.env" if default else None
    if wanted != present:
        verb = f"link {home.default} to {wanted}" if wanted else f"remove {home.default}"
        yield verb, functools.partial(link, home.default, wanted)
    for name, (text, _mode) in home.present.items():
        if name not in texts and account(text):
            yield f"remove {home.file_of(name)}", functools.partial(os.unlink, home.file_of(name))


def plan_credentials(home: Home, texts: dict[str, str]) -> t.Iterator[Step]:
    """MLflow's own file: the default team's account, or none where it had one from here."""
    text, mode = facts(home.credentials)
    kept = kept_account(text)
    default = default_of(texts)
    wanted = account(texts[default]) if default else None
    if wanted and not can_be_kept(wanted[1]):
        wanted = None
    ours = {account(known) for known, _mode in home.present.values()}
    if wanted and (kept != wanted or mode != PRIVATE):
        after = with_account(text, wanted)
        yield (
            f"write the account of {default} to {home.credentials}",
            functools.partial(write, home.credentials, after),
        )
    elif not wanted and kept and kept in ours:
        after = with_account(text, None)
        yield (
            f"remove the account from {home.credentials}",
            (
                functools.partial(write, home.credentials, after)
                if after
                else functools.partial(os.unlink, os.path.realpath(home.credentials))
            ),
        )


def link(path: str, target: str | None) -> None:
    if os.path.lexists(path):
        os.unlink(path)
    if target:
        os.symlink(target, path)


def ensure(module: AnsibleModule, user: dict[str, t.Any]) -> list[str]:
    """Bring the files of one user into their state; return what that took."""
    entry = pwd.getpwnam(user["name"])
    passwords = module.params["passwords"].get(user["name"]) or {}
    done = []
    with rights_of(entry):
        home = Home(entry.pw_dir)
        for words, do in plan(home, wanted_texts(home, user, passwords, module.params["ca_path"])):
            if not module.check_mode:
                do()
            done.append(f"{user['name']}: {words}")
    return done


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
    failures: list[str] = []
    for user in module.params["users"]:
        try:
            steps += ensure(module, user)
        except KeyError:
            failures.append(f"{user['name']}: there is no such user on this host")
        except (OSError, ValueError) as error:
            failures.append(f"{user['name']}: {error}")
    diff = {"before": "", "after": "".join(f"{step}\n" for step in steps)}
    if failures:
        module.fail_json(msg="\n".join(failures), changed=bool(steps), steps=steps, diff=diff)
    module.exit_json(changed=bool(steps), steps=steps, diff=diff)


if __name__ == "__main__":
    main()
