# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: unmade_keys
short_description: Which teams have no key to their bucket yet
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - A server that began with what P(mlops.mlflow.bucket_key#lookup) says before a key is made would get into no bucket.
options:
  _input:
    description: The teams, as P(mlops.mlflow.teams#lookup) returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show whose keys are to be made
  ansible.builtin.debug:
    msg: "{{ query('mlops.mlflow.teams') | mlops.mlflow.unmade_keys }}"
"""

RETURN = r"""
_value:
  description: What is to be said of each, by its name.
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.bucket_keys import unmade_problems


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"unmade_keys": unmade_problems}
