#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: webhook
short_description: Manage a webhook of an MLflow server
version_added: 0.1.0
description:
  - Creates, changes or deletes a webhook, with which MLflow tells another server what was done with models and prompts.
  - Needs MLflow 3.3 or later, and an admin. A server without a network cannot deliver anything; see
    C(private_network) of the lookup plugin P(mlops.mlflow.teams#lookup).
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.action_group
options:
  name:
    description:
      - Name of the webhook, of up to 63 letters, digits, C(.), C(_) and C(-), beginning and ending with a
        letter or a digit.
      - MLflow lets several have the same. Then it is an error.
    type: str
    required: true
  url:
    description:
      - Where MLflow posts to. Needed for a new webhook.
      - MLflow refuses other schemes than C(https), and from 3.17 on addresses that are not public, unless the server's
        environment allows them.
      - Of an address with a path, a query or a log-in, a diff shows only where it leads, since that may be a token. The
        module returns all of it, and MLflow shows it to its admins.
    type: str
  events:
    description: What it is told of. Needed for a new webhook.
    type: list
    elements: str
    choices:
      - registered_model.created
      - model_version.created
      - model_version_tag.set
      - model_version_tag.deleted
      - model_version_alias.created
      - model_version_alias.deleted
      - prompt.created
      - prompt_version.created
      - prompt_tag.set
      - prompt_tag.deleted
      - prompt_version_tag.set
      - prompt_version_tag.deleted
      - prompt_alias.created
      - prompt_alias.deleted
      - budget_policy.exceeded
  description:
    description: What the webhook is for. Left as it is by default. It can be emptied from MLflow 3.17 on.
    type: str
  secret:
    description:
      - What each delivery is signed with. An empty text takes it away, from MLflow 3.17 on.
      - MLflow never tells it, nor whether there is one. It is given to a new webhook, and to one that is there when
        O(secrets_file) does not say that this secret was given to it, and that nothing of the webhook was changed
        since.
      - Without O(secrets_file) that of a webhook which is there is left as it is.
    type: str
  secrets_file:
    description:
      - Path of a file on the target in which the fingerprints of secrets are kept, for root alone; its directory has to
        be there. Several webhooks and secrets of the gateway may have one file.
    type: path
  status:
    description: Whether anything is delivered. A new webhook is V(active) by default, another is left as it is.
    type: str
    choices: [active, disabled]
  state:
    description: V(absent) deletes the webhook.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: The deployment is told of new versions and of what aliases mean
  mlops.mlflow.webhook:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
    name: deployment
    url: https://deploy.example.org/hooks/mlflow
    events: [model_version.created, model_version_alias.created]
    secret: "{{ vault_webhook_secret }}"
    secrets_file: /etc/mlflow/vision/kept_secrets.json
"""

RETURN = r"""
webhook:
  description: The webhook after the run; empty when absent. Never its secret.
  returned: success
  type: dict
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
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._access_arguments import STATE, WEBHOOK
from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._kept import Kept
from ansible_collections.mlops.mlflow.plugins.module_utils._listed import Facts
from ansible_collections.mlops.mlflow.plugins.module_utils._state import Shown, ensure_module
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import Step
from ansible_collections.mlops.mlflow.plugins.module_utils._webhooks import (
    find_webhook,
    has_another_secret,
    shown_webhook,
    veiled_webhook,
    webhook_after,
    webhook_steps,
    webhooks,
)


class Observed(t.NamedTuple):
    """The webhook, and what is noted of secrets."""

    present: t.Optional[Facts]
    kept: Kept


def observe(client: Client, params: dict[str, t.Any]) -> Observed:
    return Observed(find_webhook(webhooks(client), params["name"]), Kept(params["secrets_file"]))


def show(client: Client, params: dict[str, t.Any], observed: Observed) -> Shown:
    shown = shown_webhook(observed.present)
    if shown and has_another_secret(t.cast(Facts, observed.present), params, observed.kept):
        shown["secret"] = "not known to be as declared"
    return shown


def plan(client: Client, params: dict[str, t.Any], observed: Observed) -> tuple[Shown, list[Step]]:
    steps = webhook_steps(client, observed.present, params, observed.kept)
    after = None if params["state"] == "absent" else shown_webhook(webhook_after(observed.present, params))
    return after, steps


def main() -> None:
    ensure_module(
        "webhook",
        {"name": {"type": "str", "required": True}, **WEBHOOK, "secrets_file": {"type": "path"}, "state": STATE},
        observe,
        plan,
        show,
        veil=veiled_webhook,
    )


if __name__ == "__main__":
    main()
