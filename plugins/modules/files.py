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
    ever reads half a file or a secret with a wider mode.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.attributes
options:
  files:
    description:
      - The files, in the order in which they are handled. A directory comes before what is in it.
      - The parents of a directory are made where they are missing, owned by root and with mode 0755.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      state:
        description: What is to be at the path. V(absent) removes a file or a link, never a directory.
        type: str
        choices: [file, directory, link, absent]
        default: file
      content:
        description: Text of the file. Exclusive with an entry in O(secret_contents).
        type: str
      target:
        description: Where a link points to.
        type: path
      force:
        description: Whether to replace the text of a file that is there. V(false) keeps it, whatever it is.
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
  secret_contents:
    description:
      - Texts of files by their path, for files with secrets in them.
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
import tempfile
import time
import typing as t
from grp import getgrnam
from pwd import getpwnam
from stat import S_IMODE, S_ISDIR, S_ISLNK, S_ISREG

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._private_files import write_private

HIDDEN = "(content not shown)\n"

Spec = t.Dict[str, t.Any]
Facts = t.Dict[str, t.Any]


def observe(path: str) -> Facts:
    """What is at a path now; the wanted state is described in the same words."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return {"state": "absent"}
    mode = S_IMODE(status.st_mode)
    facts: Facts = {"state": "other", "owner": status.st_uid, "group": status.st_gid, "mode": f"{mode:04o}"}
    if S_ISLNK(status.st_mode):
        return {"state": "link", "target": os.readlink(path)}
    if S_ISDIR(status.st_mode):
        facts["state"] = "directory"
    elif S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            facts.update(state="file", content=file.read().decode("utf-8", "replace"))
    return facts


def wanted(spec: Spec, secrets: dict[str, str], check_mode: bool) -> Facts:
    """The facts that C(observe) is to find."""
    if spec["state"] == "absent":
        return {"state": "absent"}
    if spec["state"] == "link":
        return {"state": "link", "target": spec["target"]}
    facts: Facts = {
        "state": spec["state"],
        "owner": account_id(getpwnam, spec["owner"], check_mode),
        "group": account_id(getgrnam, spec["group"], check_mode),
        "mode": f"{int(spec['mode'], 8):04o}",
    }
    if spec["state"] == "file":
        facts["content"] = str(secrets.get(spec["path"], spec["content"]))
    return facts


def account_id(find: t.Callable[[str], t.Any], name: str, check_mode: bool) -> int | str:
    try:
        return find(name)[2]
    except KeyError:
        # An earlier task would have made the account; its name is as good as its number in a diff.
        if check_mode:
            return name
        raise


def apply(path: str, present: Facts, after: Facts) -> None:
    state = after["state"]
    if present["state"] in ("file", "link") and state in ("absent", "directory"):
        os.unlink(path)
    if state == "directory":
        if present["state"] != "directory":
            make_directory(path)
        os.chown(path, after["owner"], after["group"])
        os.chmod(path, int(after["mode"], 8))
    elif state == "file" and present.get("content") == after["content"]:
        # The same text keeps its time, by which readers know whether it is newer than they are.
        os.chown(path, after["owner"], after["group"])
        os.chmod(path, int(after["mode"], 8))
    elif state in ("file", "link"):
        replace(path, after)


def make_directory(path: str) -> None:
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        make_directory(parent)
        # Whatever the umask: who owns the directory has to get there.
        os.chmod(parent, 0o755)  # noqa: S103 - as others make them
    os.mkdir(path, 0o700)


def replace(path: str, after: Facts) -> None:
    if after["state"] == "link":
        replace_link(path, after["target"])
        return

    def give(descriptor: int) -> None:
        os.fchown(descriptor, after["owner"], after["group"])
        os.fchmod(descriptor, int(after["mode"], 8))

    write_private(path, after["content"], give)


def replace_link(path: str, target: str) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=".", dir=os.path.dirname(path))
    os.close(descriptor)
    try:
        os.unlink(temporary)
        os.symlink(target, temporary)
        os.replace(temporary, path)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise


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
    path, secrets = spec["path"], module.params["secret_contents"]
    present, after = observe(path), wanted(spec, secrets, module.check_mode)
    if present["state"] == after["state"] == "file" and not spec["force"]:
        after["content"] = present["content"]
    if present["state"] == "other" or (present["state"] == "directory" and after["state"] != "directory"):
        module.fail_json(msg=f"{path}: is a {present['state']} where a {after['state']} is wanted; remove it first")
    changed = present != after
    if changed and not module.check_mode:
        apply(path, present, after)
    if after["state"] not in ("file", "link"):
        mtime = None
    elif module.check_mode and (present.get("content"), present.get("target")) != (
        after.get("content"),
        after.get("target"),
    ):
        mtime = time.time()
    else:
        mtime = os.lstat(path).st_mtime
    result = {"path": path, "changed": changed, "mtime": mtime}
    return result, difference(path, present, after, path in secrets) if changed else None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "state": {"type": "str", "choices": ["file", "directory", "link", "absent"], "default": "file"},
                    "content": {"type": "str"},
                    "target": {"type": "path"},
                    "force": {"type": "bool", "default": True},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": "root"},
                    "mode": {"type": "str", "default": "0644"},
                },
                "required_if": [("state", "link", ("target",))],
            },
            "secret_contents": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    results: list[Facts] = []
    diffs: list[Facts] = []
    for spec in module.params["files"]:
        if spec["state"] == "file" and (spec["content"] is None) == (
            spec["path"] not in module.params["secret_contents"]
        ):
            module.fail_json(msg=f"{spec['path']}: give its text in either content or secret_contents")
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
