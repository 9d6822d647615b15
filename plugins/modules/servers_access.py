#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: servers_access
short_description: Manage everybody and what they may do on several MLflow servers, in one call
version_added: 0.1.0
description:
  - Does for each server what M(mlops.mlflow.access) does for one, several of them at the same time, in a single
    remote execution.
  - A server that fails does not keep the others from being managed, nor does it fail the task. It stands in
    RV(failures).
  - In check mode a server that cannot be reached, or does not know its admin, counts as one that is not there yet.
author: The mlops.mlflow authors (@mlops-mlflow)
options:
  state_command:
    description:
      - A command on the target, word by word, that says in what state the servers' databases are, for which it does not
        ask the servers. The role mlflow_server brings one, which is C(mlflowctl access-state).
      - It is told on standard input, as a JSON object by the name of each server with a O(servers[].receipt), what it
        said C(noted) in the former run, and the C(names) of the models and prompts whose versions matter. It prints,
        likewise by name, whether that C(holds), and the C(state) to note from now on.
      - Without it no server has a receipt.
      - Give no receipt to servers of which several processes answer and remember log-ins
        (C(auth_cache_ttl_seconds)). One of them may still take a password that is no longer right, which would then be
        noted as right.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - mlops.mlflow.access.servers
  - mlops.mlflow.connection.several
  - mlops.mlflow.attributes
seealso:
  - module: mlops.mlflow.access
"""

EXAMPLES = r"""
- name: The people of two teams
  mlops.mlflow.servers_access:
    servers:
      - name: vision
        tracking_uri: http://127.0.0.1:5001
        username: admin
        password: "{{ vault_vision_admin }}"
        users:
          - name: alice
            password: "{{ vault_alice }}"
        experiments:
          - name: resnet
            grants: {alice: MANAGE}
        receipt: /etc/mlflow/vision/access_receipt.json
      - name: nlp
        tracking_uri: http://127.0.0.1:5002
        username: admin
        password: "{{ vault_nlp_admin }}"
    state_command: [/usr/local/sbin/mlflowctl, access-state]
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
      description: Whether it was asked. It is not while its receipt holds.
      type: bool
    changes:
      description: A line for each difference, in the order of the run. Never a password.
      type: list
      elements: str
      sample: ["- bob EDIT experiment resnet", "+ alice MANAGE experiment resnet"]
    left:
      description:
        - How many grants of declared users and groups were left alone, by MLflow's words for the kinds of things that
          the declaration does not speak of. Without the MANAGE of whoever made a thing.
      returned: when it was asked
      type: dict
      sample: {"prompt": 3}
    msg:
      description: Why it failed, or in check mode could not be asked.
      returned: when there is something to say
      type: str
    failure:
      description: What the server answered; empty where there was no answer.
      returned: when it failed
      type: dict
    warnings:
      description: What a person should know. They are shown as warnings of the task, too.
      type: list
      elements: str
failures:
  description: Why servers failed, by name.
  returned: success
  type: dict
  sample: {nlp: "GET http://127.0.0.1:5002/version: timed out"}
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._access_arguments import access_spec
from ansible_collections.mlops.mlflow.plugins.module_utils._arguments import client_from
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import RequestRefused, TransportError
from ansible_collections.mlops.mlflow.plugins.module_utils._receipt import Receipt, receipts_of
from ansible_collections.mlops.mlflow.plugins.module_utils._reconcile import reconcile
from ansible_collections.mlops.mlflow.plugins.module_utils._servers import result, several_spec, work_on_servers
from ansible_collections.mlops.mlflow.plugins.module_utils._unlogged import UnloggedModule


def manage(server: dict[str, t.Any], receipt: Receipt, check_mode: bool) -> dict[str, t.Any]:
    """Bring one server into its state, unless its receipt says that it is."""
    if receipt.holds:
        return result(asked=False, warnings=[] if check_mode else kept(receipt.write))
    try:
        done = reconcile(client_from(server, read_only=check_mode), server)
    except (TransportError, RequestRefused) as error:
        if not check_mode or (isinstance(error, RequestRefused) and error.status != 401):
            raise
        return result(changed=True, msg=f"would be managed once its server runs: {error}")
    warnings = list(done.warnings)
    # What was not wholly seen is no reason not to look again.
    if not check_mode and (done.changes or not (warnings or done.refused)):
        warnings += kept(receipt.outdate if done.changes else receipt.write)
    failure = {"msg": done.problem, "failure": done.failure} if done.refused else {}
    return result(done.changes, warnings=warnings, left=done.left, **failure)


def kept(keep: t.Callable[[], None]) -> list[str]:
    """Keep the receipt as it is to be; return what a person should know of it."""
    try:
        keep()
    except OSError as error:
        return [f"receipt: {error}; the server will be asked again"]
    return []


def main() -> None:
    module = UnloggedModule(
        argument_spec={
            **several_spec({**access_spec(), "receipt": {"type": "path"}}),
            "state_command": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    receipts = receipts_of(module.params["servers"], module.params["state_command"])
    work_on_servers(module, lambda server: manage(server, receipts[server["name"]], module.check_mode))


if __name__ == "__main__":
    main()
