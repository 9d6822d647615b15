#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Write many small files of a host in one call
version_added: 0.1.0
description:
  - Brings any number of small text files, directories and links into their wanted state in a single
    remote execution, where a loop over M(ansible.builtin.copy) would need one for each.
  - Every file is written beside its place with its final owner and mode, then renamed, so that nobody
    ever reads half a file or a secret with a wider mode. What a run that was killed left of that is removed.
  - A path leads only through directories that nobody but root can write, and links that root has made there. Others
    could exchange what is in theirs at any moment. In one where all may write but nobody exchange, such as C(/tmp),
    root has what is its own.
  - A file or link with a time in the future is given the present one, for readers that ask whether it is newer.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.attributes
options:
  files:
    description:
      - The files, in the order in which they are handled. A directory comes before what is in it.
      - The parents of a directory are made where they are missing, owned by root and with mode 0755.
      - A directory in one that already belongs to its owner is made and kept with the rights of that account.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      state:
        description:
          - What is to be at the path. V(absent) removes a file or a link, never a directory.
          - V(program) is a link to a directory with O(files[].files), which comes as a whole. It stands beside the
            link, in one named by a digest, and belongs to root. The former version stays, and those that a process
            uses; others are removed. The diff has the names of the versions, and none of their texts.
        type: str
        choices: [file, directory, link, program, absent]
        default: file
      content:
        description: Text of the file. Exclusive with an entry in O(contents) or O(secret_contents).
        type: str
      files:
        description: Texts of the files of a program, by their paths below O(files[].path).
        type: dict
      target:
        description: Where a link points to.
        type: path
      force:
        description:
          - Whether to replace the text of a file that is there. V(false) keeps it, whatever it is. Of several runs at
            the same time, the first one's stays.
        type: bool
        default: true
      owner:
        description: Name of the user who owns it.
        type: str
        default: root
      group:
        description: Name of the group that owns it.
        type: str
        default: root
      mode:
        description: Mode as an octal number in quotes. Links have none.
        type: str
        default: "0644"
  contents:
    description:
      - Texts of files by their path, instead of O(files[].content). What O(files) does not name is not written.
    type: dict
    default: {}
  secret_contents:
    description:
      - The same, for files with secrets in them.
      - Neither the result, nor the diff, nor the target's journal shows them.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: A service and its secrets
  mlops.mlflow.files:
    files:
      - {path: /etc/example, state: directory, mode: "0750", group: example}
      - {path: /etc/example/environment, mode: "0600"}
      - {path: /etc/example/settings.ini, content: "[main]\nport = 5001\n"}
    secret_contents:
      /etc/example/environment: "TOKEN={{ vault_token }}\n"
"""

RETURN = r"""
files:
  description: What became of each file, in the order given.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Its path.
      type: str
    changed:
      description: Whether anything about it changed.
      type: bool
    mtime:
      description: When the file's text or the link last changed, in seconds since the epoch. None for others.
      type: float
