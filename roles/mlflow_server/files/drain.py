"""Lets a team's server finish what it is answering before what passes connections on is stopped.

An answer that is cut off in its middle is an error to MLflow's client, which tries again where there is none.
systemd stops what passes connections on first (ExecStop of mlflow-listen@).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import team as teams
from changes import main_process, plain_run

# What takes longer, such as an upload, is cut off, and begun again by the client.
SECONDS = 3


def is_about_to_stop(unit: str) -> bool:
    """Say whether systemd waits to stop or restart a unit."""
    shown = plain_run(["systemctl", "show", "--property=Job", "--value", unit], capture_output=True)
    return shown.stdout.strip() not in ("", "0")


def drain(name: str) -> None:
    """Tell the server what systemd is about to tell it, and wait until it is gone."""
    team = teams.load(name)
    process = main_process(team)
    if process == 0 or not is_about_to_stop(team.server):
        return
    os.kill(process, signal.SIGTERM)
    end = time.monotonic() + SECONDS
    while Path(f"/proc/{process}").exists() and time.monotonic() < end:
        time.sleep(0.02)


if __name__ == "__main__":
    try:
        drain(sys.argv[1])
    except (KeyError, OSError) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
