# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts would run a team, from what each of them is told."""

from __future__ import annotations

import typing as t

from .variables import TEAM_PREFIX, TEAMS

Team = t.Dict[str, t.Any]
Variables = t.Mapping[str, t.Any]
Fill = t.Callable[[t.Any], t.Any]

GROUP = "mlflow_servers"


def hosts_of(team: Team, variables: Variables, fill: Fill) -> list[str]:
    """The hosts that the team names, or those that declare it as the present one does; C(fill) fills templates in."""
    if team["servers"]:
        return list(dict.fromkeys(team["servers"]))
    candidates, here = _candidates(variables), str(variables.get("inventory_hostname"))
    # What is said to a play is said to all of its hosts, and to none in the inventory.
    if not _declares(here, team["name"], variables, fill):
        return candidates
    return [host for host in candidates if host == here or _declares(host, team["name"], variables, fill)]


def _candidates(variables: Variables) -> list[str]:
    """Those that serve teams: the group with the present host in it, or else all that the play is about."""
    here = variables.get("inventory_hostname")
    for hosts in ((variables.get("groups") or {}).get(GROUP), variables.get("ansible_play_hosts_all")):
        if hosts and here in hosts:
            return list(hosts)
    return [str(here)]


def _declares(host: str, name: str, variables: Variables, fill: Fill) -> bool:
    hostvars = variables.get("hostvars")
    if hostvars is None:
        return True
    # As they stand in the inventory: other hosts' secrets are none of this host's business.
    theirs = hostvars.raw_get(host) if hasattr(hostvars, "raw_get") else hostvars.get(host)
    if not isinstance(theirs, t.Mapping):
        return True
    listed = _found(theirs.get(TEAMS) or [], fill)
    own = [theirs[each] for each in theirs if str(each).startswith(TEAM_PREFIX)]
    declared = [_found(each, fill) for each in [*(listed if isinstance(listed, list) else []), *own]]
    return any(_is_here(each, host, name, fill) for each in declared if isinstance(each, dict))


def _is_here(declared: dict[str, t.Any], host: str, name: str, fill: Fill) -> bool:
    servers = fill(declared.get("servers")) or []
    served = host in (servers if isinstance(servers, list) else str(servers).split(",")) if servers else True
    return served and fill(declared.get("name")) == name and fill(declared.get("state")) != "absent"


def _found(value: t.Any, fill: Fill) -> t.Any:
    return fill(value) if isinstance(value, str) else value
