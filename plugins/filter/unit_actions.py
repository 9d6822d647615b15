# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: unit_actions
short_description: Which teams' units need to be started, restarted or stopped
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Compares the teams with what systemd says of their units, for all teams of a host at once.
  - A unit is restarted when its configuration is newer than its start, so a run that was cut off
    between writing and restarting is made good by the next one.
options:
  _input:
    description: The teams, as R(the teams lookup,ansible_collections.mlops.mlflow.teams_lookup) returns them.
    type: list
    elements: dict
    required: true
  units:
    description: What C(systemctl show --timestamp=unix) printed of the units.
    type: str
    required: true
  files:
    description:
      - What M(mlops.mlflow.files) returned of the units and the teams' settings.
    type: list
    elements: dict
    required: true
  config_dir:
    description: Where the teams' settings stand, each in a directory of its name.
    type: path
    required: true
  unit_dir:
    description: Where the units stand.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Show what is to be done
  ansible.builtin.debug:
    msg: >-
      {{ query('mlops.mlflow.teams')
         | mlops.mlflow.unit_actions(shown.stdout, written.files, '/etc/mlflow', '/etc/systemd/system') }}
"""

RETURN = r"""
_value:
  description: The units that need an action, the teams in the order given, a team's socket before its server.
  type: list
  elements: dict
  contains:
    unit:
      description: Name of the unit.
      type: str
    action:
      description: V(started), V(restarted) or V(stopped), as M(ansible.builtin.systemd_service) takes it.
      type: str
"""

import typing as t

Unit = t.Dict[str, str]

UNREAD = ("/admin_password", "/bootstrap.env")


def parse_units(text: str) -> dict[str, Unit]:
    """The properties of each unit by its name, from blocks of C(Key=value) lines."""
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.split("\n\n")]
    return {block["Id"]: block for block in blocks if "Id" in block}


def action_for(state: str, unit: Unit, changed_at: float) -> str | None:
    """What brings one unit into its wanted state; None where it is there."""
    running = unit.get("ActiveState") in ("active", "reloading")
    enabled = unit.get("UnitFileState") == "enabled"
    if state == "stopped":
        return "stopped" if enabled or unit.get("ActiveState") not in ("inactive", "failed", None) else None
    if not running:
        return "started" if unit.get("ActiveState") in ("inactive", None) else "restarted"
    # systemd gives whole seconds, so a file of the same second counts as older.
    started_at = int(unit.get("InactiveExitTimestamp", "@0").lstrip("@") or 0)
    if int(changed_at) > started_at:
        return "restarted"
    return None if enabled else "started"


def changed_at(files: list[dict[str, t.Any]], *prefixes: str) -> float:
    """When any of the files that begin with one of these paths last changed."""
    return max((file["mtime"] for file in files if file["mtime"] and file["path"].startswith(prefixes)), default=0)


def unit_actions(
    teams: list[dict[str, t.Any]], units: str, files: list[dict[str, t.Any]], config_dir: str, unit_dir: str
) -> list[dict[str, str]]:
    known = parse_units(units)
    # The server only reads these at its very first start.
    read = [file for file in files if not file["path"].endswith(UNREAD)]
    actions = []
    for team in teams:
        name = team["name"]
        configured = {
            f"mlflow-listen@{name}.socket": changed_at(
                read, f"{unit_dir}/mlflow-listen@.", f"{unit_dir}/mlflow-listen@{name}."
            ),
            f"mlflow@{name}.service": changed_at(
                read, f"{unit_dir}/mlflow@.", f"{unit_dir}/mlflow@{name}.", f"{config_dir}/{name}/"
            ),
        }
        for unit, changed in configured.items():
            action = action_for(team["state"], known.get(unit, {}), changed)
            if action:
                actions.append({"unit": unit, "action": action})
    return actions


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"unit_actions": unit_actions}
