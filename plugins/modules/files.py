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

import typing as t
from pwd import getpwuid

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._as_account import work_as
from ansible_collections.mlops.mlflow.plugins.module_utils._file_states import (
    Facts,
    Files,
    Lost,
    Spec,
    difference,
    wanted,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._folders import Folders, UnsafePathError

# Seconds that an account's process has for one directory.
PATIENCE = 30


def texts_of(module: AnsibleModule, spec: Spec) -> list[str]:
    """The texts that are given for a file: one, where the task is right."""
    given = [spec["content"], *(module.params[option].get(spec["path"]) for option in ("contents", "secret_contents"))]
    return [text for text in given if text is not None]


def ensure(files: Files, module: AnsibleModule, spec: Spec) -> tuple[Facts, Facts | None]:
    """Bring one file into its state; return its result, and its diff where it changed."""
    after = wanted(spec, next(iter(texts_of(module, spec)), None), module.check_mode)
    try:
        return ensure_here(files, module, spec, after)
    except UnsafePathError as error:
        # Root has no business in what an account has to itself; the account makes its directories there.
        if spec["state"] != "directory" or error.owner is None or error.owner != after["owner"]:
            raise
        return ensure_as(error.owner, module, spec, after)


def ensure_as(owner: int, module: AnsibleModule, spec: Spec, after: Facts) -> tuple[Facts, Facts | None]:
    """Likewise, with the rights of the account."""

    def work() -> t.Iterator[t.Any]:
        yield ensure_here(Files(Folders(also=owner)), module, spec, after)

    (helper,) = work_as([(getpwuid(owner), work)], PATIENCE)
    if helper.error:
        raise OSError(f"{helper.error}, as {getpwuid(owner).pw_name}, who has the directory that it is in")
    result, diff = helper.items[0]
    return result, diff


def ensure_here(files: Files, module: AnsibleModule, spec: Spec, after: Facts) -> tuple[Facts, Facts | None]:
    path, secrets = spec["path"], module.params["secret_contents"]
    present = files.observe(path, after)
    if present["state"] == after["state"] == "file" and not spec["force"]:
        after = {**after, "content": present["content"]}
    if present["state"] == "other" or (present["state"] == "directory" and after["state"] != "directory"):
        raise ValueError(f"is a {present['state']} where a {after['state']} is wanted; remove it first")
    if spec["state"] == "program" and present == after and files.has_changed(path, present, spec["files"]):
        present = {**present, "state": "link to a version that somebody has changed"}
    changed = present != after
    if changed and not module.check_mode and spec["state"] == "program":
        files.bring(path, present, after, spec["files"])
    elif changed and not module.check_mode:
        try:
            files.apply(path, present, after, spec["force"])
        except Lost:
            return ensure_here(files, module, spec, after)
    result = {"path": path, "changed": changed, "mtime": files.time_of(path, present, after, module.check_mode)}
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
    files = Files(Folders())
    for spec in module.params["files"]:
        if spec["state"] == "file" and len(texts_of(module, spec)) != 1:
            module.fail_json(msg=f"{spec['path']}: give its text in one of content, contents and secret_contents")
        try:
            result, diff = ensure(files, module, spec)
        except (OSError, KeyError, ValueError) as error:
            module.fail_json(msg=f"{spec['path']}: {error}", files=results)
        results.append(result)
        if diff:
            diffs.append(diff)
    module.exit_json(changed=bool(diffs), diff=diffs, files=results)


if __name__ == "__main__":
    main()
