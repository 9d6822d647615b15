"""Reads an EnvironmentFile= as systemd does: quotes of both kinds, escapes, continued lines, comments."""

from __future__ import annotations

import re
from pathlib import Path

QUOTED = re.compile(r"""[ \t]*(?:'(?P<single>[^']*)(?:'|\Z)|"(?P<double>(?:\\.|[^"\\])*)(?:"|\\?\Z))""", re.DOTALL)
# What is not quoted comes last, and goes to the end of its line; a backslash takes a line end into it.
PLAIN = re.compile(r"(?:\\(?:.|\Z)|[^\\\n\r])*", re.DOTALL)
PART = re.compile(r"\\(?:.|\Z)|.", re.DOTALL)
# A name has a first letter whatever that is, and one that begins with "=" is none.
COMMENT, KEY = re.compile(r"[#;][^\n\r]*"), re.compile(r".[^=\n\r]*", re.DOTALL)
WHITE = re.compile(r"[ \t\n\r]*")
# What a backslash takes its meaning from within double quotes; before anything else it stands for itself.
ESCAPED = re.compile(r"\\(?:([\"\\`$])|\n)")


def read(path: Path) -> dict[str, str]:
    """Return a file's variables."""
    return parse(path.read_bytes().decode("utf-8"))


def parse(text: str) -> dict[str, str]:
    """Return the variables of a text; the last one of a name counts."""
    found: dict[str, str] = {}
    position = 0
    while (position := after(WHITE, text, position)) < len(text):
        if text[position] in "#;":
            position = after(COMMENT, text, position)
        else:
            begin, position = position, after(KEY, text, position)
            if text[position : position + 1] == "=":
                found[text[begin:position].rstrip(" \t")], position = value_at(text, position + 1)
    return {name: value for name, value in found.items() if not name.startswith("=")}


def after(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Return where a pattern that matches there ends."""
    match = pattern.match(text, position)
    return match.end() if match else position


def value_at(text: str, position: int) -> tuple[str, int]:
    """Return the value that begins there, and where it ends."""
    value = ""
    while quoted := QUOTED.match(text, position):
        value += quoted["single"] or ESCAPED.sub(lambda it: it[1] or "", quoted["double"] or "")
        position = quoted.end()
    end = after(PLAIN, text, position)
    parts = PART.findall(text[position:end].lstrip(" \t"))
    while parts and parts[-1] in (" ", "\t"):
        parts.pop()
    return value + "".join(unescaped(part) for part in parts), end


def unescaped(part: str) -> str:
    """Return what a character stands for, or one behind a backslash: a line end for nothing."""
    return part if part[0] != "\\" else part[1:].strip("\n\r")
