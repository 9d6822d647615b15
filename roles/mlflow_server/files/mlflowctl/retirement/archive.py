"""One file with all that a team had: its settings and secrets, copies of its databases, and perhaps its artifacts."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tarfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from mlflowctl import client_root, databases, locations, paths, transaction, trees
from mlflowctl.databases import sqlite
from mlflowctl.errors import DatabaseError, Problem
from mlflowctl.files import remove, sync
from mlflowctl.holes import Holes
from mlflowctl.program import PROGRAM
from mlflowctl.retirement.find import is_account
from mlflowctl.team import Team

# Models hardly get smaller; more than this only takes time.
COMPRESSION = 3
MARGIN = 64 * 1024**2
STAMP, PAUSE = "%Y%m%dT%H%M%SZ", 0.1


class ArchiveError(Problem):
    """Why there is no archive."""


def can_copy(database: dict[str, str]) -> bool:
    """Say whether there is a way to copy it here."""
    try:
        databases.refuse_unknown(database)
    except DatabaseError:
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
    """Return how many bytes the files below a directory have, where there is one."""
    try:
        root = trees.open_directory(path, [path])
    except (trees.LinkError, FileNotFoundError, NotADirectoryError):
        return 0
    try:
        # Its server may still be running.
        return size_within(trees.walk(root, changing=True))
    finally:
        os.close(root)


def size_within(walk: Iterable[tuple[int, os.stat_result, tuple[str, ...]]]) -> int:
    """Return how many bytes the files of a walk have; raise where most of that has nobody written."""
    total, holes = 0, Holes()
    for folder, facts, parts in walk:
        if not stat.S_ISREG(facts.st_mode):
            continue
        total += facts.st_size
        if facts.st_blocks * 512 < facts.st_size:
            # What is gone meanwhile, or not for root to read, is none of it.
            with contextlib.suppress(OSError), trees.open_file(folder, parts[-1]) as file:
                holes.add(file.fileno(), "/".join(parts))
    return total


def check_space(team: Team, directory: Path, with_artifacts: bool) -> None:
    """Raise where the copies and the archive would not fit, before anything is stopped."""
    try:
        copies = sum(databases.size(team, database) for database in team.databases if can_copy(database))
    except FileNotFoundError as error:
        raise ArchiveError(f"{error.filename} is needed for its database; install postgresql-client") from None
    archive = copies + (tree_size(Path(team.artifacts)) if with_artifacts and team.artifacts else 0)
    archive += clients_size(team) if with_artifacts else 0
    wanted: dict[int, int] = {}
    for place, size in ((paths.HERE.changes.parent, copies), (directory, archive)):
        device = os.stat(place).st_dev
        wanted[device] = wanted.get(device, MARGIN) + size
        found = os.statvfs(place)
        if found.f_bavail * found.f_frsize < wanted[device]:
            need = wanted[device] // 1024**2
            raise ArchiveError(f"mlflow_server_archive_dir: the archive needs {need} MB, which {place} does not have")


def find_elsewhere(team: Team, copy: Path) -> str:
    """Say which artifacts a copy of a database knows of that are at places of people's own, and in no archive."""
    known = json.dumps({"artifacts": team.artifacts or team.client_root, "accepted": []})
    command = [*PROGRAM, "locations", str(copy), known]
    try:
        told = team.printed(command, ArchiveError, databases.seconds_to_read(copy))
    except ArchiveError as error:
        return f"it cannot be read which artifacts are elsewhere: {error}"
    return locations.described(json.loads(told))


def empty_workshop(team: Team) -> Path:
    """Return the directory in which the account copies, without anything that it may have put there before."""
    remove(paths.HERE.changes / team.name)
    return transaction.workshop(team)


def write(team: Team, directory: Path, with_artifacts: bool, own: list[Path]) -> tuple[Path, list[str]]:
    """Write the archive of a team of which nothing runs; return where it is, and what it cannot have."""
    elsewhere: list[str] = []

    def fill(tar: tarfile.TarFile) -> None:
        if team.directory.exists():
            tar.add(team.directory, "config")
        for database in filter(can_copy, team.databases):
            if database["file"] and not is_account(team.account):
                # Nobody is left who could be writing, and nobody who could copy it.
                for file in filter(os.path.lexists, sqlite.files(database["file"])):
                    add_file(tar, Path(file), own, f"databases/{os.path.basename(file)}")
                continue
            copy = empty_workshop(team) / f"{database['name']}{databases.suffix(database)}"
            try:
                databases.copy(team, database, copy)
                add_file(tar, copy, [copy.parent], f"databases/{copy.name}")
                elsewhere.extend(filter(None, [find_elsewhere(team, copy)]))
            finally:
                copy.unlink(missing_ok=True)
        if with_artifacts:
            elsewhere.extend(add_artifacts(tar, team.artifacts, own))
            elsewhere.extend(add_clients(tar, team))

    return write_tar(directory, team.name, "", fill), elsewhere


def write_artifacts(team: Team, directory: Path, own: list[Path]) -> tuple[Path, list[str]]:
    """Write what the archive of a team's retirement has not, before the data go; return what it cannot have, too."""
    left: list[str] = []

    def fill(tar: tarfile.TarFile) -> None:
        left.extend((*add_artifacts(tar, team.artifacts, own), *add_clients(tar, team)))

    return write_tar(directory, team.name, "-artifacts", fill), left


