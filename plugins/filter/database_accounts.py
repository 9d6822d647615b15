# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: database_accounts
short_description: Which databases and accounts teams want of a PostgreSQL
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Reads them in the URIs that teams declare, for the role C(mlflow_database).
options:
  _input:
    description: >-
      The teams, as R(the all_teams lookup,ansible_collections.mlops.mlflow.all_teams_lookup) returns them with
      C(apart=true).
    type: list
    elements: dict
    required: true
  server:
    description:
      - The PostgreSQL. C(host) is its inventory name, C(addresses) what URIs call it, C(port) its port. C(login_user)
        and C(login_db) are who makes the databases, and where; C(local) is whether that is on the same host. C(only)
        are the names of the teams to work on.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show whose databases a PostgreSQL is to have
  ansible.builtin.debug:
    msg: "{{ (teams | mlops.mlflow.database_accounts(server)).accounts | map(attribute='team') }}"
  vars:
    teams: "{{ query('mlops.mlflow.all_teams', apart=true) }}"
    server:
      host: db1
      addresses: [db.example.org]
      port: 5432
      login_user: postgres
      login_db: postgres
      local: true
      only: []
"""

RETURN = r"""
_value:
  description:
    - The C(accounts), each with its team, role, password and database; C(absent), databases of C(absent) teams;
      and the C(problems) that keep them from being made.
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.accounts import asked_for, has_collection
from ansible_collections.mlops.mlflow.plugins.plugin_utils.postgresql import (
    account_problems,
    accounts_of,
    leads_here,
    only_problems,
    together_problems,
)

COLLECTION = "community.postgresql"
MISSING = (
    "community.postgresql: the controller lacks this collection, which makes the databases; run ansible-galaxy "
    "collection install community.postgresql"
)


def database_accounts(teams: list[dict[str, t.Any]], server: dict[str, t.Any]) -> dict[str, t.Any]:
    """Of all teams, those that this PostgreSQL is about."""
    present: list[dict[str, t.Any]] = []
    absent: list[dict[str, t.Any]] = []
    for team in teams:
        hosts = [each["host"] for each in team["hosts"]]
        here = [account for account in accounts_of(team) if leads_here(account, hosts, server)]
        found = absent if team["state"] == "absent" else present
        # Replicas say the same.
        found += [account for account in here if account not in found]
    problems = [] if has_collection(COLLECTION) else [MISSING]
    problems += only_problems(server["only"], teams, {account["team"] for account in present + absent}, server)
    problems += together_problems(present)
    # What a present team has taken over is that one's.
    taken = {account["database"] for account in present}
    absent = [account for account in absent if account["database"] not in taken]
    present, absent = asked_for(present, server["only"]), asked_for(absent, server["only"])
    problems += [problem for account in present for problem in account_problems(account, server)]
    left = list(dict.fromkeys(account["database"] for account in absent))
    return {"accounts": present, "absent": left, "problems": list(dict.fromkeys(problems))}


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"database_accounts": database_accounts}
