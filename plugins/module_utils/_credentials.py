# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What MLflow can serve as a user name and a password, which is less than it accepts."""

from __future__ import annotations

from ._secret_text import LINE_ENDS, secret_problem

MINIMUM_PASSWORD_LENGTH = 12
MAXIMUM_NAME_LENGTH = 255
# What MLflow came with before 3.16, so that everybody knows it.
WELL_KNOWN = "password1234"


def username_problem(name: str) -> str | None:
    """Why nobody could work under this user name; None where somebody can."""
    if not name:
        return "a user name must not be empty"
    if len(name) > MAXIMUM_NAME_LENGTH:
        return f"'{name[:20]}…' has over {MAXIMUM_NAME_LENGTH} characters, which databases cut off"
    if ":" in name:
        return f"'{name}' has a colon, which HTTP basic authentication takes for the end of the name"
    if name != name.strip(" "):
        return f"'{name}' has blanks at its ends, which nobody sees and MLflow's credentials file loses; leave them out"
    return _ascii_problem(f"'{name}'", name)


def password_problem(password: str) -> str | None:
    """Why nobody could work with this password, without showing it; None where somebody can."""
    if len(password) < MINIMUM_PASSWORD_LENGTH:
        return f"has under {MINIMUM_PASSWORD_LENGTH} characters, which MLflow refuses"
    if password.lower() == WELL_KNOWN:
        return "is the one that MLflow came with, which everybody knows; choose another"
    # Of a line break at its end, where it came from is the better answer.
    return _ascii_problem("it", password.rstrip(LINE_ENDS)) or secret_problem(password)


def _ascii_problem(subject: str, text: str) -> str | None:
    if all(" " <= character <= "~" for character in text):
        return None
    return f"{subject} has characters outside printable ASCII, with which MLflow refuses artifact transfers"
