# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: inventory_templates
short_description: Lines of an exported inventory that look like templates
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Finds what could be taken for a template in all of the text, but for the admin's password that was put there.
options:
  _input:
    description: The text.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show it
  ansible.builtin.debug:
    msg: "{{ text | mlops.mlflow.inventory_templates }}"
"""

RETURN = r"""
_value:
  description: The lines, as they may be shown.
  type: list
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.written import inventory_templates


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"inventory_templates": inventory_templates}
