# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: goes_with_the_run
short_description: Whether a file on the controller is lost when the run ends
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - An execution environment is a container that is thrown away with all that is in none of its volumes. A job of AWX
    also loses C(/runner).
options:
  _input:
    description: The whole path of a file, which need not exist.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse a file that does not last
  ansible.builtin.assert:
    that: not (dest | mlops.mlflow.goes_with_the_run)
"""

RETURN = r"""
_value:
  description: Whether it is lost.
  type: bool
"""

import os
import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.lasting import goes_with_the_run


def answer(path: str) -> bool:
    """For the environment of the run."""
    return goes_with_the_run(path, os.environ)


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"goes_with_the_run": answer}
