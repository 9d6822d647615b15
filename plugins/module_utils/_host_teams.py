# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has of teams, declared or not: accounts, versions, passwords, keys, and what was kept of the retired."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import hmac
import json
import os
import pwd
import typing as t

from ._host_system import answer_of

# What databases were encrypted with.
ENCRYPTION = (b"MLFLOW_CRYPTO_KEK_PASSPHRASE=", b"MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY=")
EVERYTHING = (b"MLFLOW_",)
RETIRED = ".retired"
# Its eighth field says when an account ends.
SHADOW = "/etc/shadow"
ENDS = 7

Seen = t.Dict[str, t.Any]


def of_all(teams: list[dict[str, t.Any]], config_dir: str, state_dir: str) -> dict[str, Seen]:
    """What there is of each team, declared or not, by name."""
    found = {name: seen(name, None, False, config_dir, state_dir) for name in names_of(config_dir, state_dir)}
    for team in teams:
        asked = team["admin_password"], bool(team["replicas"])
        found[team["name"]] = seen(team["name"], *asked, config_dir, state_dir)
    return found


def left(python: str, find: str, names: list[str], remove_data: bool) -> dict[str, t.Any]:
    """What there is of teams that are to be gone, as a program says it that hosts have, too."""
    if not find or not names:
        return {}
    command = [python, "-Ic", find, "remove" if remove_data else "keep", json.dumps(names)]
    return dict(json.loads(answer_of(*command)))


def names_of(config_dir: str, state_dir: str) -> list[str]:
    """The teams that have anything there."""
    found = [os.path.basename(path[:-1]) for path in glob.glob(f"{glob.escape(config_dir)}/*/")]
    found += [
        os.path.basename(path)[: -len(".json")] for path in glob.glob(f"{glob.escape(state_dir)}/{RETIRED}/*.json")
    ]
    return sorted(set(found))


def seen(name: str, password: str | None, replicated: bool, config_dir: str, state_dir: str) -> Seen:
    """What there is of one team. Neither a password leaves the host, nor what one could be guessed by."""
    directory = os.path.join(config_dir, name)
    return {
        "account": _has_account(name),
        "password": _kept_password(os.path.join(directory, "admin_password"), password),
        "version": _version(os.path.join(directory, "venv")),
        "drained": os.path.exists(os.path.join(directory, "drained")),
        "retired": os.path.exists(os.path.join(state_dir, RETIRED, f"{name}.json")),
        "leader": _leader(os.path.join(directory, "team.json")),
        "key_sums": _sums(os.path.join(directory, "secrets.env")) if replicated else [],
    }


def _has_account(name: str) -> bool:
    """Whether its account is there, and one that nobody logs in as."""
    account = f"mlflow-{name}"
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    lines = [line.split(b":") for line in (_read(SHADOW) or b"").splitlines()]
    # One that another system has is not this host's to end.
    return all(line[ENDS:] and line[ENDS] for line in lines if line[0] == account.encode())


def _kept_password(path: str, declared: str | None) -> str:
    """Whether the password that works is the declared one."""
    kept = _read(path)
    if kept is None:
        return "none"
    return "declared" if declared is not None and hmac.compare_digest(kept, declared.encode()) else "other"


def _version(link: str) -> str:
    """The version that a team has; its link leads to the environment of that."""
    try:
        return os.path.basename(os.readlink(link))
    except OSError:
        return ""


def _leader(path: str) -> str:
    """Which host the team is led by, where it has several."""
    with contextlib.suppress(ValueError, AttributeError):
        return str(json.loads(_read(path) or b"{}").get("leader") or "")
    return ""


def _sums(path: str) -> list[str]:
    """By which two hosts see that they have the same keys: of those of encryption, and of all."""
    text = _read(path)
    return [_sum(text, names) for names in (ENCRYPTION, EVERYTHING)] if text else []


def _sum(text: bytes, names: tuple[bytes, ...]) -> str:
    lines = [line for line in text.splitlines() if line.startswith(names)]
    return hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None
