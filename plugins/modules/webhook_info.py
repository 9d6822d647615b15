#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: webhook_info
short_description: List the webhooks of an MLflow server
version_added: 0.1.0
description: Lists the webhooks of a server, without their secrets. Needs MLflow 3.3 or later, and an admin.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes.info
  - mlops.mlflow.attributes.action_group
options:
  name:
    description: Only webhooks of this name, of which there may be several. The list is empty when there is none.
    type: str
"""

EXAMPLES = r"""
- name: Read all webhooks
  mlops.mlflow.webhook_info:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
  register: result
"""

RETURN = r"""
webhooks:
  description: The webhooks, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the webhook.
      type: str
    url:
      description: Where MLflow posts to.
      type: str
    events:
      description: What it is told of, sorted.
      type: list
      elements: str
    description:
      description: What it is for.
      type: str
    status:
      description: C(active) or C(disabled).
      type: str
    webhook_id:
      description: What MLflow calls it.
      type: str
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._listed import Facts
from ansible_collections.mlops.mlflow.plugins.module_utils._state import info_module
from ansible_collections.mlops.mlflow.plugins.module_utils._webhooks import shown_webhook, webhooks


def read(client: Client, params: dict[str, t.Any]) -> list[Facts]:
    found = [webhook for webhook in webhooks(client) if params["name"] in (None, webhook["name"])]
    return [{**(shown_webhook(webhook) or {}), "webhook_id": webhook["webhook_id"]} for webhook in found]


def main() -> None:
    info_module("webhooks", {"name": {"type": "str"}}, read)


if __name__ == "__main__":
    main()
