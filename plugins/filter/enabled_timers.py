# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: enabled_timers
short_description: Timers of systemd that are to run
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Tells M(mlops.mlflow.units) to enable and start timers, and when their files last changed.
options:
  _input:
    description: Names of the timers. The file of an instance, such as C(example@one.timer), is its template's.
    type: list
    elements: str
    required: true
  files:
    description: What M(mlops.mlflow.files) returned of the units.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Enable and start the timers
  mlops.mlflow.units:
    units: "{{ ['example.timer', 'example@one.timer'] | mlops.mlflow.enabled_timers(written.files) }}"
"""

RETURN = r"""
_value:
  description: The units, as O(mlops.mlflow.units#module:units) takes them.
  type: list
  elements: dict
"""

import re
import typing as t
from pathlib import PurePosixPath


def enabled_timers(names: list[str], files: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    changed = {PurePosixPath(file["path"]).name: file["mtime"] for file in files}
    return [{"name": name, "enabled": True, "changed_at": changed[re.sub("@.*[.]", "@.", name)]} for name in names]


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"enabled_timers": enabled_timers}
