# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: bucket_accounts
short_description: Which buckets and users teams want of an S3
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Reads them in the stores and keys that teams declare, for the role C(mlflow_bucket).
options:
  _input:
    description: >-
      The teams, as R(the all_teams lookup,ansible_collections.mlops.mlflow.all_teams_lookup) returns them with
      C(apart=true).
    type: list
    elements: dict
    required: true
  server:
    description:
      - The S3. C(endpoint) is what teams call it, C(user_prefix) what the names of users begin with. C(only) and
        C(rotate) are the names of the teams to work on, and of those that are to have another key.
    type: dict
    required: true
  keys:
    description: The keys that are kept for the teams, in their order.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show whose buckets an S3 is to have
  ansible.builtin.debug:
    msg: "{{ (teams | mlops.mlflow.bucket_accounts(server, keys)).accounts | map(attribute='team') }}"
  vars:
    teams: "{{ query('mlops.mlflow.all_teams', apart=true) }}"
    keys: "{{ query('mlops.mlflow.bucket_key', *(teams | map(attribute='name'))) }}"
    server: {endpoint: "https://s3.example.org", user_prefix: mlflow-, only: [], rotate: []}
"""

RETURN = r"""
_value:
  description:
    - The C(accounts), each with its team, user, bucket and path; the same of C(absent) teams; C(own), the names of
      those whose keys are not made here; and the C(problems) that keep them from being made.
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.accounts import asked_for, has_collection
from ansible_collections.mlops.mlflow.plugins.plugin_utils.bucket_keys import ID
from ansible_collections.mlops.mlflow.plugins.plugin_utils.buckets import (
    account_of,
    account_problems,
    asked_problems,
    together_problems,
)

COLLECTION = "amazon.aws"
MISSING = (
    "amazon.aws: the controller lacks this collection, which makes the buckets; run ansible-galaxy collection install "
    "amazon.aws"
)


def bucket_accounts(
    teams: list[dict[str, t.Any]], server: dict[str, t.Any], keys: list[dict[str, str]]
) -> dict[str, t.Any]:
    """Of all teams, those that this S3 is about."""
    present: dict[str, dict[str, t.Any]] = {}
    absent: dict[str, dict[str, t.Any]] = {}
    for team, key in zip(teams, keys):
        account = account_of(team, server, key[ID])
        if account:
            # Replicas say the same.
            found = absent if team["state"] == "absent" else present
            known = found.setdefault(account["team"], account)
            known["hosts"] = sorted({*known["hosts"], *account["hosts"]})
    managed = [account for account in present.values() if not account["own"]]
    own = [account for account in present.values() if account["own"]]
    # A team that has only left one of its hosts is still there.
    gone = [account for name, account in absent.items() if name not in present and not account["own"]]
    problems = [] if has_collection(COLLECTION) else [MISSING]
    problems += asked_problems("mlflow_bucket_only", server["only"], teams, [*present.values(), *gone])
    problems += asked_problems("mlflow_bucket_rotate", server["rotate"], teams, list(present.values()))
    problems += together_problems(managed, own)
    managed, gone = (asked_for(found, server["only"]) for found in (managed, gone))
    problems += [problem for account in managed for problem in account_problems(account)]
    return {
        "accounts": managed,
        "absent": gone,
        "own": [account["team"] for account in own],
        "problems": list(dict.fromkeys(problems)),
    }


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"bucket_accounts": bucket_accounts}