"""

import os
import time
import typing as t
from grp import getgrnam
from pwd import getpwnam, getpwuid
from stat import S_IMODE, S_ISDIR, S_ISLNK, S_ISREG

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._as_account import work_as
from ansible_collections.mlops.mlflow.plugins.module_utils._folders import Folders, UnsafePathError
from ansible_collections.mlops.mlflow.plugins.module_utils._private_files import (
    discard,
    draft_of,
    is_left,
    link_into,
    write_into,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._programs import (
    build,
    is_whole,
    refuse_paths,
    remove_others,
    target_of,
)

HIDDEN = "(content not shown)\n"
# Seconds by which a file server's clock may be ahead of the host's.
TOLERANCE = 5
# Seconds that an account's process has for one directory.
PATIENCE = 30

Spec = t.Dict[str, t.Any]
Facts = t.Dict[str, t.Any]

FOLDERS = Folders()


class Lost(Exception):
    """Another run has made the file that was only to be made where there is none."""


def observe(path: str, after: Facts | None = None) -> Facts:
    """What is at a path now; the wanted state is described in the same words."""
    facts: Facts = {"state": "absent"}
    try:
        folder, name = FOLDERS.place_of(path)
    except FileNotFoundError:
        return facts
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        status = None
    FOLDERS.refuse_strangers(path, status, after or facts)
    if status and S_ISLNK(status.st_mode):
        facts = {"state": "link", "target": os.readlink(name, dir_fd=folder)}
    elif status:
        mode = S_IMODE(status.st_mode)
        facts = {"state": "other", "owner": status.st_uid, "group": status.st_gid, "mode": f"{mode:04o}"}
        if S_ISDIR(status.st_mode):
            return {**facts, "state": "directory"}
        if S_ISREG(status.st_mode):
            with open(reopen(folder, name, os.O_NONBLOCK, facts), "rb") as file:
                facts.update(state="file", content=file.read().decode("utf-8", "replace"))
    if status and status.st_mtime > time.time() + TOLERANCE:
        # For those who compare it with when they read the file, it would be news at each run.
        facts["modified"] = "in the future"
    if is_left(folder, draft_of(name)):
        facts["left"] = draft_of(name)
    return facts


def reopen(folder: int, name: str, flags: int, facts: Facts) -> int:
    """Open what was looked at, or raise where it is something else by now."""
    handle = os.open(name, flags | os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    if os.fstat(handle).st_uid != facts["owner"]:
        os.close(handle)
        raise OSError("was exchanged for something else at this moment")
    return handle


def texts_of(module: AnsibleModule, spec: Spec) -> list[str]:
    """The texts that are given for a file: one, where the task is right."""
    given = [spec["content"], *(module.params[option].get(spec["path"]) for option in ("contents", "secret_contents"))]
    return [text for text in given if text is not None]


def wanted(spec: Spec, text: str | None, check_mode: bool) -> Facts:
    """The facts that C(observe) is to find."""
    if spec["state"] == "absent":
        return {"state": "absent"}
    if spec["state"] == "link":
        return {"state": "link", "target": spec["target"]}
    if spec["state"] == "program":
        refuse_paths(spec["files"])
        return {"state": "link", "target": target_of(os.path.basename(spec["path"]), spec["files"])}
    facts: Facts = {
        "state": spec["state"],
        "owner": account_id(getpwnam, spec["owner"], check_mode),
        "group": account_id(getgrnam, spec["group"], check_mode),
        "mode": f"{int(spec['mode'], 8):04o}",
    }
    if spec["state"] == "file":
        facts["content"] = str(text)
    return facts


def account_id(find: t.Callable[[str], t.Any], name: str, check_mode: bool) -> int | str:
    try:
        return find(name)[2]
    except KeyError:
        # An earlier task would have made the account; its name is as good as its number in a diff.
        if check_mode:
            return name
        raise


def apply(path: str, present: Facts, after: Facts, force: bool = True) -> None:
    state = after["state"]
    if state == "directory" and present["state"] == "absent":
        FOLDERS.make(path)
    folder, name = FOLDERS.place_of(path)
    if "left" in present:
        discard(folder, present["left"])
    if present["state"] in ("file", "link") and state in ("absent", "directory"):
        os.unlink(name, dir_fd=folder)
    if state == "directory":
        if present["state"] != "directory":
            os.mkdir(name, 0o700, dir_fd=folder)
            present = {"owner": os.geteuid()}
        give(reopen(folder, name, os.O_DIRECTORY, present), after)
        # It may be somebody else's from here on.
        FOLDERS.close()
    elif state == "file" and present.get("content") == after["content"]:
        # The same text keeps its time, by which readers know whether it is newer than they are.
        give(reopen(folder, name, os.O_NONBLOCK, present), after, now="modified" in present)
    elif state == "file":
        replace = force or present["state"] != "absent"
        if not write_into(folder, name, after["content"], lambda handle: change(handle, after), replace):
            raise Lost
    elif state == "link":
        link_into(folder, name, after["target"])


def bring(path: str, present: Facts, after: Facts, files: t.Dict[str, str]) -> None:
    """Bring a program, then let the link lead to it, then let go of former ones."""
    folder, name = FOLDERS.place_of(path)
    build(folder, after["target"], files)
    link_into(folder, name, after["target"])
    remove_others(folder, name, [os.path.dirname(facts.get("target", "")) for facts in (present, after)])


def give(handle: int, after: Facts, now: bool = False) -> None:
    try:
        change(handle, after)
        if now:
            os.utime(handle)
    finally:
        os.close(handle)


def change(handle: int, after: Facts) -> None:
    os.fchown(handle, after["owner"], after["group"])
    os.fchmod(handle, int(after["mode"], 8))


def difference(path: str, present: Facts, after: Facts, secret: bool) -> Facts:
    """One entry of the diff: the attributes that differ, then the text unless it is secret."""
    sides = {}
    for side, facts, other in (("before", present, after), ("after", after, present)):
        lines = [f"{key}: {facts[key]}\n" for key in facts if key != "content" and facts[key] != other.get(key)]
        # What is removed may be a secret that the task has no text of.
        if after["state"] == "file" and present.get("content") != after["content"] and "content" in facts:
            lines.append(f"{side}: {HIDDEN}" if secret else facts["content"])
        sides[side] = "".join(lines)
    return {"before_header": path, "after_header": path, **sides}


def ensure(module: AnsibleModule, spec: Spec) -> tuple[Facts, Facts | None]:
    """Bring one file into its state; return its result, and its diff where it changed."""
    after = wanted(spec, next(iter(texts_of(module, spec)), None), module.check_mode)
    try:
        return ensure_here(module, spec, after)
    except UnsafePathError as error:
        # Root has no business in what an account has to itself; the account makes its directories there.
        if spec["state"] != "directory" or error.owner is None or error.owner != after["owner"]:
            raise
        return ensure_as(error.owner, module, spec, after)


def ensure_as(owner: int, module: AnsibleModule, spec: Spec, after: Facts) -> tuple[Facts, Facts | None]:
    """Likewise, with the rights of the account."""

    def work() -> t.Iterator[t.Any]:
        global FOLDERS  # noqa: PLW0603 - this is another process
        FOLDERS = Folders(also=owner)
        yield ensure_here(module, spec, after)

    (helper,) = work_as([(getpwuid(owner), work)], PATIENCE)
    if helper.error:
        raise OSError(f"{helper.error}, as {getpwuid(owner).pw_name}, who has the directory that it is in")
    result, diff = helper.items[0]
    return result, diff


def ensure_here(module: AnsibleModule, spec: Spec, after: Facts) -> tuple[Facts, Facts | None]:
    path, secrets = spec["path"], module.params["secret_contents"]
    present = observe(path, after)
    if present["state"] == after["state"] == "file" and not spec["force"]:
        after = {**after, "content": present["content"]}
    if present["state"] == "other" or (present["state"] == "directory" and after["state"] != "directory"):
        raise ValueError(f"is a {present['state']} where a {after['state']} is wanted; remove it first")
    if spec["state"] == "program" and present == after:
        folder, _name = FOLDERS.place_of(path)
        if not is_whole(folder, present["target"], spec["files"]):
            present = {**present, "state": "link to a version that somebody has changed"}
    changed = present != after
    if changed and not module.check_mode and spec["state"] == "program":
        bring(path, present, after, spec["files"])
    elif changed and not module.check_mode:
        try:
            apply(path, present, after, spec["force"])
        except Lost:
            return ensure_here(module, spec, after)
    result = {"path": path, "changed": changed, "mtime": time_of(path, present, after, module.check_mode)}
    return result, difference(path, present, after, path in secrets) if changed else None


def time_of(path: str, present: Facts, after: Facts, check_mode: bool) -> float | None:
    """When the text or the link last changed, or would have."""
    if after["state"] not in ("file", "link"):
        return None
    said = [(facts.get("content"), facts.get("target")) for facts in (present, after)]
    if check_mode and (said[0] != said[1] or "modified" in present):
        return time.time()
    folder, name = FOLDERS.place_of(path)
    return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "state": {
                        "type": "str",
                        "choices": ["file", "directory", "link", "program", "absent"],
                        "default": "file",
                    },
                    "content": {"type": "str"},
                    "files": {"type": "dict"},
                    "target": {"type": "path"},
                    "force": {"type": "bool", "default": True},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": "root"},
                    "mode": {"type": "str", "default": "0644"},
                },
                "required_if": [("state", "link", ("target",)), ("state", "program", ("files",))],
            },
            "contents": {"type": "dict", "default": {}},
            "secret_contents": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    results: list[Facts] = []
    diffs: list[Facts] = []
    for spec in module.params["files"]:
        if spec["state"] == "file" and len(texts_of(module, spec)) != 1:
            module.fail_json(msg=f"{spec['path']}: give its text in one of content, contents and secret_contents")
        try:
            result, diff = ensure(module, spec)
        except (OSError, KeyError, ValueError) as error:
            module.fail_json(msg=f"{spec['path']}: {error}", files=results)
        results.append(result)
        if diff:
            diffs.append(diff)
    module.exit_json(changed=bool(diffs), diff=diffs, files=results)


if __name__ == "__main__":
    main()
