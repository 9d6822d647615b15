#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: prompt
short_description: Manage a prompt of an MLflow server
version_added: 0.1.0
description:
  - Creates, describes, tags or deletes a prompt, makes a version of it from a text, and says which version an alias
    means.
  - Versions never change. A O(template) that is not the text of the newest version is a new version, and one that is
    makes none.
  - Up to MLflow 3.12 a prompt is a registered model with a tag, and so it is handled there.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.connection
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.action_group
options:
  name:
    description:
      - Name of the prompt, case-sensitive.
      - MLflow's Python client only takes names of letters, digits, C(_), C(-) and C(.), though the server takes more.
    type: str
    required: true
  description:
    description: What the prompt is for. Left as it is by default.
    type: str
  template:
    description:
      - The text that the newest version is to have. MLflow takes 100000 characters, and 5000 up to MLflow 2.22.
      - Its variables are written as Ansible's are. Read it from a file, as in the example, or mark it C(!unsafe).
      - A version that is a chat has another text than any that can be given here.
    type: str
  commit_message:
    description: What is said of the version that O(template) makes.
    type: str
  tags:
    description: Tags of the prompt to set. Others are left as they are.
    type: dict
  aliases:
    description:
      - Words that are to mean a version, by its number or V(latest), which is the newest one at the end of the run.
      - An alias of V(null) is taken away. Others are left as they are.
    type: dict
  state:
    description: V(absent) deletes the prompt permanently, with all its versions.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: The prompt that the assistant uses
  mlops.mlflow.prompt:
    tracking_uri: http://127.0.0.1:5001
    username: admin
    password: "{{ vault_admin_password }}"
    name: summarize
    template: "{{ lookup('ansible.builtin.file', 'prompts/summarize.txt') }}"
    commit_message: Asks for fewer words
    aliases:
      production: latest
"""

RETURN = r"""
prompt:
  description: The prompt after the run; empty when absent.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the prompt.
      type: str
    description:
      description: What the prompt is for.
      type: str
    tags:
      description: All its tags, but for the one by which MLflow tells prompts from models.
      type: dict
    aliases:
      description: All its aliases, with the number of the version that each means.
      type: dict
      sample: {production: 3}
    version:
      description: Number of the newest version; none where it has none.
      type: int
    template:
      description: Text of the newest version. That of a chat is JSON.
      type: str
failure:
  description: What the server answered.
  returned: failure
  type: dict
"""

import typing as t
from functools import partial

from ansible_collections.mlops.mlflow.plugins.module_utils._access_arguments import PROMPT, STATE
from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._state import Shown, ensure_module
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import Step
from ansible_collections.mlops.mlflow.plugins.module_utils._things import (
    Observed,
    observe_thing,
    show_thing,
    tagged_prompt_steps,
    texts,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._versions import find_prompt, prompt_after


def plan(client: Client, params: dict[str, t.Any], observed: Observed) -> tuple[Shown, list[Step]]:
    steps = tagged_prompt_steps(client, observed.present, params)
    after = None if params["state"] == "absent" else prompt_after(observed.present, params, texts(params["tags"]))
    return after, steps


def main() -> None:
    ensure_module(
        "prompt",
        {"name": {"type": "str", "required": True}, **PROMPT, "state": STATE},
        partial(observe_thing, find_prompt),
        plan,
        show_thing,
    )


if __name__ == "__main__":
    main()
