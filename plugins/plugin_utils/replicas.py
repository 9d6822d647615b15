# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A team on several hosts: which of them leads it, and what it needs for all of them to be one team.

This is the one place where it is decided who leads. Roles and programs are told: C(leads) of a team on its host.
"""

from __future__ import annotations

import typing as t

from .sharing import ENDPOINT, LOOPBACK, is_every_hosts_own
from .storage import is_local

Team = t.Dict[str, t.Any]
Problems = t.Iterator[str]

POSTGRESQL = "postgresql"
# What PostgreSQL keeps of what a server calls itself.
NAME_AT_POSTGRESQL = 63


def replicas_of(team: Team) -> list[str]:
    """The hosts that serve the team together; none where one alone does, or each has a team of its own."""
    named = list(dict.fromkeys(team["servers"]))
    return named if len(named) > 1 else []


def roles_of(team: Team, host: t.Any) -> Team:
    """C(replicas), C(leader), which is empty without any, and whether this host C(leads): all that happens once."""
    replicas = replicas_of(team)
    leader = (team["leader"] or replicas[0]) if replicas else ""
    return {"replicas": replicas, "leader": leader, "leads": not leader or leader == host}


def replica_problems(team: Team) -> Problems:
    """Why the hosts that it names cannot be one team's; before anything of it is touched."""
    servers = ", ".join(team["servers"])
    if team["leader"] and team["leader"] not in team["servers"]:
        among = f"is none of the team's servers ({servers}); name one of them" if servers else "needs servers beside it"
        yield f"leader: '{team['leader']}' {among}, or leave it out, and the first of servers leads"
    replicas = replicas_of(team)
    if not replicas or team["state"] == "absent":
        return
    hosts = " and ".join([", ".join(replicas[:-1]), replicas[-1]])
    yield from _name_problems(team, replicas)
    for option in ("backend_store_uri", "auth_database_uri"):
        if option == "backend_store_uri" or team[option] != team["backend_store_uri"]:
            yield from _database_problems(option, team[option], hosts)
    yield from _artifact_problems(team, hosts)
    if team["jobs"]:
        yield f"servers: jobs wait in a queue of the host that took them, and {hosts} would each have one; {ONE}"


ONE = "name one host in servers"


def _name_problems(team: Team, replicas: list[str]) -> Problems:
    """Hosts that PostgreSQL could not tell apart: it is how one of them sees that another is still at work."""
    known: dict[str, str] = {}
    for host in replicas:
        if not (host.isascii() and host.isprintable()):
            yield f"servers: '{host}' has letters that PostgreSQL keeps no name with; call the host by another one"
        first = known.setdefault(f"mlflow@{team['name']}@{host}"[:NAME_AT_POSTGRESQL], host)
        if first != host:
            yield (
                f"servers: '{first}' and '{host}' begin alike for so long that they have one name to PostgreSQL, which "
                f"keeps {NAME_AT_POSTGRESQL} letters with mlflow@{team['name']}@ before; give one a shorter name"
            )


def _database_problems(option: str, uri: str, hosts: str) -> Problems:
    cure = f"give the team a database in PostgreSQL that all of them reach, or {ONE}"
    if is_local(uri):
        yield f"{option}: {hosts} (servers) would each have an SQLite of their own; {cure}"
    elif not uri.startswith(POSTGRESQL):
        yield f"{option}: {hosts} (servers) can share a database in PostgreSQL alone; {cure}"
    elif is_every_hosts_own(uri):
        yield f"{option}: {hosts} (servers) would each mean a database of their own by its address; {cure}"


def _artifact_problems(team: Team, hosts: str) -> Problems:
    artifacts = team["artifacts"]
    place = "destination" if artifacts["serve"] else "root"
    cure = f"name an object store that all of them reach, such as s3://bucket/{team['name']}, or {ONE}"
    endpoint = str(team["environment"].get(ENDPOINT) or "")
    if is_local(artifacts[place]):
        yield f"artifacts: {place}: {hosts} (servers) would each keep artifacts on a disk of their own; {cure}"
    elif LOOPBACK.match(endpoint):
        yield f"environment: {ENDPOINT}: {hosts} (servers) would each mean a store of their own by it; {cure}"
