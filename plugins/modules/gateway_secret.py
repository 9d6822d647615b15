#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_secret
short_description: Manage a secret of an MLflow server's gateway
version_added: 0.1.0
description:
  - Creates, replaces or deletes what the gateway of a server shows to a provider of models, such as an API key.
  - Needs MLflow 3.12 or later, with its gateway switched on.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.action_group
options:
  name:
    description: Name of the secret. MLflow cannot change it.
    type: str
    required: true
  values:
    description:
      - The secret itself, such as C(api_key), by the names that MLflow has for the provider's parts. Needed for a new
        one.
      - MLflow never tells it, and a diff shows nothing of it. It is replaced when O(secrets_file) does not say
        that these values were given, and that nothing of the secret was changed since.
      - Without O(secrets_file) it is replaced when what MLflow shows of it differs, the first three and the last four
        characters of each value. Other characters are not compared then.
    type: dict
  provider:
    description: For which provider it is, such as C(openai). MLflow cannot change it.
    type: str
  auth_config:
    description: What belongs to it and is not secret, such as C(api_base). It is shown. Left as it is by default.
    type: dict
  secrets_file:
    description:
      - Path of a file on the target in which the fingerprints of secrets are kept, for root alone; its directory has to
        be there. Several secrets and webhooks may have one file.
    type: path
  state:
    description: V(absent) deletes the secret. Models that use it have none then.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: The gateway's key
  mlops.mlflow.gateway_secret:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
    name: openai
    provider: openai
    values:
      api_key: "{{ vault_openai_key }}"
    secrets_file: /etc/mlflow/vision/kept_secrets.json
"""

RETURN = r"""
gateway_secret:
  description: The secret after the run, as far as MLflow shows it; empty when absent.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the secret.
      type: str
    provider:
      description: For which provider it is; empty where nobody said so.
      type: str
    auth_config:
      description: What is not secret of it.
      type: dict
    masked_values:
      description: What MLflow shows of its values, the first three characters of each and the last four.
      type: dict
      sample: {api_key: sk-...k3Yz}
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._access_arguments import GATEWAY_SECRET, STATE
from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._gateway import (
    SECRET,
    gateway_things,
    has_other_values,
    secret_after,
    secret_facts,
    secret_steps,
    veiled_secret,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._kept import Kept
from ansible_collections.mlops.mlflow.plugins.module_utils._resources import Directory
from ansible_collections.mlops.mlflow.plugins.module_utils._state import Shown, ensure_module
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import Step


class Observed(t.NamedTuple):
    """What the gateway has, and what is noted of secrets."""

    directory: Directory
    kept: Kept


def observe(client: Client, params: dict[str, t.Any]) -> Observed:
    return Observed(Directory(client), Kept(params["secrets_file"]))


def show(client: Client, params: dict[str, t.Any], observed: Observed) -> Shown:
    found = gateway_things(client, observed.directory, SECRET).get(params["name"])
    shown = secret_facts(found) if found else None
    if found and shown and has_other_values(found, params, observed.kept):
        shown["values"] = "not known to be as declared"
    return shown


def plan(client: Client, params: dict[str, t.Any], observed: Observed) -> tuple[Shown, list[Step]]:
    steps = secret_steps(client, observed.directory, params, observed.kept)
    found = gateway_things(client, observed.directory, SECRET).get(params["name"])
    return None if params["state"] == "absent" else secret_after(found, params), steps


def main() -> None:
    ensure_module(
        "gateway_secret",
        {"name": {"type": "str", "required": True}, **GATEWAY_SECRET, "secrets_file": {"type": "path"}, "state": STATE},
        observe,
        plan,
        show,
        veil=veiled_secret,
    )


if __name__ == "__main__":
    main()
