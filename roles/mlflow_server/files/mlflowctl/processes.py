"""Who still runs as a team's account: whoever has a database open writes beside its name, whatever that is by then."""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from pathlib import Path

from mlflowctl.transaction import STOP_SECONDS, ChangeError

PAUSE = 0.05
# As the kernel calls what has ended, and what only waits to be forgotten.
ENDED = ("X", "Z")
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
        lines = facts(status)
        if str(uid) in lines["Uid"].split() and goes_on(process) and not any(f"/{unit}" in group for unit in harmless):
            found.append(f"{lines['Name']} ({process.name})")
    return found


def facts(status: str) -> dict[str, str]:
    """Return what the kernel says of a process or a thread."""
    return {name: value.strip() for name, _colon, value in (it.partition(":") for it in status.split("\n"))}


def goes_on(process: Path) -> bool:
    """Say whether any thread of it does: the process is called dead once the first has ended."""
    for thread in (process / "task").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if not facts((thread / "status").read_text(encoding="utf-8", errors="replace"))["State"].startswith(ENDED):
                return True
    return False


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
