"""Runs on the host: the shipped upgrade of one team, and what befalls it where one of its steps begins.

Arguments: what befalls it (kill, wait, or a command), the step, the team and the version.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path("/usr/local/lib/mlflow/mlflowctl").resolve().parent))
from mlflowctl import systemd, transaction, upgrade

FATE, STEP, TEAM, VERSION = sys.argv[1:]


def befall():
    if FATE == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif FATE == "wait":
        print("there", flush=True)
        time.sleep(3600)
    else:
        subprocess.run(FATE, shell=True, check=False)  # noqa: S602


def befall_a_start():
    """Wait until the new server has a process, and does not answer yet."""
    unit = f"mlflow@{TEAM}.service"
    while True:
        shown = systemd.show([unit], ["ActiveState", "MainPID"])[unit]
        if shown["ActiveState"] == "activating" and shown["MainPID"] != "0":
            break
        time.sleep(0.02)
    befall()


class Doomed(upgrade.Upgrade):
    """Beside its own steps: "starting", when the new server is about to, and "commit"."""

    @property
    def step(self):
        return self._step

    @step.setter
    def step(self, value):
        self._step = value
        if value == STEP:
            befall()
        if value == "start" and STEP == "starting":
            threading.Thread(target=befall_a_start, daemon=True).start()


if STEP == "commit":
    transaction.Change.commit = lambda self: befall()
upgrade.Upgrade = Doomed
try:
    print(upgrade.upgrade(TEAM, VERSION, Path("/opt/mlflow")))
except upgrade.UpgradeError as error:
    sys.exit(str(error))
