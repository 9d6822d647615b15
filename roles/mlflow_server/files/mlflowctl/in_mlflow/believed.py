"""What time it is, as far as that is believed where something goes for good: a clock may be ahead.

From one run to the next it is believed for a part of the age at which things go, so that a clock that jumps takes
nothing young with it, and there are days in which it can be put right. Where the host was off for that long, or its
clock behind, old things stay for some runs more.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

# What has the time of the last run, in so many letters at most.
NOTE, LONGEST = ".gc-time", 64
# The timer runs daily, and at another hour where somebody runs it by hand.
LEAST_SECONDS, PARTS = 2 * 86400, 4


def now(place: Path, age: float) -> float:
    """Return it, and note it there for the next run."""
    note, clock = place / NOTE, time.time()
    try:
        former = float(note.read_text(encoding="ascii"))
    except (OSError, ValueError):
        former = clock
    step = max(LEAST_SECONDS, age / PARTS)
    found = min(clock, former + step)
    if found < clock:
        on, counts = (f"{(it - former) / 86400:.1f}" for it in (clock, found))
        print(
            f"the clock is {on} days on since the last run, and only {counts} of them count in this one, lest it is "
            f"ahead; if it is right, and all that is old is to go now, remove {note}",
            flush=True,
        )
    # What is to make room may run where there is none; then the former note stands.
    with contextlib.suppress(OSError):
        part = note.with_suffix(".new")
        # A clock that is far behind for one run is no reason to begin anew from there.
        part.write_text(f"{max(found, former - step)}\n", encoding="ascii")
        os.replace(part, note)
    return found
