"""Who still runs as a team's account: whoever has a database open writes beside its name, whatever that is by then."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path

from changes import STOP_SECONDS, ChangeError
from team import Team

PAUSE = 0.05


def of_account(uid: int) -> list[str]:
    """Return the processes that run as an account, in words."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(
                line.split(":", 1) for line in status.read_text(encoding="utf-8", errors="replace").splitlines()
            )
        except (OSError, ValueError):
            # It has ended.
            continue
        if str(uid) in lines.get("Uid", "").split() and not lines.get("State", "").strip().startswith(("Z", "X")):
            found.append(f"{lines['Name'].strip()} ({status.parent.name})")
    return found


def wait_until_nobody_runs(team: Team) -> None:
    """Wait until workers have gone with their server; raise while anything else is at work, as mlflow-gc@ may be."""
    uid = pwd.getpwnam(team.account).pw_uid
    if uid == os.geteuid():
        return
    end = time.monotonic() + STOP_SECONDS
    while found := of_account(uid):
        if time.monotonic() > end:
            raise ChangeError(
                f"{', '.join(found[:5])} still run as {team.account}; wait for them, or end them "
                f"(systemctl stop mlflow-gc@{team.name}.service), and restore again"
            )
        time.sleep(PAUSE)
