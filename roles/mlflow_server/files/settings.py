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

import environment_file
from team import Team

# The later one counts.
FILES = ("environment", "secrets.env", "bootstrap.env")
HANDED_OVER = "settings.json"


def read(team: Team) -> dict[str, str]:
    """Return the server's own variables."""
    found: dict[str, str] = {}
    for name in FILES:
        # The last one is only there until the first start is over.
        with contextlib.suppress(FileNotFoundError):
            found.update(environment_file.read(team.directory / name))
    return found


def hand_over(team: Team) -> None:
    """Write them where the account finds them once. The directory is the account's: no link is followed there."""
    account = pwd.getpwnam(team.account)
    directory = os.open(Path(team.socket).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(HANDED_OVER, dir_fd=directory)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with open(os.open(HANDED_OVER, flags, 0o400, dir_fd=directory), "w", encoding="utf-8") as file:
            json.dump(read(team), file)
            os.fchown(file.fileno(), account.pw_uid, account.pw_gid)
    finally:
        os.close(directory)
