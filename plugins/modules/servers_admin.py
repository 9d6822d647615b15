#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: servers_admin
short_description: Give several MLflow servers' admins their passwords, and keep those on the host
version_added: 0.1.0
description:
  - Brings the password of each server's admin to the declared one, and then keeps it in a file for root alone. Only
    who knows the former password can set the next one.
  - A run that was cut off between the two is made good by the next one.
  - A server whose file holds the declared password already is not asked.
  - A server that fails does not keep the others from being managed, nor does it fail the task. It stands in
    RV(failures).
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection.several
  - mlops.mlflow.attributes
attributes:
  check_mode:
    description: Predicts from the files alone, since the server may not be there yet. It is not asked.
    support: full
options:
  servers:
    description: The servers.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the server is called in the result, the diff and messages.
        type: str
        required: true
      tracking_uri:
        description: Address of the server. Redirects are not followed.
        type: str
        required: true
      username:
        description: The admin.
        type: str
        required: true
      password:
        description: The password that the admin is to have, of at least 12 printable ASCII characters.
        type: str
        required: true
      password_file:
        description: Path of the file on the target with the password that works. Its directory has to exist.
        type: path
        required: true
      bootstrap_file:
        description:
          - Path of a file on the target that is removed once the password works.
          - It is what a server makes its first admin from. Without it an empty user store makes no new one.
        type: path
"""

EXAMPLES = r"""
- name: The admin of a team, after its first start and whenever the password is another one
  mlops.mlflow.servers_admin:
    servers:
      - name: vision
        tracking_uri: http://127.0.0.1:5001
        username: admin
        password: "{{ vault_vision_admin }}"
        password_file: /etc/mlflow/vision/admin_password
        bootstrap_file: /etc/mlflow/vision/bootstrap.env
  register: managed
  failed_when: managed is failed or managed.failures | length > 0
"""

RETURN = r"""
servers:
  description: What became of each server, in the order given.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: What it is called.
      type: str
    changed:
      description: Whether anything was changed, or in check mode would be.
      type: bool
    asked:
      description: Whether it was asked.
      type: bool
    changes:
      description: A line for each difference. Never a password.
      type: list
      elements: str
      sample: ["~ user admin password changed", "~ /etc/mlflow/vision/admin_password"]
    msg:
      description: Why it failed.
      returned: when it failed
      type: str
    failure:
      description: What the server answered; empty where there was no answer.
      returned: when it failed
      type: dict
    warnings:
      description: Always empty.
      type: list
      elements: str
failures:
  description: Why servers failed, by name.
  returned: success
  type: dict
"""

import os
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import client_from
from ansible_collections.mlops.mlflow.plugins.module_utils._credentials import password_problem, username_problem
from ansible_collections.mlops.mlflow.plugins.module_utils._dialect import set_password
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest
from ansible_collections.mlops.mlflow.plugins.module_utils._private_files import (
    is_private,
    read_private,
    write_private,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._servers import result, several_spec, work_on_servers
from ansible_collections.mlops.mlflow.plugins.module_utils._unlogged import UnloggedModule


def manage(server: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Let the declared password work on one server, then keep it, then forget what the server began with."""
    name, password, path, bootstrap = (
        server[key] for key in ("username", "password", "password_file", "bootstrap_file")
    )
    refuse_what_cannot_work(name, password)
    former = read_private(path)
    keeps = former == password and is_private(path)
    changes = [] if keeps else [f"{'~' if os.path.lexists(path) else '+'} {path}"]
    if bootstrap and os.path.lexists(bootstrap):
        changes.append(f"- {bootstrap}")
    line = f"~ user {name} password changed"
    if check_mode:
        return result([line] * (former not in (None, password)) + changes, asked=False)
    if not changes:
        return result(asked=False)
    if let_in(server, former):
        changes.insert(0, line)
    if not keeps:
        write_private(path, password)
    if changes[-1] == f"- {bootstrap}":
        os.unlink(bootstrap)
    return result(changes)


def let_in(server: dict[str, t.Any], former: str | None) -> bool:
    """Whether the password had to be changed for it to work."""
    name, password = server["username"], server["password"]
    # A run that was cut off may have changed it already.
    if client_from(server, read_only=True).login_works(name, password):
        return False
    # Somebody may have written the file with an editor, which ends it with a newline.
    former = (former or "").rstrip("\r\n")
    other = former not in ("", password)
    client = client_from({**server, "password": former}, read_only=False)
    if not (other and client.login_works(name, former)):
        raise InvalidRequest(
            f"password: the server does not accept the credentials of user '{name}'"
            + (f", nor with the password kept in {server['password_file']}. " if other else ". ")
            + "If its database had users before, give the password that works there; it can be changed in a later run. "
            + "If somebody else has changed it, mlops.mlflow.readmit_admin lets this one in by the database.",
            status=401,
        )
    set_password(client, name, password)
    return True


def refuse_what_cannot_work(name: str, password: str) -> None:
    problem = username_problem(name)
    if problem:
        raise InvalidRequest(f"username: {problem}")
    problem = password_problem(password)
    if problem:
        raise InvalidRequest(f"password: {problem}")


def main() -> None:
    options = {"password_file": {"type": "path", "required": True}, "bootstrap_file": {"type": "path"}}
    module = UnloggedModule(argument_spec=several_spec(options), supports_check_mode=True)
    work_on_servers(module, lambda server: manage(server, module.check_mode))


if __name__ == "__main__":
    main()
