# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done for the teams of a host: what differs between the declaration and what a look has found."""

from __future__ import annotations

import math
import typing as t

Team = t.Mapping[str, t.Any]


class Seen(t.TypedDict):
    """What M(mlops.mlflow.host_info) says of one team."""

    account: bool
    # none, declared or other
    password: str
    version: str
    # By mlflowctl, for work on the host
    drained: bool
    retired: bool
    leader: str
    key_sums: t.List[str]


class Plan(t.TypedDict):
    """Names of teams, or what there is to say of each by its name."""

    missing_accounts: t.List[str]
    drained: t.List[str]
    kept: t.List[str]
    versions: t.Dict[str, str]
    upgrade: t.List[str]
    steps_up: t.List[str]
    downgrades: t.Dict[str, str]
    returning: t.List[str]
    bootstrap: t.List[str]
    rotate: t.List[str]


def plan(teams: t.Sequence[Team], seen: t.Mapping[str, Seen]) -> Plan:
    """What becomes of the teams that are declared, and are not to be gone."""
    declared = {team["name"]: team["version"] for team in teams}
    drained = [name for name, found in seen.items() if found["drained"]]
    running = [team["name"] for team in teams if team["state"] == "present" and team["name"] not in drained]
    versions = {name: found["version"] for name, found in seen.items() if found["version"]}
    kept = [name for name, found in seen.items() if found["password"] != "none"]
    returning = [name for name in declared if name in seen and seen[name]["retired"]]
    upgrade = [name for name, version in versions.items() if declared.get(name, version) != version]
    return {
        "missing_accounts": [name for name in declared if name not in seen or not seen[name]["account"]],
        "drained": drained,
        "kept": kept,
        "versions": versions,
        "upgrade": upgrade,
        "steps_up": [f"{versions[name]} -> {declared[name]}" for name in upgrade],
        "downgrades": {
            name: f"version: {declared[name]} would be a downgrade from {versions[name]}, and MLflow has none; "
            "put the version back, or restore a backup from before that upgrade"
            for name in upgrade
            if _order(declared[name]) < _order(versions[name])
        },
        "returning": returning,
        # A team without a password has never been started to the end. In check mode, those who are about to have their
        # former one again are none of them.
        "bootstrap": [name for name in running if name not in kept and name not in returning],
        "rotate": [name for name in kept if name in running and seen[name]["password"] == "other"],
    }


def to_leave(elsewhere: t.Sequence[Team], host: str, seen_by_host: t.Mapping[str, t.Mapping[str, Seen]]) -> list[str]:
    """Replicas that a host was and is no longer, of teams that another one serves which has all of their secrets."""
    return [
        team["name"]
        for team in elsewhere
        if team["state"] != "absent"
        and _of(seen_by_host, host, team["name"], "leader")
        and any(_of(seen_by_host, server, team["name"], "password") not in ("", "none") for server in team["servers"])
    ]


def leaderless(followed: t.Sequence[Team], failed_by_host: t.Mapping[str, t.Container[str]]) -> dict[str, str]:
    """The teams that other hosts lead and that cannot go on, since those have not, and why. No word of one is no go."""
    gone = "which leads this team, did not get so far; see what is said of that host"
    return {
        team["name"]: f"leader: {team['leader']}, {gone}"
        for team in followed
        if team["leader"] not in failed_by_host or team["name"] in failed_by_host[team["leader"]]
    }


def drained_leaders(
    teams: t.Sequence[Team], host: str, seen_by_host: t.Mapping[str, t.Mapping[str, Seen]]
) -> dict[str, str]:
    """The teams that are drained where all that happens once would have to happen, with what to do about it."""
    found = {}
    for team in teams:
        leader = team["leader"] or host
        if _of(seen_by_host, leader, team["name"], "drained"):
            found[team["name"]] = (
                f"is drained on {leader}, which {'leads it' if team['leader'] else 'alone serves it'}, so that nothing "
                f"is done with it; run mlflowctl undrain {team['name']} there"
                f"{', or name another leader' if team['leader'] else ''}"
            )
    return found


def _of(seen_by_host: t.Mapping[str, t.Mapping[str, Seen]], host: str, name: str, key: str) -> t.Any:
    """What was seen on a host of a team; nothing where it was not looked at."""
    found: t.Mapping[str, t.Any] = seen_by_host.get(host, {}).get(name, {})
    return found.get(key, "")


def _order(version: str) -> tuple[float, ...]:
    """By which versions are older or newer; a candidate comes before what it is one of."""
    numbers, _rc, candidate = version.partition("rc")
    return (*map(int, numbers.split(".")), int(candidate) if candidate else math.inf)
