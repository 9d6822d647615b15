"""Who still runs as a team's account: whoever has a database open writes beside its name, whatever that is by then."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path

from changes import STOP_SECONDS, ChangeError

PAUSE = 0.05
# Units that have no database open: one passes connections on, the other reads artifacts.
HARMLESS = ("mlflow-listen@", "mlflow-backup@")


def of_account(uid: int, harmless: tuple[str, ...] = HARMLESS) -> list[str]:
    """Return the processes that run as an account, in words."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            status = (process / "status").read_text(encoding="utf-8", errors="replace")
            group = (process / "cgroup").read_text(encoding="utf-8", errors="replace")
        except OSError:
            # It has ended.
            continue
        lines = {name: value.strip() for name, _colon, value in (it.partition(":") for it in status.split("\n"))}
        ended = lines["State"].startswith(("Z", "X"))
        if str(uid) in lines["Uid"].split() and not ended and not any(f"/{unit}" in group for unit in harmless):
            found.append(f"{lines['Name']} ({process.name})")
    return found


def wait_until_nobody_runs(account: str, name: str, harmless: tuple[str, ...] = HARMLESS) -> None:
    """Wait until workers have gone with their server; raise while anything else is at work, as mlflow-gc@ may be."""
    uid = pwd.getpwnam(account).pw_uid
    if uid == os.geteuid():
        return
    end = time.monotonic() + STOP_SECONDS
    while found := of_account(uid, harmless):
        if time.monotonic() > end:
            raise ChangeError(
                f"{', '.join(found[:5])} still run as {account}; wait for them, or end them "
                f"(systemctl stop mlflow-gc@{name}.service), and try again"
            )
        time.sleep(PAUSE)
