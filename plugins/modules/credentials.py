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
import os
import pwd
import typing as t
from stat import S_IMODE, S_ISDIR, S_ISREG

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._as_account import work_as
from ansible_collections.mlops.mlflow.plugins.module_utils._private_files import draft_of, write_private
from ansible_collections.mlops.mlflow.plugins.module_utils._profiles import (
    MARK,
    account,
    can_be_kept,
    environment,
    kept_account,
    with_account,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._text import shown

DEFAULT = "default.env"
PRIVATE = 0o600
# Bytes of a file that could have been written here, and how many such files a user may have.
LARGEST = 64 << 10
MOST_FILES = 500
# Names that are looked at in a user's directory.
MOST_NAMES = 10_000
# Seconds that there are for one user, whose home may be on a server that is gone.
PATIENCE = 10
# Users at the same time.
TOGETHER = 8


class ObstacleError(ValueError):
    """What stands where a file is to be."""


def read(path: str) -> tuple[str, int] | None:
    """Text and mode of a file, following the user's links; None where there is none.

    Whatever else the user may have there: nothing is waited for, and no more is read than could be ours.
    """
    try:
        facts = os.stat(path)
    except FileNotFoundError:
        return None
    if not S_ISREG(facts.st_mode):
        raise ObstacleError(f"{path} is not a file; remove it")
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        facts = os.fstat(handle)
        if not S_ISREG(facts.st_mode):
            raise ObstacleError(f"{path} is not a file; remove it")
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ObstacleError(f"{path} has more than {LARGEST >> 10} KiB; make it smaller, or remove it")
    return content.decode("utf-8", "surrogateescape"), S_IMODE(facts.st_mode)


def write(path: str, text: str) -> None:
    """Through a link that the user may keep there, and readable by nobody else at any moment."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    write_private(os.path.realpath(path), text, lambda descriptor: os.fchmod(descriptor, 0o600))


def is_directory(path: str) -> bool:
    """Whether there is one; raises for anything else."""
    try:
        facts = os.stat(path)
    except FileNotFoundError:
        if os.path.islink(path):
            raise ObstacleError(f"{path} is a link to nowhere; remove it") from None
        return False
    if not S_ISDIR(facts.st_mode):
        raise ObstacleError(f"{path} is not a directory; remove it")
    return True


class Home:
    """The files of one user, of whom some teams' are wanted."""

    def __init__(self, path: str, wanted: t.Collection[str]) -> None:
        self.directory = os.path.join(path, ".config", "mlflow")
        self.default = os.path.join(self.directory, DEFAULT)
        self.credentials = os.path.join(path, ".mlflow", "credentials")
        if wanted and not os.path.isdir(path):
            raise ObstacleError(f"their home {path} is not there; make it, or take them out")
        if wanted:
            is_directory(os.path.dirname(self.credentials))
        self.present: dict[str, tuple[str, int]] = {}
        self.left: list[str] = []
        for name in self._names() if os.path.isdir(self.directory) or (wanted and is_directory(self.directory)) else []:
            self._look_at(name, wanted)
        draft = os.path.join(os.path.dirname(self.credentials), draft_of("credentials"))
        if os.path.lexists(draft):
            self.left.append(draft)

    def file_of(self, team: str) -> str:
        return os.path.join(self.directory, f"{team}.env")

    def _names(self) -> list[str]:
        """All in the directory that could have been written here."""
        found = []
        with os.scandir(self.directory) as entries:
            for number, entry in enumerate(entries):
                if entry.name.endswith((".env", draft_of("env"))) and entry.name != DEFAULT:
                    found.append(entry.name)
                if number > MOST_NAMES or len(found) > MOST_FILES:
                    limit = f"{MOST_FILES} files of variables" if number <= MOST_NAMES else f"{MOST_NAMES} files"
                    raise ObstacleError(f"{self.directory} has more than {limit}; remove those that are of no use")
        return sorted(found)

    def _look_at(self, name: str, wanted: t.Collection[str]) -> None:
        path = os.path.join(self.directory, name)
        team = name[: -len(".env")] if name.endswith(".env") else None
        try:
            found = read(path)
        except (OSError, ObstacleError):
            if team in wanted:
                raise
            # Nobody who works with MLflow could read it either.
            return
        if not found:
            return
        if team is not None and (team in wanted or found[0].startswith(MARK)):
            self.present[team] = found
        elif team is None and (found[0].startswith(MARK) or MARK.startswith(found[0])):
            self.left.append(path)


Step = t.Tuple[str, t.Callable[[], object]]


def wanted_texts(home: Home, user: dict[str, t.Any], passwords: dict[str, str], ca_path: str | None) -> dict[str, str]:
    """The text of each team's file, the default team's first."""
    found = {}
    for team in user["teams"]:
        name = team["name"]
        if passwords.get(name):
            found[name] = environment(team["tracking_uri"], team["username"], str(passwords[name]), ca_path)
        elif account_in(home.present.get(name, ("", 0))[0]):
            found[name] = home.present[name][0]
    return found


def account_in(text: str) -> tuple[str, str] | None:
    """Likewise, and none in a text that somebody has made unreadable."""
    try:
        return account(text)
    except ValueError:
        return None


def default_of(texts: dict[str, str]) -> str | None:
    """The team that comes first."""
    return next(iter(texts), None)


def plan(home: Home, texts: dict[str, str]) -> t.Iterator[Step]:
    """What is to be done, in an order in which it can be cut off anywhere and done again."""
    for path in home.left:
        yield f"remove {path}", functools.partial(os.unlink, path)
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
        if name not in texts and text.startswith(MARK):
            yield f"remove {home.file_of(name)}", functools.partial(os.unlink, home.file_of(name))


def plan_credentials(home: Home, texts: dict[str, str]) -> t.Iterator[Step]:
    """MLflow's own file: the default team's account, or none where it had one from here."""
    default = default_of(texts)
    wanted = account_in(texts[default]) if default else None
    try:
        text, mode = read(home.credentials) or ("", PRIVATE)
    except (OSError, ObstacleError):
        if wanted:
            raise
        return
    kept = kept_account(text)
    if wanted and not can_be_kept(wanted[1]):
        wanted = None
    ours = {account_in(known) for known, _mode in home.present.values()}
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
