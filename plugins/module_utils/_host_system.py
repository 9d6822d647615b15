# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is: who started it, of which family it is, and which Python it has for environments."""

from __future__ import annotations

import os
import shlex
import subprocess
import typing as t

# What systemd makes when it has started the host: see sd_booted(3).
BOOTED = "/run/systemd/system"
RELEASE = "/etc/os-release"
FIRST_PROCESS = "/proc/1/comm"
# Seconds for a program that answers at once, also on a host with much to do.
PATIENCE = 120

PYTHON = """
import sys
print("%d.%d" % sys.version_info[:2])
import ensurepip
print("ensurepip")
"""


def lines_of(*command: str) -> list[str]:
    """What a program prints, whether it succeeds or not; nothing where it cannot be run, or comes to no end."""
    try:
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return ran.stdout.decode("utf-8", "replace").splitlines()


def answer_of(*command: str) -> str:
    """What a program prints that has to succeed."""
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=True)
    return ran.stdout.decode("utf-8", "replace")


def python(interpreter: str) -> dict[str, t.Any]:
    """Its version, V(0) where it does not run, and whether it can put pip into an environment."""
    said = lines_of(interpreter, "-Ic", PYTHON)
    return {"version": said[0] if said else "0", "ensurepip": "ensurepip" in said}


def systemd() -> dict[str, t.Any]:
    """Whether systemd started the host, and its version: that is the second word that it says, as in systemd 252."""
    words = " ".join(lines_of("systemctl", "--version")[:1]).split()
    return {"running": os.path.isdir(BOOTED), "version": words[1] if len(words) > 1 else "0"}


def first_process() -> str:
    """What started the host."""
    try:
        with open(FIRST_PROCESS, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "something else"


def families() -> list[str]:
    """What the distribution calls itself and those that it comes from, as in ubuntu and debian."""
    said: dict[str, str] = {}
    try:
        with open(RELEASE, encoding="utf-8", errors="replace") as file:
            said = dict(line.strip().split("=", 1) for line in file if "=" in line)
    except OSError:
        pass
    return [word for name in ("ID", "ID_LIKE") for word in " ".join(shlex.split(said.get(name, ""))).split()]


def kind_of(path: str) -> str:
    """What a path leads to."""
    if os.path.isdir(path):
        return "directory"
    return "file" if os.path.exists(path) else ""
