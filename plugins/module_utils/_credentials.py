# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What MLflow can serve as a user name and a password, which is less than it accepts."""

from __future__ import annotations

MINIMUM_PASSWORD_LENGTH = 12


def username_problem(name: str) -> str | None:
    """Why nobody could work under this user name; None where somebody can."""
    if not name:
        return "a user name must not be empty"
    if ":" in name:
        return f"'{name}' has a colon, which HTTP basic authentication takes for the end of the name"
    return _ascii_problem(f"'{name}'", name)


def password_problem(password: str) -> str | None:
    """Why nobody could work with this password, without showing it; None where somebody can."""
    if len(password) < MINIMUM_PASSWORD_LENGTH:
        return f"has under {MINIMUM_PASSWORD_LENGTH} characters, which MLflow refuses"
    return _ascii_problem("it", password)


def _ascii_problem(subject: str, text: str) -> str | None:
    if all(" " <= character <= "~" for character in text):
        return None
    return f"{subject} has characters outside printable ASCII, with which MLflow refuses artifact transfers"
