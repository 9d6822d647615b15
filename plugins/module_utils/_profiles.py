# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person's files with credentials say: one file of variables for each team, and MLflow's own for one of them."""

from __future__ import annotations

import re
import shlex

MARK = "# Written by Ansible (mlops.mlflow), and again whenever it is changed.\n"
KEYS = ("mlflow_tracking_username", "mlflow_tracking_password")
SECTION = "mlflow"
HEADER = re.compile(r"\[(?P<name>.*)\]\s*$")


def environment(uri: str, username: str, password: str, ca_path: str | None) -> str:
    """Variables as a shell, systemd and most others read them."""
    variables = {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_TRACKING_USERNAME": username,
        "MLFLOW_TRACKING_PASSWORD": password,
    }
    if ca_path:
        variables["MLFLOW_TRACKING_SERVER_CERT_PATH"] = ca_path
    return MARK + "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())


def account(text: str) -> tuple[str, str] | None:
    """User name and password of a file of variables that was written here."""
    if not text.startswith(MARK):
        return None
    found = dict(word.partition("=")[::2] for word in shlex.split(text, comments=True))
    return found.get("MLFLOW_TRACKING_USERNAME", ""), found.get("MLFLOW_TRACKING_PASSWORD", "")


def kept_account(text: str) -> tuple[str, str] | None:
    """User name and password of MLflow's file."""
    found: dict[str, str] = {}
    for line, _section, key in _lines(text):
        if key in KEYS:
            # MLflow reads it with interpolation.
            found[key] = re.split("[=:]", line, maxsplit=1)[1].strip().replace("%%", "%")
    return (found[KEYS[0]], found[KEYS[1]]) if len(found) == len(KEYS) else None


def can_be_kept(password: str) -> bool:
    """Whether MLflow's file gives back what was written into it."""
    return password == password.strip()


def with_account(text: str, wanted: tuple[str, str] | None) -> str:
    """MLflow's file with another account, or with none; all else in it stays as it is."""
    lines, place, continued = [], None, False
    for line, section, key in _lines(text):
        # A line that begins with a space goes on with the one before it.
        continued = key in KEYS or (continued and line[:1] in (" ", "\t") and line.strip() != "")
        if continued:
            continue
        lines.append(line)
        if section == SECTION and HEADER.match(line):
            place = len(lines)
    if wanted:
        if place is None:
            if lines and not lines[-1].endswith("\n"):
                lines[-1] += "\n"
            lines.append(f"[{SECTION}]\n")
            place = len(lines)
        elif not lines[place - 1].endswith("\n"):
            lines[place - 1] += "\n"
        lines[place:place] = [f"{key} = {value.replace('%', '%%')}\n" for key, value in zip(KEYS, wanted)]
    elif place is not None and not "".join(lines[place:]).strip() and not "".join(lines[: place - 1]).strip():
        return ""
    return "".join(lines)


def _lines(text: str) -> list[tuple[str, str | None, str | None]]:
    """Each line with the section it is in, and the key in MLflow's section that it begins."""
    found: list[tuple[str, str | None, str | None]] = []
    section = None
    for line in text.splitlines(keepends=True):
        header = HEADER.match(line)
        section = header["name"] if header else section
        key = re.split("[=:]", line, maxsplit=1)[0].strip().lower() if not line[:1].isspace() else ""
        found.append((line, section, key if section == SECTION and not header and re.search("[=:]", line) else None))
    return found
