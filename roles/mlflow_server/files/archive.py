"""One file with all that a team had: its settings and secrets, copies of its databases, and perhaps its artifacts."""

from __future__ import annotations

import json
import os
import stat
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import changes
import databases
import locations
from find_retired import is_account
from team import Team, sync

# Models hardly get smaller; more than this only takes time.
COMPRESSION = 3
MARGIN = 64 * 1024**2


class ArchiveError(Exception):
    """Why there is no archive."""


def can_copy(database: dict[str, str]) -> bool:
    """Say whether there is a way to copy it here."""
    try:
        databases.refuse_unknown(database)
    except databases.DatabaseError:
        return False
    return True


def prepare(directory: Path) -> None:
    """Make the directory, or see that nobody else can change what is in it."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = os.lstat(directory)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ArchiveError(
            f"mlflow_server_archive_dir: others can write to {directory}; give root a directory of its own (0700)"
        )


def tree_size(path: Path) -> int:
    """Return how many bytes the files below a directory have."""
    found = (os.path.join(folder, name) for folder, _folders, names in os.walk(path) for name in names)
    # Its server may still be running.
    return sum(os.lstat(file).st_size for file in found if os.path.lexists(file))


def check_space(team: Team, directory: Path, with_artifacts: bool) -> None:
    """Raise where the copies and the archive would not fit, before anything is stopped."""
    try:
        copies = sum(databases.size(team, database) for database in team.databases if can_copy(database))
    except FileNotFoundError as error:
        raise ArchiveError(f"{error.filename} is needed for its database; install postgresql-client") from None
    archive = copies + (tree_size(Path(team.artifacts)) if with_artifacts and team.artifacts else 0)
    wanted: dict[int, int] = {}
    for place, size in ((changes.HOME.parent, copies), (directory, archive)):
        device = os.stat(place).st_dev
        wanted[device] = wanted.get(device, MARGIN) + size
        found = os.statvfs(place)
        if found.f_bavail * found.f_frsize < wanted[device]:
            need = wanted[device] // 1024**2
            raise ArchiveError(f"mlflow_server_archive_dir: the archive needs {need} MB, which {place} does not have")


def find_elsewhere(team: Team, copy: Path) -> str:
    """Say which artifacts a copy of a database knows of that are at places of people's own, and in no archive."""
    known = json.dumps({"artifacts": team.artifacts, "accepted": []})
    done = team.run([sys.executable, "-Es", locations.__file__, str(copy), known], capture_output=True)
    if done.returncode != 0:
        return f"it cannot be read which artifacts are elsewhere: {done.stderr.strip()}"
    return locations.described(json.loads(done.stdout))


def write(team: Team, directory: Path, with_artifacts: bool) -> tuple[Path, list[str]]:
    """Write the archive of a team whose server is stopped; return where it is, and what it cannot have."""
    elsewhere: list[str] = []

    def fill(tar: tarfile.TarFile) -> None:
        if team.directory.exists():
            tar.add(team.directory, "config")
        for database in filter(can_copy, team.databases):
            if database["file"] and not is_account(team.account):
                # Nobody is left who could be writing, and nobody who could copy it.
                for file in filter(os.path.exists, databases.files(database["file"])):
                    tar.add(file, f"databases/{os.path.basename(file)}")
                continue
            copy = changes.workshop(team) / f"{database['name']}{databases.suffix(database)}"
            try:
                databases.copy(team, database, copy)
                tar.add(copy, f"databases/{copy.name}")
                elsewhere.extend(filter(None, [find_elsewhere(team, copy)]))
            finally:
                copy.unlink(missing_ok=True)
        if with_artifacts:
            add_artifacts(tar, team.artifacts)

    return write_tar(directory, team.name, "", fill), elsewhere


def write_artifacts(name: str, artifacts: str, directory: Path) -> Path:
    """Write what the archive of a team's retirement has not, before the data go."""
    return write_tar(directory, name, "-artifacts", lambda tar: add_artifacts(tar, artifacts))


def add_artifacts(tar: tarfile.TarFile, artifacts: str | None) -> None:
    """Add the directory, where there is one: it begins with the first artifact."""
    if artifacts and os.path.isdir(artifacts):
        tar.add(artifacts, "artifacts")


def write_tar(directory: Path, name: str, ending: str, fill: Callable[[tarfile.TarFile], None]) -> Path:
    """Write it aside and rename it when it is whole and on disk."""
    for old in directory.glob(f".{name}-*.part"):
        old.unlink()
    path = directory / f"{name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}{ending}.tar.gz"
    part = directory / f".{path.name}.part"
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=COMPRESSION) as tar:
                fill(tar)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync(str(directory))
    return path
