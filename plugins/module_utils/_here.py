# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a name or address is this host's own, which nothing is asked of through a proxy."""

from __future__ import annotations

import ipaddress
import socket
import typing as t

# Nothing is sent to it.
ANY_PORT = 9


def is_here(host: str) -> bool:
    """Whether what is sent to a name or address stays on this host; not where it leads nowhere."""
    try:
        found = socket.getaddrinfo(host, ANY_PORT, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return False
    return any(_is_own(family, address) for family, _type, _protocol, _name, address in found)


def _is_own(family: int, address: tuple[t.Any, ...]) -> bool:
    own = ipaddress.ip_address(address[0].partition("%")[0])
    if own.is_loopback or own.is_unspecified:
        return True
    # The kernel says what it would send from: for one of its own, that one. To bind to it could succeed elsewhere too.
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as there:
            there.connect(address)
            return bool(there.getsockname()[0] == address[0])
    except OSError:
        return False
