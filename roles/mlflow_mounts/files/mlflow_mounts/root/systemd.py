"""What systemd keeps while this program is restarted: mounts outlive it."""

from __future__ import annotations

import os
import socket
import struct

from mlflow_mounts.root.kernel import out_of_the_way


def tell(words: str, *descriptors: int) -> None:
    """Tell systemd something, and perhaps hand it descriptors."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    rights = struct.pack(f"{len(descriptors)}i", *descriptors)
    more = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if descriptors else []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendmsg([words.encode()], more, 0, address.replace("@", "\0", 1))


def keep(name: str, descriptor: int) -> None:
    """Let systemd keep a descriptor, whatever becomes of it."""
    tell(f"FDSTORE=1\nFDPOLL=0\nFDNAME={name}", descriptor)


def drop(name: str) -> None:
    """Let systemd close what it keeps under a name."""
    tell(f"FDSTOREREMOVE=1\nFDNAME={name}")


def kept() -> dict[str, int]:
    """Return what systemd has kept, by name."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = int(os.environ.get("LISTEN_FDS", "0"))
    found: dict[str, int] = {}
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    for place, name in enumerate(names[:count]):
        if name in found:
            os.close(found[name])
        found[name] = out_of_the_way(3 + place)
    return found
