# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much network a team's server needs: none, this host's, or all."""

from __future__ import annotations

import ipaddress
import typing as t
from urllib.parse import urlsplit

from .clients import is_network
from .storage import is_local

Team = t.Dict[str, t.Any]

# systemd's word for the addresses of the host itself.
LOCALHOST = "localhost"
EVERYTHING = ("0.0.0.0/0", "::/0")
# What nobody means who lets a server talk to the world: services that trust the host they run on, and those of clouds
# that hand out the host's own rights.
NOT_MEANT = [LOCALHOST, "169.254.0.0/16", "fe80::/10", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200"]
# Without these, a server refuses to post its events anywhere, and since then to such an address.
PUBLIC_SINCE = (3, 17)
SCHEMES, PRIVATE = "MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS"
# Where systemd-resolved and container engines answer for names, and nothing else listens alone.
RESOLVERS = ["127.0.0.53", "127.0.0.54", "127.0.0.11"]


def network_defaults(team: Team) -> Team:
    """C(private_network) and C(allowed_networks), from where the stores are unless the team says it."""
    artifacts = team["artifacts"]
    uris = (team["backend_store_uri"], team["auth_database_uri"], artifacts["destination"], artifacts["root"])
    remote = [uri for uri in uris if not is_local(uri)]
    private, networks = team["private_network"], team["allowed_networks"]
    if private is None:
        private = not (remote or networks or team["webhooks"] or team["genai"])
    if networks is None:
        networks = [LOCALHOST] if remote and all(map(_is_on_loopback, remote)) else []
    return {"private_network": private, "allowed_networks": networks}


def network_filters(team: Team) -> Team:
    """C(network_allow) and C(network_deny) of a server with a network, as systemd reads them: what is allowed wins.

    A store whose address is given is meant, also where it is one of those that nobody means.
    """
    networks = team["allowed_networks"]
    everything = [network for network in EVERYTHING if not networks or network in map(_written_out, networks)]
    own = [team["own_address"]] if team["own_address"] else []
    named = own + [network for network in networks if _written_out(network) not in EVERYTHING]
    if not everything:
        return {"network_allow": named, "network_deny": ["any"]}
    others = [network for network in EVERYTHING if network not in everything]
    stores = [
        team["backend_store_uri"],
        team["auth_database_uri"],
        *team["artifacts"].values(),
        *team["environment"].values(),
    ]
    named += [host for uri in map(str, stores) for host in _not_meant_elsewhere(uri) if host not in named]
    return {"network_allow": named + RESOLVERS, "network_deny": NOT_MEANT + others}


def network_problems(team: Team, release: tuple[int, ...] | None) -> t.Iterator[str]:
    """Words that systemd would not take for a network, and two that contradict each other."""
    if team["private_network"] and team["allowed_networks"]:
        yield "allowed_networks: has no meaning with private_network: true, which allows none"
    if team["private_network"] and team["webhooks"]:
        yield "webhooks: could not be delivered with private_network: true; leave it out, or say false"
    for webhook in team["webhooks"]:
        if problem := _delivery_problem(team, str(webhook["url"]), release or PUBLIC_SINCE):
            yield f"webhooks: {webhook['name']}: url: {problem}"
    for network in team["allowed_networks"]:
        if network != LOCALHOST and not is_network(network):
            yield f"allowed_networks: '{network}' is neither an IP address or network like 10.0.0.0/8 nor '{LOCALHOST}'"


def _delivery_problem(team: Team, url: str, release: tuple[int, ...]) -> str | None:
    """Why MLflow refuses to post there, as far as that can be seen. The address is not shown."""
    environment = team["environment"]
    schemes = [scheme.strip() for scheme in str(environment.get(SCHEMES, "https")).split(",")]
    if url.startswith("http://") and "http" not in schemes:
        return f'MLflow posts by https alone; use https://, or set {SCHEMES}: "http,https" in environment'
    allowed = release < PUBLIC_SINCE or str(environment.get(PRIVATE, "false")).lower() in ("true", "1")
    if not allowed and _is_private(url):
        return f'MLflow posts to public addresses alone; use another, or set {PRIVATE}: "true" in environment'
    return None


def _is_private(url: str) -> bool:
    """Whether it is an address of the host or of a network; what a name is for, the server finds out."""
    try:
        host = urlsplit(url).hostname
        return host == LOCALHOST or not ipaddress.ip_address(host or "").is_global
    except ValueError:
        return False


def _written_out(network: str) -> str:
    return str(ipaddress.ip_network(network, strict=False)) if is_network(network) else network


def _not_meant_elsewhere(uri: str) -> t.Iterator[str]:
    """The host of a URI, as systemd calls it, where it is this host or a neighbour by its address."""
    if _is_on_loopback(uri):
        yield LOCALHOST
        return
    try:
        address = ipaddress.ip_address(urlsplit(uri).hostname or "")
    except ValueError:
        return
    if address.is_link_local:
        yield str(address)


def _is_on_loopback(uri: str) -> bool:
    try:
        host = urlsplit(uri).hostname
        return host == LOCALHOST or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
