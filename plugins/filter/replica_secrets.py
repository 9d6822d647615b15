# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: replica_secrets
short_description: Which host of a team gives its secrets to which others
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - All replicas of a team have the keys that its leader has made. Where another one has some and the leader has none,
    those are the team's. Two that differ are refused, since what was encrypted with one is lost with the other.
  - The key of sessions alone may differ for a moment, when a new one was made. The leader's is the team's.
options:
  _input:
    description:
      - The teams with replicas, as R(the teams lookup,ansible_collections.mlops.mlflow.teams_lookup) returns them.
    type: list
    elements: dict
    required: true
  looks:
    description:
      - What M(mlops.mlflow.host_info) returned as C(teams) of each host of the run, by host. Of interest are the sums
        of the keys of encryption and of all keys.
    type: dict
    required: true
  failed:
    description: The teams that failed on each host already, by host.
    type: dict
    required: true
  here:
    description: Inventory name of the host that asks.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show which secrets this host is to be given
  ansible.builtin.debug:
    msg: "{{ (query('mlops.mlflow.teams') | mlops.mlflow.replica_secrets(looks, failed, inventory_hostname)).wants }}"
"""

RETURN = r"""
_value:
  description:
    - C(problems), by team, for which nothing can be done here; C(makes), the teams whose secrets this host makes;
      C(gives), those whose secrets others are to have of it; and C(wants), from which host it is to have them, by team.
  type: dict
"""

import typing as t

Looks = t.Mapping[str, t.Mapping[str, t.Mapping[str, t.Any]]]
# The sums of a host's keys: of those of encryption, and of all.
Sums = t.Tuple[str, ...]


def sums_of(teams: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, Sums]:
    """The sums that a host has said, by team."""
    return {name: tuple(seen["key_sums"]) for name, seen in teams.items() if seen["key_sums"]}


def replica_secrets(
    teams: t.Iterable[dict[str, t.Any]], looks: Looks, failed: t.Mapping[str, t.Mapping[str, t.Any]], here: str
) -> dict[str, t.Any]:
    found = {host: sums_of(teams_there) for host, teams_there in looks.items()}
    result: dict[str, t.Any] = {"problems": {}, "makes": [], "gives": [], "wants": {}}
    for team in teams:
        name, leader = team["name"], team["leader"]
        has = {host: sums[name] for host, sums in found.items() if name in sums}
        replicas = [host for host in team["replicas"] if host in looks]
        problem = _problem(team, has, replicas, failed)
        if problem:
            result["problems"][name] = problem
            continue
        source = next((host for host in [leader, *replicas] if host in has), leader)
        if source == here and here not in has:
            result["makes"].append(name)
        others = [host for host in replicas if has.get(host) != has.get(source) or source not in has]
        if source == here and set(others) - {here}:
            result["gives"].append(name)
        if source != here and here in others:
            result["wants"][name] = source
    return result


def _problem(
    team: dict[str, t.Any],
    has: dict[str, Sums],
    replicas: list[str],
    failed: t.Mapping[str, t.Mapping[str, t.Any]],
) -> str | None:
    name, leader = team["name"], team["leader"]
    if leader not in replicas:
        return (
            f"leader: {leader}, which leads this team, is not in this run, or was not reached; what it does comes "
            "before the others: run it with that host, or name another one in leader"
        )
    if name in failed.get(leader, {}):
        return f"leader: {leader}, which leads this team, goes on without it; see what is said of that host"
    keys: dict[str, str] = {}
    for host in replicas:
        if host in has:
            keys.setdefault(has[host][0], host)
    if len(keys) > 1:
        first, second, *_others = keys.values()
        return (
            f"servers: {first} and {second} have keys of their own, and neither reads what the other has encrypted; "
            f"keep those with which the databases were written, and remove /etc/mlflow/{name}/secrets.env "
            "on the other host"
        )
    return None


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"replica_secrets": replica_secrets}
