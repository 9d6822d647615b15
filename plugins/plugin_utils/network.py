# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much network a team's server needs: none, this host's, or all."""

from __future__ import annotations

import ipaddress
import typing as t
from urllib.parse import urlsplit

from .storage import is_local

Team = t.Dict[str, t.Any]

# systemd's word for the addresses of the host itself.
LOCALHOST = "localhost"


def network_defaults(team: Team) -> Team:
    """C(private_network) and C(allowed_networks), from where the stores are unless the team says it."""
    artifacts = team["artifacts"]
    uris = (team["backend_store_uri"], team["auth_database_uri"], artifacts["destination"], artifacts["root"])
    remote = [uri for uri in uris if not is_local(uri)]
    private, networks = team["private_network"], team["allowed_networks"]
    if private is None:
        private = not remote and not networks
    if networks is None:
        networks = [LOCALHOST] if remote and all(map(_is_on_loopback, remote)) else []
    return {"private_network": private, "allowed_networks": networks}


def network_problems(team: Team) -> t.Iterator[str]:
    """Words that systemd would not take for a network, and two that contradict each other."""
    if team["private_network"] and team["allowed_networks"]:
        yield "allowed_networks: has no meaning with private_network: true, which allows none"
    for network in team["allowed_networks"]:
        if network != LOCALHOST and not _is_network(network):
            yield f"allowed_networks: '{network}' is neither an IP address or network like 10.0.0.0/8 nor '{LOCALHOST}'"


def _is_network(text: str) -> bool:
    try:
        return bool(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return False


def _is_on_loopback(uri: str) -> bool:
    try:
        host = urlsplit(uri).hostname
        return host == LOCALHOST or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
