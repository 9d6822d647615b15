# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: bucket_plan
short_description: What is to be done at an S3 for teams to have their buckets
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Compares what teams want with what an S3 has, for the role C(mlflow_bucket).
options:
  _input:
    description: What teams want, as P(mlops.mlflow.bucket_accounts#filter) returns it.
    type: dict
    required: true
  buckets:
    description: What C(amazon.aws.s3_bucket_info) returned.
    type: dict
    required: true
  policies:
    description: What C(amazon.aws.iam_policy_info) returned for each user.
    type: list
    elements: dict
    required: true
  keys:
    description: What C(amazon.aws.iam_access_key_info) returned for each user who is there.
    type: list
    elements: dict
    required: true
  rotate:
    description: Names of the teams that are to have another key.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show what would be done
  ansible.builtin.debug:
    msg: "{{ (wanted | mlops.mlflow.bucket_plan(buckets, policies.results, keys.results)).steps }}"
"""

RETURN = r"""
_value:
  description:
    - The C(buckets), C(users), C(policies) and C(new_keys) to make, C(unused) keys in whose place new ones come,
      C(former) keys that servers may have, the C(steps) as lines without secrets, and the C(problems), by line;
      nothing is done for a team that has one.
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.bucket_plan import former_of_absent, plan

Found = t.Dict[str, t.Any]


def bucket_plan(
    wanted: Found,
    buckets: Found,
    policies: t.Sequence[Found],
    keys: t.Sequence[Found],
    rotate: t.Sequence[str] = (),
) -> Found:
    """In the words of the plan."""
    found: Found = {
        "buckets": {bucket["name"] for bucket in buckets["buckets"]},
        "users": {each["item"]: {"policies": _documents(each), "keys": []} for each in policies if "policies" in each},
    }
    for each in keys:
        found["users"][each["item"]]["keys"] = [
            {"id": key["access_key_id"], "active": key["status"] == "Active"} for key in each.get("access_keys") or []
        ]
    done = plan(wanted["accounts"], found, rotate)
    done["former"] += former_of_absent(wanted["absent"], found)
    return done


def _documents(each: Found) -> Found:
    return {policy["policy_name"]: policy["policy_document"] for policy in each["policies"]}


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"bucket_plan": bucket_plan}
