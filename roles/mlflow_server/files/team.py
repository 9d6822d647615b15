"""A team of this host, as the role has written it down for the programs beside this file."""

from __future__ import annotations

import dataclasses
import json
import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

CONFIG_DIR = Path("/etc/mlflow")


@dataclasses.dataclass(frozen=True)
class Team:
    """What team.json says, and what follows from it.

    databases: one entry, or two in the order in which they are to be copied: people before runs. Each has "name"
    (auth, tracking, or mlflow for both in one), "uri", and "file" where it is a SQLite file.
    artifacts: the local directory that the server keeps them in, or None.
    client_root: where clients keep them past the server, as a path of this host or the URI of a store, or None.
    storage_dirs: directories outside state_dir that are the team's alone.
    """

    name: str
    account: str
    version: str
    state_dir: str
    socket: str
    admin_username: str
    default_permission: str
    databases: list[dict[str, Any]]
    artifacts: str | None
    storage_dirs: list[str]
    config_dir: Path = CONFIG_DIR
    tracking_uri: str = ""
    gc_older_than: str = "never"
    client_root: str | None = None

    @property
    def directory(self) -> Path:
        """Its settings and secrets."""
        return self.config_dir / self.name

    @property
    def python(self) -> str:
        """The interpreter of the MLflow that its server runs."""
        return str(self.directory / "venv" / "bin" / "python")

    @property
    def server(self) -> str:
        """The unit of its server."""
        return f"mlflow@{self.name}.service"

    def own(self, path: Path) -> None:
        """Give a directory that root has made to the team's account."""
        account = pwd.getpwnam(self.account)
        os.chown(path, account.pw_uid, account.pw_gid)

    def run(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command as the team's account, so that it can do no more than the server could."""
        if os.geteuid() == 0:
            account = pwd.getpwnam(self.account)
            options.update(user=account.pw_uid, group=account.pw_gid, extra_groups=[])
        options.setdefault("umask", 0o077)
        options.setdefault("cwd", "/")
        return subprocess.run(command, text=True, check=False, **options)


def load(name: str, config_dir: Path = CONFIG_DIR) -> Team:
    """Return a team; KeyError where this host has none of the name."""
    try:
        known = json.loads((config_dir / name / "team.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise KeyError(name) from None
    return Team(**known, config_dir=config_dir)


def names(config_dir: Path = CONFIG_DIR) -> list[str]:
    """Return the names of the host's teams."""
    return sorted(file.parent.name for file in config_dir.glob("*/team.json"))


def sync(path: str) -> None:
    """Let a power cut not undo it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that root alone reads; after a power cut it is there as a whole, or as it was."""
    part = path.with_name(f".{path.name}.new")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync(str(path.parent))
