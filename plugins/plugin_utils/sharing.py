# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What two teams, or two servers of one team, would share without knowing it."""

from __future__ import annotations

import ipaddress
import re
import typing as t
from urllib.parse import parse_qs

from .storage import is_local
from .stores import DATABASE, said, without_password

Team = t.Dict[str, t.Any]
Problems = t.Iterator[str]

PORTS = {"postgresql": "5432", "mysql": "3306", "mssql": "1433"}
# Where one name of a bucket is another bucket.
ENDPOINT = "MLFLOW_S3_ENDPOINT_URL"
LOOPBACK = re.compile(r"https?://(localhost|127\.[0-9.]+|\[::1\])(:|/|$)")


def shared_problems(team: Team, other: Team, together: bool) -> Problems:
    """Databases and stores elsewhere that two teams would both write to; C(together) are those of one host."""
    if "absent" in (team["state"], other["state"]):
        return
    both = f"mlflow_teams: '{other['name']}' and '{team['name']}' both want"
    mine, theirs = _databases(team, together), _databases(other, together)
    for kind, host, port, name, _query in sorted(mine & theirs):
        where = f" on {host or 'this host'}:{port}" if port else ""
        what = f"the database {name or 'of no name'} ({kind}{where})"
        yield f"{both} {what} for themselves; give each team one of its own"
    found = {max(a, b) for a in _places(team, together) for b in _places(other, together) if _overlap(a, b)}
    for place, _endpoint in sorted(found):
        yield f"{both} {without_password(place)} for themselves; give each team a path that is not below the other's"


def twice_problems(team: Team) -> Problems:
    """One database elsewhere in two spellings: it would be copied twice, and put back over itself."""
    uris = [team["backend_store_uri"], team["auth_database_uri"]]
    if uris[0] != uris[1] and not any(map(is_local, uris)) and len(_databases(team, together=True)) == 1:
        yield "auth_database_uri: is the database of backend_store_uri in another spelling; leave it out"


def replica_problem(team: Team, hosts: t.Sequence[str]) -> str | None:
    """Why these hosts, which the team does not name, cannot all run it: nobody of them would know of the others."""
    if len(hosts) < 2 or team["servers"] or team["state"] == "absent":
        return None
    shared = _shared_options(team)
    if not shared:
        return None
    names = " and ".join([", ".join(hosts[:-1]), hosts[-1]])
    return (
        f"mlflow_teams: {team['name']}: servers: is empty, which means {names}, which would share "
        f"{' and '.join(shared)} without knowing of each other; name the hosts in servers, the one first that leads"
    )


def _shared_options(team: Team) -> list[str]:
    found = [name for name in ("backend_store_uri", "auth_database_uri") if not is_local(team[name])]
    if team["auth_database_uri"] == team["backend_store_uri"]:
        found = found[:1]
    artifacts = team["artifacts"]
    place = "destination" if artifacts["serve"] else "root"
    return found + ([f"artifacts: {place}"] if not is_local(artifacts[place]) else [])


def is_every_hosts_own(uri: str) -> bool:
    """Whether each host means another database by a URI."""
    database = DATABASE.fullmatch(uri)
    return database is not None and _is_here(_host_of(database))


def _host_of(database: t.Any) -> str:
    return said(database, "host", "host").strip("[]").lower()


def _databases(team: Team, together: bool) -> set[tuple[str, str, str, str, str]]:
    found = set()
    for uri in (team["backend_store_uri"], team["auth_database_uri"]):
        database = None if is_local(uri) else DATABASE.fullmatch(uri)
        if database is None:
            continue
        query = parse_qs(database["query"] or "")
        host = _host_of(database)
        if not together and _is_here(host):
            continue
        # A schema of its own is as good as a database of its own.
        schema = "".join(query.get("options", []))
        kind = database["kind"]
        port = said(database, "port", "port") or PORTS.get(kind, "")
        name = said(database, "database", "dbname")
        found.add((kind, "" if _is_here(host) else host, port, name, schema))
    return found


def _places(team: Team, together: bool) -> set[tuple[str, str]]:
    artifacts = team["artifacts"]
    endpoint = str(team["environment"].get(ENDPOINT) or "").rstrip("/")
    uris = [artifacts["destination"], artifacts["root"], *(each["artifact_location"] for each in team["experiments"])]
    if not together and LOOPBACK.match(endpoint):
        return set()
    return {
        (uri.rstrip("/"), endpoint) for uri in uris if not is_local(uri) and not uri.startswith("mlflow-artifacts:")
    }


def _overlap(first: tuple[str, str], second: tuple[str, str]) -> bool:
    (mine, endpoint), (theirs, other) = first, second
    return endpoint == other and (f"{mine}/".startswith(f"{theirs}/") or f"{theirs}/".startswith(f"{mine}/"))


def _is_here(host: str) -> bool:
    """Whether every host means itself by it; also the directory of a socket."""
    try:
        return not host or host == "localhost" or host.startswith("/") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
