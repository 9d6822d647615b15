# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From where a team's port takes connections: who comes past the proxies gets past what they refuse and slow."""

from __future__ import annotations

import ipaddress
import typing as t

Team = t.Dict[str, t.Any]
Variables = t.Mapping[str, t.Any]

# systemd's word for the addresses of the loopback interface.
LOCALHOST = "localhost"


def client_problems(team: Team) -> t.Iterator[str]:
    """Words that systemd would not take for a network."""
    for network in team["direct_clients"]:
        if not is_network(network):
            hint = "use one like 10.0.0.7 or 10.1.0.0/16"
            yield f"direct_clients: '{network}' is not a valid IP address or network; {hint}"


def clients_of(team: Team, proxies: t.Mapping[str, Variables], host: Variables) -> Team:
    """C(clients), to whom alone a port is open; none of them where it is open to all, with C(unknown_proxies).

    C(proxies) and C(host) are the variables of the proxies and of the team's own host. What Ansible calls a proxy is
    only where it comes from when servers are reached by what Ansible calls them, too.
    """
    address = ipaddress.ip_address(team["listen_address"])
    if address.is_loopback:
        return {"clients": [], "unknown_proxies": []}
    called = str(host.get("ansible_host") or "")
    known_as = str(host.get("mlflow_server_address") or called)
    reached_at = known_as if address.is_unspecified else str(address)
    found = {name: _addresses(theirs, reached_at == called) for name, theirs in proxies.items()} if team["urls"] else {}
    unknown = sorted(name for name, addresses in found.items() if not addresses)
    if unknown or not (found or team["direct_clients"]):
        return {"clients": [], "unknown_proxies": unknown}
    own = [LOCALHOST, *(each for each in (str(address), known_as, called) if is_address(each))]
    come_from = [each for addresses in found.values() for each in addresses]
    clients = dict.fromkeys([*own, *come_from, *team["direct_clients"]])
    return {"clients": [each for each in clients if each not in ("0.0.0.0", "::")], "unknown_proxies": []}


def _addresses(proxy: Variables, called_so: bool) -> list[str]:
    """Where a proxy comes from; nothing where that is not known as addresses."""
    said = proxy.get("mlflow_proxy_address") or (proxy.get("ansible_host") if called_so else None) or []
    addresses = [str(each) for each in (said if isinstance(said, (list, tuple)) else [said])]
    return addresses if all(map(is_address, addresses)) else []


def is_address(text: str) -> bool:
    """Whether a text is an IP address, with nothing else in it."""
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def is_network(text: str) -> bool:
    """Whether a text is an IP address or a network, with nothing else in it."""
    try:
        return "%" not in text and bool(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return False
