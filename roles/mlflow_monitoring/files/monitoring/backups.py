"""What the programs of backups have noted of each team; the repository itself is not asked, which may be far away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SETTINGS = Path("/etc/mlflow-backup/settings.json")
NOTED = Path("/var/cache/mlflow-backup/noted")


def settings() -> dict[str, Any]:
    """Return how old backups may be, and who has none; nothing where the host has no backups."""
    try:
        known = json.loads(SETTINGS.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    # Beside these there are credentials, which are nobody's here.
    return {key: known[key] for key in ("max_age", "exclude") if key in known}


def noted(name: str, what: str) -> dict[str, Any]:
    """Return what is noted of the last backup, or drill; nothing where there was none."""
    try:
        return dict(json.loads((NOTED / f"{name}.{what}.json").read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}
