"""What systemd says of units, in one question for all of them."""

from __future__ import annotations

import time
from collections.abc import Iterable

from mlflowctl import commands


def show(units: Iterable[str], properties: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the properties of units, by their names; nothing where it cannot be asked."""
    wanted = list(units)
    if not wanted:
        return {}
    command = ["systemctl", "show", f"--property={','.join(('Id', *properties))}", *wanted]
    try:
        shown = commands.run(command).stdout
    except FileNotFoundError:
        return {}
    return {name: about for name, about in blocks(shown).items() if name in wanted}


def blocks(printed: str) -> dict[str, dict[str, str]]:
    """Return what "systemctl show" has printed of units, by their names."""
    found = (dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in printed.split("\n\n"))
    return {block["Id"]: block for block in found if block.get("Id")}


def moment(monotonic: str) -> float | None:
    """Return when something was, in seconds since the epoch, from microseconds since the boot; None for never."""
    if not monotonic.isdecimal() or monotonic == "0":
        return None
    return time.time() - time.monotonic() + int(monotonic) / 1e6
