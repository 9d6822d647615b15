# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Under which addresses people reach a team through the proxies, and where the proxies reach its servers."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ..module_utils._text import cut
from .clients import is_address
from .names import quoted

Team = t.Dict[str, t.Any]

LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# The last one is never a number, or it would be an address.
DOMAIN = re.compile(rf"(?=.{{1,200}}$)({LABEL}\.)+(?![0-9]+$){LABEL}")
BY_NAME, BY_PATH = "name", "path"
HTTPS = 443
# Names that only /etc/hosts knows may have underscores.
HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?", re.ASCII)


def door_problems(domain: str, ways: t.Sequence[t.Any], port: t.Any) -> t.Iterator[str]:
    """What is wrong with the variables that the proxies, the servers and the clients share."""
    if domain and not DOMAIN.fullmatch(domain):
        name = quoted(domain)
        yield f"mlflow_proxy_domain: {name} is not a valid host name; use one in lower case, such as mlflow.example.org"
    if not ways or any(way not in (BY_NAME, BY_PATH) for way in ways):
        yield f"mlflow_proxy_routing: {cut(list(ways), 80)} is not a list of '{BY_NAME}', '{BY_PATH}' or both"
    elif len(set(ways)) < len(ways):
        yield f"mlflow_proxy_routing: {list(ways)} has one of them twice; say each once"
    if not port_of(port):
        yield f"mlflow_proxy_https_port: {cut(port, 80)} is not a valid port; give a number from 1 to 65535"


def port_of(value: t.Any) -> int:
    """The port that is said; 0 where it is none."""
    found = int(str(value)) if re.fullmatch("[0-9]{1,5}", str(value)) else 0
    return found if found < 65536 else 0


def address_word_problems(variable: str, addresses: t.Iterable[t.Any], whose: str = "") -> t.Iterator[str]:
    """What others could not reach a host by, and it could not come from: more than a name or an address."""
    for each in addresses:
        if not isinstance(each, str) or not (HOST_NAME.fullmatch(each) or (is_address(each) and "%" not in each)):
            yield (
                f"{variable}: {quoted(str(each))}{whose} is neither a name nor an IP address; "
                "leave out scheme, port, path, brackets and blanks"
            )


def with_endpoints(team: Team, domain: str, ways: t.Sequence[str], port: int) -> Team:
    """The team with its C(urls), the one that is told to people first; and its server takes them for its own."""
    if not domain or not team["proxied"]:
        return {**team, "urls": []}
    suffix = "" if port == HTTPS else f":{port}"
    names = {BY_NAME: f"{team['name']}.{domain}", BY_PATH: domain}
    paths = {BY_NAME: "", BY_PATH: f"/{team['name']}"}
    hosts = [name for way in ways for name in (names[way], f"{names[way]}:*")]
    origins = [f"https://{names[way]}{suffix}" for way in ways]
    return {
        **team,
        "urls": [f"https://{names[way]}{suffix}{paths[way]}" for way in ways],
        "allowed_hosts": _union(team["allowed_hosts"], hosts),
        "cors_allowed_origins": _union(team["cors_allowed_origins"], origins),
    }


def server_of(team: Team, host: str, address: str) -> Team:
    """One of the team's servers: the host, and how others reach it."""
    return {"host": host, "listens_on": team["listen_address"], "address": address, "port": team["port"]}


def address_for(server: Team, from_host: str) -> str | None:
    """Where a host reaches a server; None where it cannot."""
    listens_on, at_home = server["listens_on"], server["host"] == from_host
    address = ipaddress.ip_address(listens_on)
    if address.is_unspecified:
        found = ("::1" if address.version == 6 else "127.0.0.1") if at_home else str(server["address"])
    elif address.is_loopback and not at_home:
        return None
    else:
        found = listens_on
    return f"{f'[{found}]' if ':' in found else found}:{server['port']}"


def merge(teams: t.Iterable[tuple[Team, Team]]) -> tuple[list[Team], list[str]]:
    """Each team once, with all of its servers, and what keeps them from being one team."""
    found: dict[str, Team] = {}
    problems = []
    for team, server in teams:
        first = found.setdefault(team["name"], {**team, "hosts": []})
        first["hosts"].append(server)
        if len(first["hosts"]) == 2 and first["proxied"] and first["sqlite_files"]:
            hosts = " and ".join(each["host"] for each in first["hosts"])
            problems.append(
                f"mlflow_teams: {team['name']}: servers: {hosts} would each have a database of their own, and the "
                "proxy cannot know which one is meant; name one of them"
            )
    return list(found.values()), problems


def _union(first: list[str], second: list[str]) -> list[str]:
    return [*first, *(item for item in second if item not in first)]
