# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program's last words come to, in one line."""

from __future__ import annotations

import re

from ansible_collections.mlops.mlflow.plugins.module_utils._text import cut

LONGEST = 400
TRACEBACK = "Traceback (most recent call last):"
# What programs write beside what went wrong, with or without a time before it.
NOISE = re.compile(
    r"([\d/:., TZ+-]+ )?\[?(INFO|DEBUG|WARNING|WARN|NOTSET)\b|\S+:\d+: \w*Warning: |\S*\.(service|socket): "
)
COMPLAINT = re.compile(r"(?i)(error|exception)\b|\b(fatal|failed|denied|cannot|could not|unable|refused|full|killed)\b")
# What stands between a user's name and the host in a URI. A password may have any character in it, @ and / too.
IN_URI = re.compile(r"://([^:/@\s'\"]*):")
# As connection strings, variables of the environment and HTTP say it; mlflowctl/redaction.py has the same.
IN_PAIR = re.compile(
    r"(?i)(password|passwd|pwd|passphrase|secret|token|(?:access|account|api)[_-]?key)(['\"]?\s*[=:]\s*)"
    r"('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\s,;&]+)"
)
IN_HEADER = re.compile(r"(?i)\b(authorization['\"]?\s*[=:]\s*['\"]?[a-z]+)\s+[^\s,'\"]+")

# As systemd reads it: the last word counts.
STORAGE = re.compile(r"(?mi)^\s*Storage\s*=\s*(\w+)")


def cause(text: str) -> str:
    """The line that says what went wrong: the end of the last traceback, or the last complaint, or the last line."""
    lines = [line for line in text.splitlines() if line.strip()]
    said = after_traceback(lines)
    if not said:
        told = [line for line in lines if not NOISE.match(line)] or lines
        said = ([line for line in told if COMPLAINT.search(line)] or told or ["it ended without output"])[-1]
    return cut(hidden(" ".join(said.split())), LONGEST)


def hidden(text: str) -> str:
    """A text without what stands where a password does."""
    return IN_HEADER.sub(r"\1 ***", IN_PAIR.sub(r"\1\2***", re.sub(r"\S+", without_log_in, text)))


def without_log_in(word: re.Match[str]) -> str:
    """A word without the password of a URI in it, which its last @ may end; however long it is, it is read once."""
    before, at, after = word[0].rpartition("@")
    begins = IN_URI.search(before) if at else None
    return f"{before[: begins.start()]}://{begins[1]}:***@{after}" if begins else word[0]


def where(unit: str, storage: str) -> str:
    """Where all that a unit has said is to be read; storage is what systemd has for its journal's configuration."""
    if (STORAGE.findall(storage) or ["auto"])[-1].lower() != "none":
        return f"see journalctl -u {unit}"
    return (
        "this host's journal keeps nothing: say Storage=auto in /etc/systemd/journald.conf, restart systemd-journald, "
        f"try again, and see journalctl -u {unit}"
    )


def after_traceback(lines: list[str]) -> str:
    """What the last traceback ends with; nothing where there is none, or not its end."""
    begins = [number for number, line in enumerate(lines) if line.endswith(TRACEBACK)]
    # Frames are indented, and those of groups have bars.
    rest = lines[begins[-1] + 1 :] if begins else []
    return next((line for line in rest if not re.match(r"[\s|+^]", line)), "")
