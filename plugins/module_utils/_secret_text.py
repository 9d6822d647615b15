# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody wrote, in a word, and text that cannot be the secret that was meant. No secret is ever shown."""

from __future__ import annotations

import datetime
import typing as t

EMPTY = "is empty; leave it out, or give it a value"
TEMPLATES = (("{{", "}}"), ("{%", "%}"))
VAULT = "$ANSIBLE_VAULT;"
# What `omit` is where it stands within something, up to ansible-core 2.18; another one in each run.
OMITTED = "__omit_place_holder__"
# What ends a line for somebody who reads it: restic, systemd, an ini file, HTTP.
LINE_ENDS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
HOW_TO_PIPE = "which `echo` puts there in a pipe to ansible-vault; encrypt it again with `printf %s`"


def secret_problem(value: t.Any) -> str | None:
    """Why nobody can have meant this value for a secret; None where somebody can."""
    if not isinstance(value, str):
        return f"is {kind_of(value)}, where text is wanted{'' if value is None else '; put it in quotes'}"
    if value.lstrip().startswith(VAULT):
        return "is still encrypted; mark it with !vault in the inventory, or encrypt its file as a whole"
    if value.startswith(OMITTED):
        return "is what default(omit) leaves there, which is not a value; leave the line out, or give one"
    if _is_template(value):
        return (
            "is still a template, which nothing has filled in; give the value itself, or a variable that Ansible reads"
        )
    if value.rstrip(LINE_ENDS) != value and not set(value.rstrip(LINE_ENDS)) & set(LINE_ENDS):
        return f"ends with a line break, {HOW_TO_PIPE}"
    if set(value) & set(LINE_ENDS):
        return "has line breaks in it, and only its first line would be read; put it on one line"
    if "\0" in value:
        return "has a NUL in it, at which it would be cut off; leave it out"
    return None


def _is_template(value: str) -> bool:
    """Both ends, or a beginning: a password may have two braces somewhere in it."""
    begins = value.lstrip()
    return any(begins.startswith(start) or end in value.partition(start)[2] for start, end in TEMPLATES)


def kind_of(value: t.Any) -> str:
    """What somebody wrote, in a word, without the value."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, str):
        return "text"
    if isinstance(value, datetime.date):
        return "a time"
    return "a list" if isinstance(value, (list, tuple)) else f"a {type(value).__name__}"
