# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: shown
short_description: A text as it may be shown
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Gives a text, or each text in a list or dictionary, on one line, in which all that controls a terminal, ends a
    line, changes the direction or cannot be seen stands as JSON escapes it.
options:
  _input:
    description: The text, or what has texts in it.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show it
  ansible.builtin.debug:
    msg: "{{ 'two\\nlines' | mlops.mlflow.shown }}"
"""

RETURN = r"""
_value:
  description: The same with each text in one line.
  type: raw
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._text import all_shown, shown


def shown_within(value: t.Any) -> t.Any:
    """A text, or texts where they are, as they may be shown."""
    return all_shown(value) if isinstance(value, (dict, list, tuple)) else shown(value)


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"shown": shown_within}
