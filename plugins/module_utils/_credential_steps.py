# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings a user's files of credentials into their state, step by step."""

from __future__ import annotations

import functools
import os
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils._homes import Home, ObstacleError, read, write
from ansible_collections.mlops.mlflow.plugins.module_utils._profiles import (
    MARK,
    account,
    can_be_kept,
    environment,
    kept_account,
    with_account,
)

PRIVATE = 0o600

Step = t.Tuple[str, t.Callable[[], object]]


def wanted_texts(home: Home, user: dict[str, t.Any], passwords: dict[str, str], ca_path: str | None) -> dict[str, str]:
    """The text of each team's file, the default team's first."""
    found = {}
    for team in user["teams"]:
        name = team["name"]
        if passwords.get(name):
            found[name] = environment(team["tracking_uri"], team["username"], str(passwords[name]), ca_path)
        elif account_in(home.present.get(name, ("", 0))[0]):
            found[name] = home.present[name][0]
    return found


def account_in(text: str) -> tuple[str, str] | None:
    """Likewise, and none in a text that somebody has made unreadable."""
    try:
        return account(text)
    except ValueError:
        return None


def default_of(texts: dict[str, str]) -> str | None:
    """The team that comes first."""
    return next(iter(texts), None)


def plan(home: Home, texts: dict[str, str]) -> t.Iterator[Step]:
    """What is to be done, in an order in which it can be cut off anywhere and done again."""
    for path in home.left:
        yield f"remove {path}", functools.partial(os.unlink, path)
    for name, text in texts.items():
        if home.present.get(name) != (text, PRIVATE):
            path = home.file_of(name)
            yield f"write {path}", functools.partial(write, path, text)
    yield from plan_credentials(home, texts)
    present = os.readlink(home.default) if os.path.islink(home.default) else None
    default = default_of(texts)
    wanted = f"{default}.env" if default else None
    if wanted != present:
        verb = f"link {home.default} to {wanted}" if wanted else f"remove {home.default}"
        yield verb, functools.partial(link, home.default, wanted)
    for name, (text, _mode) in home.present.items():
        if name not in texts and text.startswith(MARK):
            yield f"remove {home.file_of(name)}", functools.partial(os.unlink, home.file_of(name))


def plan_credentials(home: Home, texts: dict[str, str]) -> t.Iterator[Step]:
    """MLflow's own file: the default team's account, or none where it had one from here."""
    default = default_of(texts)
    wanted = account_in(texts[default]) if default else None
    try:
        text, mode = read(home.credentials) or ("", PRIVATE)
    except (OSError, ObstacleError):
        if wanted:
            raise
        return
    kept = kept_account(text)
    if wanted and not can_be_kept(wanted[1]):
        wanted = None
    ours = {account_in(known) for known, _mode in home.present.values()}
    if wanted and (kept != wanted or mode != PRIVATE):
        after = with_account(text, wanted)
        yield (
            f"write the account of {default} to {home.credentials}",
            functools.partial(write, home.credentials, after),
        )
    elif not wanted and kept and kept in ours:
        after = with_account(text, None)
        yield (
            f"remove the account from {home.credentials}",
            (
                functools.partial(write, home.credentials, after)
                if after
                else functools.partial(os.unlink, os.path.realpath(home.credentials))
            ),
        )


def link(path: str, target: str | None) -> None:
    if os.path.lexists(path):
        os.unlink(path)
    if target:
        os.symlink(target, path)
