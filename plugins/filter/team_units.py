# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: team_units
short_description: The state in which the units of each team are to be
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Tells M(mlops.mlflow.units) of each team's socket, server and timers in what state they are to be, and when their
    configuration last changed.
options:
  _input:
    description: The teams, as R(the teams lookup,ansible_collections.mlops.mlflow.teams_lookup) returns them.
    type: list
    elements: dict
    required: true
  files:
    description: What M(mlops.mlflow.files) returned of the units and the teams' settings.
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
  new:
    description: Names of the teams whose server is about to be asked for the first time, and so is to stay up.
    type: list
    elements: str
    default: []
  drained:
    description: Names of the teams that others serve meanwhile, and that are neither to run here nor to listen.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Start, stop and enable the units
  mlops.mlflow.units:
    units: >-
      {{ query('mlops.mlflow.teams') | mlops.mlflow.team_units(written.files, '/etc/mlflow', '/etc/systemd/system') }}
"""

RETURN = r"""
_value:
  description: The units, as O(mlops.mlflow.units#module:units) takes them.
  type: list
  elements: dict
"""

import typing as t

SLICE = "mlflow.slice"
UNREAD = (
    *("/admin_password", "/bootstrap.env", "/access_receipt.json", "/kept_secrets.json", "/team.json"),
    # Read anew each time.
    "/creators.json",
)


def newest(files: list[dict[str, t.Any]], config_dir: str, unit_dir: str) -> dict[str, float]:
    """When anything below a team's directory, or of a unit, last changed; by the directory or the unit's name."""
    found: dict[str, float] = {}
    for file in files:
        path = file["path"]
        if path.startswith(f"{unit_dir}/"):
            key = path[len(unit_dir) + 1 :].partition(".d/")[0]
        elif path.startswith(f"{config_dir}/"):
            key = path[len(config_dir) + 1 :].partition("/")[0]
        else:
            continue
        # No server that runs has old ones of these in mind.
        if file["mtime"] and not path.endswith(UNREAD):
            found[key] = max(found.get(key, 0), file["mtime"])
    return found


def team_units(
    teams: list[dict[str, t.Any]],
    files: list[dict[str, t.Any]],
    config_dir: str,
    unit_dir: str,
    new: t.Sequence[str] = (),
    drained: t.Sequence[str] = (),
) -> list[dict[str, t.Any]]:
    changed = newest(files, config_dir, unit_dir)

    def changed_at(*keys: str) -> float:
        return max(changed.get(key, 0) for key in keys)

    # Never restarted, since that would stop all servers: what changes in it holds for those that run.
    units: list[dict[str, t.Any]] = (
        [{"name": SLICE, "state": "started", "enabled": False, "changed_at": 0}] if teams else []
    )
    for team in teams:
        name = team["name"]
        socket, listen = f"mlflow-listen@{name}.socket", f"mlflow-listen@{name}.service"
        server = f"mlflow@{name}.service"
        present = team["state"] == "present" and name not in drained
        wanted = "started" if present else "stopped"
        units.append(
            {
                "name": socket,
                "state": wanted,
                "enabled": present,
                "changed_at": changed_at("mlflow-listen@.socket", socket),
            }
        )
        units.append(
            {
                "name": server,
                "state": "on_demand" if present and team["sleeps"] else wanted,
                "enabled": present and not team["sleeps"],
                "changed_at": changed_at("mlflow@.service", server, "mlflow-listen@.service", listen, name),
                # With somebody to pass connections on to it, it stays up for the first of them.
                "start_with": [listen] if name in new else [],
                # Of a replica that is dead the port is closed until it runs, so that nobody could wake it.
                "tries_on": bool(team["replicas"]),
            }
        )
        timer, gc = f"mlflow-gc@{name}.timer", present and team["leads"] and team["gc_older_than"] != "never"
        units.append(
            {
                "name": timer,
                "state": "started" if gc else "stopped",
                "enabled": gc,
                "changed_at": changed_at("mlflow-gc@.timer"),
            }
        )
    return units


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"team_units": team_units}
