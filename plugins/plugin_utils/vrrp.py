# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An address that several proxies share, as keepalived is told of it."""

from __future__ import annotations

import ipaddress
import typing as t

from .clients import is_address

# keepalived takes 1 to 254; who is named first is preferred where two begin at the same time.
HIGHEST, LOWEST = 200, 1


class Proxy(t.NamedTuple):
    """A host of the proxies: the address that it shares, and its own, as the inventory has them."""

    name: str
    shared: t.Any
    own: t.Any
    reached: t.Any

    @property
    def addresses(self) -> list[str]:
        """Its own addresses, without what are none: C(mlflow_proxy_address), else C(ansible_host)."""
        said = self.own or self.reached or []
        found = [str(each) for each in (said if isinstance(said, (list, tuple)) else [said])]
        return [each for each in found if is_address(each)]


def sharing(here: str, proxies: t.Iterable[Proxy]) -> dict[str, t.Any]:
    """What keepalived of a proxy has to know: C(own), C(peers) and C(priority), or C(problems) that forbid it.

    All are for a proxy that shares none empty. Addresses of another family than the shared one are passed over.
    """
    those = list(proxies)
    shared = next((str(proxy.shared or "") for proxy in those if proxy.name == here), "")
    if not is_shareable(shared):
        return {"own": "", "peers": [], "priority": 0, "problems": []}
    address = ipaddress.ip_interface(shared)
    # However it is written.
    is_same = {each: is_shareable(each) and ipaddress.ip_interface(each).ip == address.ip for each in map(_text, those)}
    together = [proxy for proxy in those if is_same[_text(proxy)]]
    own: dict[str, str] = {}
    problems = []
    for proxy in together:
        found = [each for each in proxy.addresses if ipaddress.ip_address(each).version == address.version]
        if _text(proxy) != shared:
            problems.append(f"mlflow_proxy_shared_address: {proxy.name} writes {_text(proxy)} for {shared}; write one")
        elif found and found[0] in own.values():
            problems.append(f"mlflow_proxy_address: {found[0]} is given for {proxy.name} and for another proxy")
        elif found and address.network.num_addresses > 1 and ipaddress.ip_address(found[0]) not in address.network:
            problems.append(f"mlflow_proxy_address: {found[0]} of {proxy.name} is not in the network of {shared}")
        elif not found:
            problems.append(
                f"mlflow_proxy_address: {proxy.name} shares {shared}, and its own IPv{address.version} address is not"
                " known; give it in the variables of that host"
            )
        elif ipaddress.ip_address(found[0]) == address.ip:
            problems.append(f"mlflow_proxy_shared_address: {found[0]} is {proxy.name}'s own; give one that no host has")
        else:
            own[proxy.name] = found[0]
    rank = [proxy.name for proxy in together].index(here)
    return {
        "own": own.get(here, ""),
        "peers": [each for name, each in own.items() if name != here],
        "priority": max(HIGHEST - rank, LOWEST),
        "problems": problems,
    }


def _text(proxy: Proxy) -> str:
    return str(proxy.shared or "")


def is_shareable(text: str) -> bool:
    """Whether a text is an address that hosts can take over from each other, with the length of its prefix."""
    try:
        found = ipaddress.ip_interface(text)
    except ValueError:
        return False
    beyond = found.ip.is_loopback or found.ip.is_multicast or found.ip.is_unspecified or found.ip.is_link_local
    # The network itself, or its last, is no host's.
    alone = found.network.num_addresses > 2 and found.ip in (found.network[0], found.network[-1])
    return "/" in text and text.rpartition("/")[2].isdigit() and "%" not in text and not (beyond or alone)
