# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: all_teams
short_description: The MLflow teams of all hosts, for those that serve none themselves
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Returns what R(the teams lookup,ansible_collections.mlops.mlflow.teams_lookup) returns on each host of a group,
    every team once, with the hosts that run it. Teams that are C(stopped) are among them, those that are C(absent) only
    with O(apart).
  - It reads the inventory alone, so that the hosts need not be reached.
extends_documentation_fragment:
  - mlops.mlflow.resolved
options:
  _terms:
    description: Names of the teams to return. All by default.
    type: list
    elements: str
  group:
    description: The group of hosts that run MLflow.
    type: str
    default: mlflow_servers
  apart:
    description:
      - Whether to return what each host declares on its own, a team once for each of its hosts, and those that are
        C(absent), too. What only keeps a proxy from telling them apart is no fault then.
    type: bool
    default: false
  from_host:
    description:
      - Inventory name of a host that is to reach the servers, such as a proxy. Each team that is C(proxied) then also
        has C(addresses), and one with a server that listens on its own host alone is a fault.
      - Another host is reached by its C(mlflow_server_address), else its C(ansible_host), else its inventory name.
    type: str
"""

EXAMPLES = r"""
- name: Show where people reach each team
  ansible.builtin.debug:
    msg: "{{ query('mlops.mlflow.all_teams') | items2dict(key_name='name', value_name='urls') }}"
"""

RETURN = r"""
_list:
  description: The teams, or the problems.
  type: list
  elements: raw
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.mlops.mlflow.plugins.lookup.teams import LookupModule as Teams
from ansible_collections.mlops.mlflow.plugins.plugin_utils.endpoints import address_for, merge, server_of
from ansible_collections.mlops.mlflow.plugins.plugin_utils.resolved import Declared, packed, unpacked
from ansible_collections.mlops.mlflow.plugins.plugin_utils.servers import GROUP
from ansible_collections.mlops.mlflow.plugins.plugin_utils.sharing import replica_problem


class LookupModule(LookupBase):
    """Asks for the teams of each host in that host's own variables."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[t.Any]:
        def resolve() -> Declared:
            return self.resolve(
                variables or {}, kwargs.get("group"), kwargs.get("from_host"), bool(kwargs.get("apart"))
            )

        if kwargs.get("resolve"):
            return [packed(resolve)]
        found = unpacked(kwargs["resolved"]) if "resolved" in kwargs else resolve()
        teams, problems = found["teams"], found["problems"]
        if kwargs.get("problems"):
            return problems
        if problems:
            raise AnsibleLookupError("\n".join(problems))
        return [team for team in teams if not terms or team["name"] in terms]

    def resolve(
        self, variables: dict[str, t.Any], group: str | None, from_host: str | None, apart: bool = False
    ) -> Declared:
        """Read the variables of each host of a group; each of them once."""
        problems: list[str] = []
        found: list[tuple[dict[str, t.Any], dict[str, t.Any]]] = []
        each: list[dict[str, t.Any]] = []
        for host in variables.get("groups", {}).get(group or GROUP, []):
            theirs = variables["hostvars"][host]
            teams = Teams(loader=self._loader, templar=self._templar)
            teams.sees_other_hosts = False
            # The same declaration on many hosts has the same faults.
            said = teams.resolve(theirs)
            problems += [problem for problem in said["problems"] if problem not in problems]
            address = theirs.get("mlflow_server_address") or theirs.get("ansible_host") or host
            here = [] if said["problems"] else [team for team in said["teams"] if host in (team["servers"] or [host])]
            present = [team for team in here if team["state"] != "absent"]
            found += [(team, server_of(team, host, str(address))) for team in present]
            each += [{**team, "hosts": [server_of(team, host, str(address))]} for team in here]
        merged, impossible = merge(found)
        problems += [] if apart else impossible
        shared = (replica_problem(team, [server["host"] for server in team["hosts"]]) for team in merged)
        problems += [problem for problem in shared if problem]
        if from_host:
            problems += [problem for team in merged for problem in self._reach(team, from_host)]
        return {"teams": each if apart else merged, "problems": problems}

    @staticmethod
    def _reach(team: dict[str, t.Any], from_host: str) -> t.Iterator[str]:
        """Add the addresses; say which server cannot be reached."""
        reached = [(server, address_for(server, from_host)) for server in team["hosts"] if team["proxied"]]
        team["addresses"] = [address for _server, address in reached if address]
        for server, address in reached:
            if address is None:
                yield (
                    f"mlflow_teams: {team['name']}: listen_address: {server['host']} listens on {server['listens_on']} "
                    f"alone, where {from_host} does not get; set mlflow_listen_address to an address of "
                    f"{server['host']} that it does get to, or proxied: false for the team"
                )
