# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: memberships
short_description: In which teams the Unix users of a host work
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Finds the teams of each Unix user, and what M(mlops.mlflow.credentials) writes for them.
options:
  _input:
    description: The Unix users, as the role C(mlflow_client) takes them.
    type: list
    elements: dict
    required: true
  teams:
    description: The teams, as R(the all_teams lookup,ansible_collections.mlops.mlflow.all_teams_lookup) returns them.
    type: list
    elements: dict
    required: true
  gone:
    description: Name in MLflow of somebody who is taken for a member of no team.
    type: str
"""

EXAMPLES = r"""
- name: Show who works where
  ansible.builtin.debug:
    msg: "{{ ([{'name': 'alice'}] | mlops.mlflow.memberships(query('mlops.mlflow.all_teams'))).users }}"
"""

RETURN = r"""
_value:
  description:
    - The C(users) and C(passwords) for M(mlops.mlflow.credentials), the C(problems) of what was given, and C(unknown),
      those whose password the inventory does not have.
  type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError

KNOWN = {"name", "mlflow_user", "teams"}


def memberships(
    users: list[dict[str, t.Any]], teams: list[dict[str, t.Any]], gone: str | None = None
) -> dict[str, t.Any]:
    if not isinstance(users, list) or not all(isinstance(user, dict) and user.get("name") for user in users):
        raise AnsibleFilterError("mlflow_client_users: is not a list of users with a name each")
    found: dict[str, t.Any] = {"users": [], "passwords": {}, "problems": [], "unknown": []}
    by_name = {team["name"]: team for team in teams if team["urls"]}
    for user in users:
        unix, name = user["name"], user.get("mlflow_user") or user["name"]
        chosen = user.get("teams")
        for key in sorted(set(user) - KNOWN):
            found["problems"].append(f"mlflow_client_users: {unix}: unknown key: {key}")
        for team in chosen or []:
            if team not in by_name:
                found["problems"].append(
                    f"mlflow_client_users: {unix}: teams: no team '{team}' is reached by a proxy; is it present, "
                    "proxied, and mlflow_proxy_domain in group_vars/all?"
                )
        mine, passwords = [], {}
        for team in chosen if chosen is not None else by_name:
            declared = [member for member in by_name.get(team, {"users": []})["users"] if member["name"] == name]
            if not declared or name == gone:
                continue
            mine.append({"name": team, "tracking_uri": by_name[team]["urls"][0], "username": name})
            if declared[0]["password"]:
                passwords[team] = declared[0]["password"]
            else:
                found["unknown"].append(f"{name} of team {team}")
        found["users"].append({"name": unix, "teams": mine})
        found["passwords"][unix] = passwords
    return found


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"memberships": memberships}
