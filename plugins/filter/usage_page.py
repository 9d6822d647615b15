# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: usage_page
short_description: What teams have and use, as a page
version_added: 0.1.0
author: The mlops.mlflow authors
description:
  - Makes one page of HTML with tables that sort and charts, which needs nothing beside itself.
  - Whatever people have called something is text in it.
options:
  _input:
    description: What the program of the role C(mlflow_monitoring) prints, by host.
    type: dict
    required: true
  now:
    description: The moment that stands on it, in seconds since the epoch.
    type: float
    required: true
"""

EXAMPLES = r"""
- name: Show it
  ansible.builtin.debug:
    msg: "{{ {'host1': {'at': 1795000000, 'teams': {}}} | mlops.mlflow.usage_page(1795000000) }}"
"""

RETURN = r"""
_value:
  description: The page.
  type: str
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.usage import usage_page


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"usage_page": usage_page}
