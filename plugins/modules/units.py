#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: units
short_description: Bring many systemd units into their state in one call
version_added: 0.1.0
description:
  - Looks at any number of units with one question to systemd, and does what differs, where a loop over
    M(ansible.builtin.systemd_service) would need a remote execution for each.
  - A unit that fails does not keep the others from their state. The task succeeds all the same, and
    returns RV(failures).
  - A unit is restarted when its configuration is newer than its start, so that a run that was cut off
    between writing and restarting is made good by the next one. A clock that was set meanwhile hides nothing.
  - systemd is told to read its files again when it knows of any unit that they differ.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.attributes
options:
  units:
    description: The units. Sockets are brought into their state first, one by one, then the others side by side.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Full name of the unit, such as C(example.service).
        type: str
        required: true
      state:
        description:
          - V(started) runs, and V(stopped) does not.
          - V(on_demand) may run or not, as something else decides. It is only started to show that it can,
            when its configuration is newer than its last start or than the host's, or when it failed the last
            time. It is stopped again if it fails, unless it O(units[].tries_on).
        type: str
        choices: [started, on_demand, stopped]
        default: started
      enabled:
        description: Whether it is started with the host.
        type: bool
        required: true
      changed_at:
        description: When its configuration last changed, in seconds since the epoch.
        type: float
        default: 0
      start_with:
        description: Further units that are started in the same transaction.
        type: list
        elements: str
        default: []
      tries_on:
        description: Whether systemd is to go on starting it though it failed, since something else waits for it to run.
        type: bool
        default: false
  parallel:
    description: Most units that are started at the same time. As many as the host has processors by default.
    type: int
"""

EXAMPLES = r"""
- name: A service and the socket that wakes it
  mlops.mlflow.units:
    units:
      - {name: example.socket, enabled: true}
      - {name: example.service, state: on_demand, enabled: false, changed_at: "{{ written.files[0].mtime }}"}
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in the words of systemctl; C(restart example.service).
  returned: success
  type: list
  elements: str
failures:
  description: Why a unit is not in its state, in one line that says where there is more, by its name.
  returned: success
  type: dict
"""

import os
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._causes import cause, where

PROPERTIES = (
    "Id,ActiveState,UnitFileState,InactiveExitTimestamp,InactiveExitTimestampMonotonic,NeedDaemonReload,Result,Triggers"
)
# A traceback may have a few hundred, and only its end counts.
JOURNAL_LINES = 500
# One message of a team's own code may have hundreds of megabytes.
JOURNAL_BYTES = 256 * 1024
# systemd gives whole seconds of one clock, and all of the other.
ROUNDING = 1

Unit = t.Dict[str, t.Any]
Shown = t.Dict[str, str]


def show(module: AnsibleModule, names: t.Iterable[str]) -> dict[str, Shown]:
    """What systemd says of each unit, by name."""
    if not names:
        return {}
    command = ["systemctl", "show", "--timestamp=unix", f"--property={PROPERTIES}", *names]
    text = module.run_command(command, check_rc=True)[1]
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.split("\n\n")]
    return {block["Id"]: block for block in blocks if "Id" in block}


def boot_time(module: AnsibleModule) -> float:
    """When the host had started, in seconds since the epoch."""
    properties = "--property=UserspaceTimestamp,UserspaceTimestampMonotonic"
    text = module.run_command(["systemctl", "show", "--timestamp=unix", properties], check_rc=True)[1]
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return began(said, "UserspaceTimestamp", time.time(), time.monotonic())


def triggered_by(shown: Shown) -> list[str]:
    """The services that a socket starts."""
    return shown.get("Triggers", "").split()


def seconds(timestamp: str) -> int:
    """A time as systemd writes it; 0 for one that never was."""
    return int(timestamp.lstrip("@") or 0)


def began(said: Shown, event: str, now: float, uptime: float) -> float:
    """When something was by the clock as it is now; 0 where it never was, or nobody can tell.

    systemd notes the time of the clock as it was then, which may have been set since: what was written after the event
    would seem older. The time since the boot is not set by anybody, but it stands still while the host is asleep. So
    the earlier of the two counts, that at worst makes something restart that need not. Where both say the same, the
    latter tells when in that second; where only the former counts, it was at its end.
    """
    noted, since = seconds(said.get(event, "")), int(said.get(f"{event}Monotonic") or 0) / 10**6
    if since and noted > now - (uptime - since) - ROUNDING:
        return now - (uptime - since)
    return noted + ROUNDING if 0 < noted <= now else 0


def enabling(unit: Unit, shown: Shown) -> str | None:
    """What brings a unit to start with the host, or not to; None where it is so."""
    enabled = shown.get("UnitFileState") == "enabled"
    if unit["enabled"] == enabled:
        return None
    return "enable" if unit["enabled"] else "disable"


def action_for(unit: Unit, shown: Shown, booted: float, now: float, uptime: float) -> str | None:
    """What brings a unit into its state; None where it is there."""
    active = shown.get("ActiveState", "inactive")
    if unit["state"] == "stopped":
        return None if active in ("inactive", "failed") else "stop"
    if seconds(shown.get("InactiveExitTimestamp", "")):
        start = began(shown, "InactiveExitTimestamp", now, uptime)
    else:
        start = booted if booted <= now else 0
    changed = unit["changed_at"] >= max(start, ROUNDING)
    if unit["state"] == "on_demand":
        return "restart" if changed or shown.get("Result", "success") != "success" else None
    if active in ("active", "reloading"):
        return "restart" if changed else None
    return "start" if active == "inactive" else "restart"


def plan(
    units: list[Unit], shown: dict[str, Shown], booted: float, now: float | None = None, uptime: float | None = None
) -> dict[str, list[str]]:
    """The units to be handed to each of systemctl's words, in the order in which that is to be done."""
    now = time.time() if now is None else now
    uptime = time.monotonic() if uptime is None else uptime
    actions: dict[str, list[str]] = {"disable": [], "enable": [], "stop": [], "start": [], "restart": []}
    for unit in units:
        known = shown.get(unit["name"], {})
        for action in (enabling(unit, known), action_for(unit, known, booted, now, uptime)):
            if action:
                actions[action].append(unit["name"])
    return actions


