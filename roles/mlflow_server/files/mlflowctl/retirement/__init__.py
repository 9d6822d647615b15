"""The end of a team on this host, and its return."""

from __future__ import annotations

from mlflowctl import paths
from mlflowctl.retirement.find import Places


def here() -> Places:
    """Return where something of a team can be, as find.py has it by itself: that is also run as a text."""
    at = paths.HERE
    return Places(
        at.config,
        (at.units, at.volatile_units),
        at.state,
        at.changes,
        at.restores,
        at.timers,
        at.backup_config / "settings.json",
        at.cache,
        at.staging,
        at.drills,
        at.looks,
        at.figures,
        at.drills_seen,
    )
