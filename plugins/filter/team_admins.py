# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: team_admins
short_description: The admin of each team's server, and where the host keeps the password
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Tells M(mlops.mlflow.servers_admin) of the servers of teams.
options:
  _input:
    description: The teams, as R(the teams lookup,ansible_collections.mlops.mlflow.teams_lookup) returns them.
    type: list
    elements: dict
    required: true
  config_dir:
    description: Where the teams' settings stand, each in a directory of its name.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Set the admin passwords
  mlops.mlflow.servers_admin:
    servers: "{{ query('mlops.mlflow.teams') | mlops.mlflow.team_admins('/etc/mlflow') }}"
"""

RETURN = r"""
_value:
  description: The servers, as O(mlops.mlflow.servers_admin#module:servers) takes them.
  type: list
  elements: dict
"""

import typing as t


def team_admins(teams: list[dict[str, t.Any]], config_dir: str) -> list[dict[str, t.Any]]:
    return [
        {
            "name": team["name"],
            "tracking_uri": team["tracking_uri"],
            "username": team["admin_username"],
            "password": team["admin_password"],
            "password_file": f"{config_dir}/{team['name']}/admin_password",
            "bootstrap_file": f"{config_dir}/{team['name']}/bootstrap.env",
        }
        for team in teams
    ]


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"team_admins": team_admins}
