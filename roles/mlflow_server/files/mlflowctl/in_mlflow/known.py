"""What a team's garbage collection has to know of the team, of what the role has written down."""

from __future__ import annotations

import dataclasses
import json
from typing import Any


@dataclasses.dataclass(frozen=True)
class Known:
    """A part of what team.json says; see `mlflowctl.team`."""

    state_dir: str
    socket: str
    admin_username: str
    databases: list[dict[str, Any]]
    artifacts: str | None
    storage_dirs: list[str]
    tracking_uri: str
    gc_older_than: str


def read(text: str) -> Known:
    """Return it."""
    said = json.loads(text)
    return Known(**{field.name: said[field.name] for field in dataclasses.fields(Known)})
