"""What a team's server finds in its environment: root reads it, and hands it to that server alone.

As EnvironmentFile= of the unit it would also be there for what root runs before the server, from the first moment on:
the loader of every program obeys variables, long before the program could clear them.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
from pathlib import Path

from mlflowctl import environment_file, paths
from mlflowctl.team import Team

# The later one counts.
FILES = ("environment", "secrets.env", "bootstrap.env")
HANDED_OVER = "settings.json"
# Of what mlflow-gc@ needs, what is root's.
CREDENTIALS = ("team.json", "admin_password")


def read(team: Team, files: tuple[str, ...] = FILES) -> dict[str, str]:
    """Return the server's own variables."""
    found: dict[str, str] = {}
    for name in files:
        # The last one is only there until the first start is over.
        with contextlib.suppress(FileNotFoundError):
            found.update(environment_file.read(team.directory / name))
    return found


def hand_over(team: Team) -> None:
    """Write them where the account finds them once."""
    write(team, Path(team.socket).parent, {HANDED_OVER: json.dumps(read(team))})


def hand_over_to_garbage_collection(team: Team) -> None:
    """Write those without secrets of the server's own, and with what the collection asks the server."""
    files = {name: (team.directory / name).read_text(encoding="utf-8") for name in CREDENTIALS}
    write(team, paths.HERE.garbage / team.name, {**files, HANDED_OVER: json.dumps(read(team, FILES[:1]))})


def write(team: Team, place: Path, files: dict[str, str]) -> None:
    """Write files for the account. The directory is the account's: no link is followed there."""
    account = pwd.getpwnam(team.account)
    directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name, content in files.items():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with open(os.open(name, flags, 0o400, dir_fd=directory), "w", encoding="utf-8") as file:
                file.write(content)
                os.fchown(file.fileno(), account.pw_uid, account.pw_gid)
    finally:
        os.close(directory)
