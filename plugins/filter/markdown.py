# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: markdown
short_description: A text that Markdown shows as it is
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Escapes what Markdown and HTML would take for a mark, a table's bar, a link or a tag, in a text as it may be shown.
options:
  _input:
    description: The text.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show it
  ansible.builtin.debug:
    msg: "{{ 'a | b' | mlops.mlflow.markdown }}"
"""

RETURN = r"""
_value:
  description: The text, for a line or a cell of Markdown.
  type: str
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.written import markdown


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"markdown": markdown}
