"""Times of snapshots."""

from __future__ import annotations

import datetime
import re

from mlflowctl.backup.restic import BackupError

# By how much the clocks of hosts may differ.
AHEAD = datetime.timedelta(minutes=10)


def now() -> datetime.datetime:
    """Return what time it is."""
    return datetime.datetime.now(datetime.timezone.utc)


def moment(text: str) -> datetime.datetime:
    """Return a time; one without a zone is the host's. restic's have more digits than Python reads."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", text.strip())
    text = re.sub(r"\.(\d{1,5})(?!\d)", lambda found: f".{found[1]:0<6}", text)
    try:
        return datetime.datetime.fromisoformat(re.sub(r"Z$", "+00:00", text)).astimezone()
    except (ValueError, OverflowError):
        raise BackupError(
            f"at: '{text}' is not a valid time such as 2026-11-24 05:30 or 2026-11-24T05:30:00+01:00"
        ) from None
