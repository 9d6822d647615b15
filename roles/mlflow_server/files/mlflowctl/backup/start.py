"""Starts the backups of teams now, as their timers would, and prints what became of each as JSON."""

from __future__ import annotations

import json
from typing import Any

from mlflowctl import causes, commands, redaction, systemd
from mlflowctl.turns import told_by

JOURNAL_LINES = 20


def run(*words: str) -> str:
    """Return what a command prints, whatever it ends with."""
    # Where it waits for a backup, that backup's unit has an end.
    return commands.run(words, None if words[:2] == ("systemctl", "start") else commands.DO_SECONDS).stdout


def result(name: str) -> dict[str, Any]:
    """Say what a team's last backup came to."""
    unit = f"mlflow-backup@{name}.service"
    asked = ("Result", "InvocationID", "ConditionResult", "LoadState")
    shown = systemd.show([unit], asked).get(unit, {})
    if shown.get("LoadState") != "loaded":
        return {"team": name, "failure": "no backup is set up; run the role mlflow_backup for the team"}
    if shown.get("ConditionResult") != "yes":
        return {"team": name, "failure": "this host has no such team"}
    if shown["Result"] == "success":
        # Not from the journal, which may keep nothing.
        return told_by(name, shown["InvocationID"])
    which = f"_SYSTEMD_INVOCATION_ID={shown['InvocationID']}"
    lines = run("journalctl", which, f"--lines={JOURNAL_LINES}", "--no-pager", "--output=cat", "--quiet").splitlines()
    why = causes.cause(redaction.hidden("\n".join(lines))) if lines else shown["Result"]
    return {"team": name, "failure": f"{why}; {causes.where(unit)}"}


def start(names: list[str]) -> None:
    """Back up from now on: one that runs already began before, and is waited for, and made again."""
    units = [f"mlflow-backup@{name}.service" for name in names]
    running = [unit for unit in units if run("systemctl", "is-active", unit).strip() == "activating"]
    run("systemctl", "start", *units)
    if running:
        run("systemctl", "start", *running)


def main(first: str, *more: str) -> int:
    """Back them up, and say of each what it came to."""
    names = [first, *more]
    start(names)
    found = [result(name) for name in names]
    print(json.dumps(found))
    return int(any("failure" in it for it in found))