def clients_size(team: Team) -> int:
    """Return how many bytes the clients of a team have written past the server, where an archive can have them."""
    with client_root.held(team) as clients:
        found = () if clients.handle is None else trees.walk(clients.handle, changing=True, but=(OSError,))
        return size_within(found)


def add_clients(tar: tarfile.TarFile, team: Team) -> list[str]:
    """Add what they have written; it stays where it is, too. Return what is not added, in words."""
    with client_root.held(team) as clients:
        if clients.handle is None:
            return [clients.left] if clients.left else []
        left = add_tree(tar, clients.handle, clients=True)
    return [f"{left} files below {clients.path} are not regular files, or were changed meanwhile"] if left else []


def add_file(tar: tarfile.TarFile, path: Path, own: list[Path], name: str) -> None:
    """Add a file that stands in a directory of the team's."""
    folder = trees.open_directory(path.parent, own)
    try:
        with trees.open_file(folder, path.name) as file:
            tar.addfile(tar.gettarinfo(arcname=name, fileobj=file), file)
    finally:
        os.close(folder)


def add_artifacts(tar: tarfile.TarFile, artifacts: str | None, own: list[Path]) -> list[str]:
    """Add the directory, where there is one: it begins with the first artifact. Return what is not added, in words."""
    if not artifacts or not os.path.lexists(artifacts):
        return []
    try:
        root = trees.open_directory(Path(artifacts), own)
    except trees.LinkError as error:
        return [f"{error} of its account's, where nothing is looked for"]
    try:
        left = add_tree(tar, root)
    finally:
        os.close(root)
    return [f"{left} files below {artifacts} are others', or no files"] if left else []


def add_tree(tar: tarfile.TarFile, root: int, clients: bool = False) -> int:
    """Add all below a directory; return how much is left: names of others' files, and what no artifact is.

    What clients have put there is of many accounts, and of nobody else.
    """
    top, left = os.fstat(root), 0
    tar.addfile(entry("artifacts", top, tarfile.DIRTYPE))
    missed = trees.Missed()
    # What a user has mounted there, root may not even look at.
    passed: tuple[type[OSError], ...] = (OSError,) if clients else ()
    for folder, facts, parts in trees.walk(root, clients, passed, missed=missed.add):
        is_own = clients or facts.st_nlink == 1 or facts.st_uid == top.st_uid
        try:
            left += not add_entry(tar, "/".join(("artifacts", *parts)), folder, facts, is_own)
        except OSError:
            # Clients go on working: it is gone, or is something else by now.
            if not clients:
                raise
            left += 1
        forget(tar, facts)
    return left + missed.count


def forget(tar: tarfile.TarFile, facts: os.stat_result) -> None:
    """Have it keep nothing of what was added, as it would for who reads it: there may be millions."""
    kept: Any = tar
    kept.members.clear()
    if facts.st_nlink == 1:
        kept.inodes.pop((facts.st_ino, facts.st_dev), None)


def add_entry(tar: tarfile.TarFile, name: str, folder: int, facts: os.stat_result, is_own: bool) -> bool:
    """Add what is in a directory; say whether all of it could be."""
    base = os.path.basename(name)
    if stat.S_ISREG(facts.st_mode) and is_own:
        with trees.open_file(folder, base) as file:
            content = Whole(file)
            tar.addfile(tar.gettarinfo(arcname=name, fileobj=file), content)
        return not content.short
    if stat.S_ISDIR(facts.st_mode):
        tar.addfile(entry(name, facts, tarfile.DIRTYPE))
    elif stat.S_ISLNK(facts.st_mode):
        tar.addfile(entry(name, facts, tarfile.SYMTYPE, os.readlink(base, dir_fd=folder)))
    else:
        return False
    return True


class Whole:
    """A file that has as much as was said of it, also when somebody cuts it off meanwhile: what follows stays whole."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.short = file, False

    def read(self, size: int = -1, /) -> bytes:
        """Return as many bytes, zeros where there is nothing more."""
        found = self.file.read(size)
        self.short |= len(found) < size
        return found.ljust(size, b"\0")


def entry(name: str, facts: os.stat_result, kind: bytes, link: str = "") -> tarfile.TarInfo:
    """Describe what has no content."""
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.mode = kind, link, stat.S_IMODE(facts.st_mode)
    found.uid, found.gid, found.mtime = facts.st_uid, facts.st_gid, facts.st_mtime
    return found


def write_tar(directory: Path, name: str, ending: str, fill: Callable[[tarfile.TarFile], None]) -> Path:
    """Write it aside and rename it when it is whole and on disk."""
    # Not of a team whose name goes on, which another host may be writing there.
    for old in directory.glob(f".{name}-????????T??????Z*.part"):
        old.unlink()
    # The clock may have been set back since there was an archive of another team of this name.
    while (path := directory / f"{name}-{time.strftime(STAMP, time.gmtime())}{ending}.tar.gz").exists():
        time.sleep(PAUSE)
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
