"""What a team's last backup and drill came to, kept where a host may lose it: nothing depends on it."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

from mlflowctl import paths
from mlflowctl.files import write_private


def place(team: str, what: str) -> Path:
    """Return where it stands."""
    return paths.HERE.cache / "told" / f"{team}.{what}"


def keep(team: str, what: str, well: bool, about: dict[str, Any]) -> None:
    """Note it; where that cannot be, the work is done all the same."""
    path = place(team, what)
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, json.dumps({"time": time.time(), "well": well, **about}).encode())


def last(team: str, what: str) -> dict[str, Any] | None:
    """Return it; None where nothing is known."""
    try:
        return dict(json.loads(place(team, what).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