class Systemd:
    """Does what was planned, and remembers what failed."""

    def __init__(self, module: AnsibleModule, units: list[Unit], shown: dict[str, Shown]) -> None:
        self.module = module
        self.units = {unit["name"]: unit for unit in units}
        self.shown = shown
        self.failures: dict[str, str] = {}

    def run(self, *words: str) -> str | None:
        """Why systemctl failed; None where it did not."""
        status, _out, error = self.module.run_command(["systemctl", *words])
        return error.strip() or f"systemctl ended with {status}" if status else None

    def together(self, action: str, names: list[str]) -> None:
        """One call for all, and where that fails one for each, to know which."""
        if names and self.run(action, *names):
            for name in names:
                error = self.run(action, name)
                if error:
                    self.failures[name] = f"{action}: {cause(error)}"

    def last_words(self, names: list[str]) -> str:
        """What units have said last; what systemd says of them, where they have said nothing."""
        lines = f"journalctl --quiet --lines={JOURNAL_LINES} --no-pager --output=cat"
        show = ["sh", "-c", f'{lines} "$@" | tail --bytes={JOURNAL_BYTES}', "journalctl"]
        own = self.module.run_command([*show, *(f"_SYSTEMD_UNIT={name}" for name in names)])[1]
        return own.strip() or self.module.run_command([*show, *(f"--unit={name}" for name in names)])[1].strip()

    def start(self, action: str, name: str) -> None:
        """Start or restart one unit; what it says in the journal is why it failed."""
        unit = self.units[name]
        triggered = triggered_by(self.shown.get(name, {})) if name.endswith(".socket") else []
        if triggered and action == "restart":
            # systemd does not touch a socket while the service behind it runs.
            self.run("stop", *triggered)
        names = [name, *unit["start_with"]]
        error = self.run(action, *names)
        if error:
            self.failures[name] = f"{name} did not start: {cause(self.last_words(names) or error)}"
            storage = self.module.run_command(["sh", "-c", "systemd-analyze cat-config systemd/journald.conf"])[1]
            self.failures[name] += f"; {where(name, storage)}"
            if unit["state"] == "on_demand" and not unit["tries_on"]:
                # It would be tried for ever, though nobody is waiting for it.
                self.run("stop", *names)


def carry_out(systemd: Systemd, actions: dict[str, list[str]], parallel: int) -> None:
    """Do what was planned."""
    for action in ("disable", "enable", "stop"):
        systemd.together(action, actions[action])
    starts = [(action, name) for action in ("start", "restart") for name in actions[action]]
    for action, name in starts:
        if name.endswith(".socket"):
            systemd.start(action, name)
    with ThreadPoolExecutor(parallel) as pool:
        others = [start for start in starts if not start[1].endswith(".socket")]
        list(pool.map(lambda start: systemd.start(*start), others))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "units": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "state": {"type": "str", "choices": ["started", "on_demand", "stopped"], "default": "started"},
                    "enabled": {"type": "bool", "required": True},
                    "changed_at": {"type": "float", "default": 0},
                    "start_with": {"type": "list", "elements": "str", "default": []},
                    "tries_on": {"type": "bool", "default": False},
                },
            },
            "parallel": {"type": "int"},
        },
        supports_check_mode=True,
    )
    units = module.params["units"]
    names = [unit["name"] for unit in units]
    shown = show(module, names)
    behind = show(module, [service for block in shown.values() for service in triggered_by(block)])
    stale = any(block.get("NeedDaemonReload") == "yes" for block in (*shown.values(), *behind.values()))
    if stale and not module.check_mode:
        module.run_command(["systemctl", "daemon-reload"], check_rc=True)
        shown = show(module, names)
    actions = plan(units, shown, boot_time(module))
    lines = [f"{action} {name}" for action, names in actions.items() for name in names]
    systemd = Systemd(module, units, shown)
    if not module.check_mode:
        carry_out(systemd, actions, module.params["parallel"] or os.cpu_count() or 1)
    module.exit_json(
        changed=bool(lines),
        diff={"prepared": "".join(f"{line}\n" for line in lines)},
        actions=lines,
        failures=systemd.failures,
    )


if __name__ == "__main__":
    main()
