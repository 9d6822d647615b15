# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: python_files
short_description: All Python files below a directory, with their texts
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Reads the Python files of a program that a role brings to its hosts, those of its packages too, so that none has to
    be listed.
options:
  _terms:
    description: Directories on the controller.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: List what a program is made of
  ansible.builtin.debug:
    msg: "{{ query('mlops.mlflow.python_files', role_path ~ '/files/monitoring') | first | sort }}"
"""

RETURN = r"""
_list:
  description: Of each directory the texts, by their paths below it.
  type: list
  elements: dict
"""

import typing as t
from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """Reads whole programs."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[dict[str, str]]:
        return [self._read(Path(term)) for term in terms]

    @staticmethod
    def _read(directory: Path) -> dict[str, str]:
        files = sorted(directory.rglob("*.py"))
        if not files:
            raise AnsibleLookupError(f"{directory}: the controller has no Python files there")
        return {str(file.relative_to(directory)): file.read_text(encoding="utf-8") for file in files}
