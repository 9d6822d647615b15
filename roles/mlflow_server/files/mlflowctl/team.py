"""A team of this host, as the role has written it down for this program."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pwd
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mlflowctl import commands, paths
from mlflowctl.errors import Problem


class UnknownTeamError(Problem):
    """This host has none of that name."""


@dataclasses.dataclass(frozen=True)
class Team:
    """What team.json says, and what follows from it.

    databases: one entry, or two in the order in which they are to be copied: people before runs. Each has "name"
    (auth, tracking, or mlflow for both in one), "uri", and "file" where it is a SQLite file.
    artifacts: the local directory that the server keeps them in, or None.
    client_root: where clients keep them past the server, as a path of this host or the URI of a store, or None.
    disk_max: how many bytes artifacts and databases may take, or None.
    storage_dirs: directories outside state_dir that are the team's alone.
    replica: what this host is called among those that serve the team together; nothing where one alone does.
    leader: which of these does what happens once for all of them, which is this host where it leads.
    """

    name: str
    account: str
    state_dir: str
    socket: str
    admin_username: str
    default_permission: str
    databases: list[dict[str, Any]]
    artifacts: str | None
    storage_dirs: list[str]
    config_dir: Path = dataclasses.field(default_factory=lambda: paths.HERE.config)
    tracking_uri: str = ""
    gc_older_than: str = "never"
    client_root: str | None = None
    replica: str = ""
    leader: str = ""
    leads: bool = True
    disk_max: int | None = None

    @property
    def directory(self) -> Path:
        """Its settings and secrets."""
        return self.config_dir / self.name

    @property
    def places(self) -> list[str]:
        """Where it has anything on disks, but for its settings, and for what its clients keep past the server."""
        files = [database["file"] for database in self.databases]
        return [self.state_dir, *self.storage_dirs, *filter(None, (*files, self.artifacts))]

    @property
    def version(self) -> str:
        """The MLflow that its server runs: what its link says, and nothing else. Nothing where it has none yet."""
        try:
            return os.path.basename(os.readlink(self.directory / "venv"))
        except FileNotFoundError:
            return ""

    @property
    def python(self) -> str:
        """The interpreter of the MLflow that its server runs."""
        return str(self.directory / "venv" / "bin" / "python")

    @property
    def server(self) -> str:
        """The unit of its server."""
        return f"mlflow@{self.name}.service"

    @property
    def at_postgresql(self) -> str:
        """What this host calls itself at PostgreSQL, which keeps so much of a name."""
        return f"mlflow@{self.name}@{self.replica}"[:63]

    def own(self, path: Path) -> None:
        """Give a directory that root has made to the team's account."""
        account = pwd.getpwnam(self.account)
        os.chown(path, account.pw_uid, account.pw_gid)

    def run(self, command: list[str], seconds: float, **options: Any) -> commands.Done:
        """Run a command as the team's account, so that it can do no more than the server could."""
        return commands.run(command, seconds, self.account, **options)

    def printed(self, command: list[str], problem: Callable[[str], Exception], seconds: float, **options: Any) -> str:
        """Return what it prints then; raise a problem with why where it fails."""
        return commands.printed(command, problem, seconds, self.account, **options)


def load(name: str, config_dir: Path | None = None) -> Team:
    """Return a team; UnknownTeamError where this host has none of the name."""
    config_dir = config_dir or paths.HERE.config
    try:
        known = json.loads((config_dir / name / "team.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnknownTeamError(f"team: this host has no team '{name}'") from None
    # Teams were written down with a version once, which could be that of before an upgrade.
    known.pop("version", None)
    return Team(**known, config_dir=config_dir)


def refuse_unknown(wanted: Iterable[str]) -> None:
    """Raise for the first of these names of which this host has no team, however little can be read of one."""
    for name in wanted:
        with contextlib.suppress(TypeError, ValueError):
            load(name)


def names(config_dir: Path | None = None) -> list[str]:
    """Return the names of the host's teams."""
    return sorted(file.parent.name for file in (config_dir or paths.HERE.config).glob("*/team.json"))
