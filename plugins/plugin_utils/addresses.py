# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that a server listens on, is asked under, and lets pages use."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from .clients import is_address
from .names import quoted

Team = t.Dict[str, t.Any]
Problems = t.Iterator[str]

# What a Host header can be; MLflow takes * for anything, and with it also ? and [ for patterns.
HOST = re.compile(r"[A-Za-z0-9.*?_!-]+(:[0-9*]+)?|[\[\]0-9A-Fa-f:.*?!]+", re.ASCII)
ORIGIN = re.compile(r"https?://(?P<host>[A-Za-z0-9._*-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]+|\*))?", re.ASCII)
# Ports that no origin names.
LEFT_OUT = (("http", "80"), ("https", "443"))

# Who is asked under an address, and not under a name, was led there by no page of somebody else's: browsers take what
# ends in a number, or begins with a bracket, for an address or for nothing. MLflow matches with fnmatch, to which a
# bracket begins a set, where there is a * and compares where there is none.
ANY_IPV4 = ("*.[0-9]", "*.[0-9][0-9]", "*.[0-9][0-9][0-9]")
ANY_IPV6 = "[[]*"
LOCAL = ("localhost", "127.0.0.1", "::1")


def answered_hosts(team: Team, names: t.Iterable[str]) -> list[str]:
    """The Host headers that the team's server answers, in MLflow's words.

    Those of what it listens on, of C(names), which are what others call its host, and of C(allowed_hosts), each with
    and without a port; a name does not cover its port.
    """
    address = ipaddress.ip_address(team["listen_address"])
    found = [*LOCAL, *([] if address.is_unspecified else [str(address)])]
    found += [team["own_address"]] if team["own_address"] else []
    found += [name.lower() for name in names if is_address(name) or HOST.fullmatch(name)]
    found += [host.lower() for host in team["allowed_hosts"]]
    patterns = [pattern for host in found for pattern in _patterns(host)]
    if address.is_unspecified:
        patterns += [f"{pattern}:{team['port']}" for pattern in ANY_IPV4]
    if address.is_unspecified or address.version == 6:
        patterns.append(ANY_IPV6)
    return list(dict.fromkeys(patterns))


def _patterns(host: str) -> list[str]:
    """A host as MLflow compares it, also with any port where it has none."""
    if is_address(host) and ":" in host:
        host = f"[{host}]"
    name, colon, port = host.rpartition(":") if re.search(r":[0-9*]+$", host) else (host, "", "")
    # Only an address stands in brackets from its beginning to its end; other brackets are meant as sets.
    meant = f"[[]{name[1:]}" if re.fullmatch(r"\[[0-9A-Fa-f:.*]*\]", name) else name
    if colon:
        return [(meant if "*" in host else name) + colon + port]
    return [meant if "*" in name else name, f"{meant}:*"]


def address_problems(team: Team) -> Problems:
    """Words that no client or browser says, or that the server could not listen on."""
    if problem := _listening_problem(team["listen_address"]):
        yield f"listen_address: {problem}"
    for host in team["allowed_hosts"]:
        if problem := _host_problem(host):
            yield f"allowed_hosts: {quoted(host)} {problem}"
    for origin in team["cors_allowed_origins"]:
        if problem := _origin_problem(origin):
            yield f"cors_allowed_origins: {quoted(origin)} {problem}"


def _listening_problem(address: str) -> str | None:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return f"{quoted(address)} is not a valid IP address"
    if found.version == 6 and found.ipv4_mapped:
        return f"{quoted(address)} is an IPv4 address, which nobody asks for in this way; write {found.ipv4_mapped}"
    beyond = found.is_link_local if found.version == 6 else found.is_reserved
    if "%" in address or found.is_multicast or beyond:
        return f"{quoted(address)} is not an address that a server can listen on"
    return None


def _host_problem(host: str) -> str | None:
    if "://" in host or "/" in host:
        return "is an address with more than a host in it; give what a Host header holds, such as mlflow.example.org"
    if "," in host:
        return "has a comma; give each host as an item of its own"
    if not HOST.fullmatch(host):
        return "is not valid in a Host header; give a name or address, with its port where that is not 443 or 80"
    return None


def _origin_problem(origin: str) -> str | None:
    found = ORIGIN.fullmatch(origin)
    if found and origin != origin.lower():
        return f"has capitals, which no browser sends; write {origin.lower()}"
    if found and (origin.partition(":")[0], found["port"]) in LEFT_OUT:
        return f"has the port that browsers leave out; write {origin.rpartition(':')[0]}"
    if origin == "*" or (found and _is_port(found["port"])):
        return None
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", origin):
        return "has no scheme; give the whole origin, such as https://mlflow.example.org"
    if not re.match(r"https?://", origin):
        return "is not a valid origin of a page on the web; begin it with https:// or http://"
    if re.fullmatch(ORIGIN.pattern + r"/[^,\s]*", origin, re.ASCII):
        return "has a path, which no origin has; end it with the host or the port, without a slash"
    return "is not a valid origin; give scheme, host and port alone, such as https://mlflow.example.org"


def _is_port(port: str | None) -> bool:
    return port in (None, "*") or 0 < int(port or 0) < 65536
