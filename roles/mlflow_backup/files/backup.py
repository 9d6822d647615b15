"""Makes one snapshot of a team while its server runs or sleeps: people before runs, runs before artifacts.

In that order a run or an artifact can at worst be newer than what points to it. A sleeping server stays asleep, since
its databases are copied as files.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import contents
import databases
import team as teams
from changes import Change, ChangeError
from databases import DatabaseError
from repository import CACHE_DIR, BackupError, Repository, Settings, settings
from team import Team

LOCKS = Path("/run/mlflow-backup")
# Left free beside the copies, so that no team stops for want of space.
SPARE_BYTES = 200 << 20
# How often to look again when artifacts were replaced or removed while they were read.
TRIES = 3


@contextlib.contextmanager
def alone(what: str) -> Iterator[None]:
    """Wait for whoever does the same, and do it alone."""
    LOCKS.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(LOCKS / f"{what}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def fresh(path: Path, mode: int = 0o700) -> Path:
    """Return an empty directory of root's, whatever was there before."""
    remove(path)
    path.mkdir(mode=0o700)
    # Whatever the umask.
    path.chmod(mode)
    return path


def remove(path: Path) -> None:
    """Remove what is there, and no more: a link is not followed."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def megabytes(size: int) -> str:
    """Return a size as people read it."""
    return f"{(size + (1 << 20) - 1) >> 20:,} MB"


def refuse_without_space(place: Path, needed: int, remedy: str) -> None:
    """Say early, and clearly, that a disk is too full."""
    free = shutil.disk_usage(place).free
    if free < needed + SPARE_BYTES:
        raise BackupError(
            f"{place} has {megabytes(free)} free, and {megabytes(needed + SPARE_BYTES)} are needed; {remedy}"
        )


def look_at(team: Team, action: str, path: Path, feed: str = "") -> str:
    """Return what contents.py prints of something that belongs to the team."""
    done = team.run([sys.executable, "-E", contents.__file__, action, str(path)], capture_output=True, input=feed)
    if done.returncode != 0:
        raise BackupError(done.stderr.strip())
    return done.stdout


def copy_databases(team: Team, stage: Path) -> list[dict[str, Any]]:
    """Copy them and the settings at a moment when nobody changes the team; return what is in them."""
    copies = stage / "databases"
    copies.mkdir(mode=0o700)
    if os.geteuid() == 0:
        team.own(copies)
    with Change(team, "copying its databases"):
        for database in team.databases:
            databases.copy(team, database, copies / f"{database['name']}{databases.suffix(database)}")
        shutil.copytree(team.directory, stage / "settings", symlinks=True, ignore=shutil.ignore_patterns(".*"))
    found = []
    for database in team.databases:
        copy = f"{database['name']}{databases.suffix(database)}"
        tables = json.loads(look_at(team, "tables", copies / copy))
        found.append({"name": database["name"], "kind": databases.kind(database), "copy": copy, "tables": tables})
    return found


def take(team: Team, repository: Repository, stage: Path, tags: list[str]) -> tuple[str, dict[str, Any]]:
    """Make the snapshot; return its identity and its manifest."""
    began = time.time_ns()
    manifest = {
        "format": 1,
        "team": team.name,
        "host": repository.known.host,
        "time": datetime.datetime.fromtimestamp(began / 1e9, datetime.timezone.utc).isoformat(),
        "began": began,
        "mlflow_version": team.version,
        "admin_username": team.admin_username,
        "databases": copy_databases(team, stage),
    }
    manifest["counts"] = contents.counts(database["tables"] for database in manifest["databases"])
    directory = Path(team.artifacts) if team.artifacts and Path(team.artifacts).is_dir() else None
    known = Path(CACHE_DIR) / "artifacts" / f"{team.name}.jsonl"
    for attempt in range(1, TRIES + 1):
        files = list_artifacts(team, directory, known, stage)
        # Without a directory, another store has them, and keeps them: they are not in the snapshot.
        size = sum(file["size"] for file in files.values())
        manifest["artifacts"] = {"directory": team.artifacts, "files": len(files), "bytes": size}
        (stage / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        paths = [str(stage), *([str(directory)] if directory else [])]
        identity, unread = repository.backup(paths, tags, f"{contents.UNFINISHED}*")
        missing = serious(unread, directory, files)
        if not missing and (
            attempt == TRIES or not directory or all(is_as_it_was(directory, it) for it in files.values())
        ):
            break
        repository.forget(identity)
        if missing:
            raise BackupError("could not be read: " + "; ".join(missing[:5]))
    return identity, manifest


def list_artifacts(team: Team, directory: Path | None, known: Path, stage: Path) -> dict[str, dict[str, Any]]:
    """Describe the artifacts as they are; those of the last time that have not changed are not read again."""
    if directory is None:
        listed = ""
    else:
        listed = look_at(team, "artifacts", directory, known.read_text(encoding="utf-8") if known.exists() else "")
        known.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = known.with_suffix(".new")
        part.write_text(listed, encoding="utf-8")
        part.replace(known)
    (stage / "artifacts.jsonl").write_text(listed, encoding="utf-8")
    return contents.read_files(listed.splitlines())


def is_as_it_was(directory: Path, file: dict[str, Any]) -> bool:
    """Say whether an artifact is still the one that was looked at."""
    try:
        facts = os.lstat(directory / file["path"])
    except OSError:
        return False
    return (facts.st_ino, facts.st_size, facts.st_mtime_ns) == (file["inode"], file["size"], file["mtime"])


def serious(unread: list[tuple[str, str]], directory: Path | None, files: dict[str, dict[str, Any]]) -> list[str]:
    """Return what could not be read and should have been: artifacts may go, or come, while they are read."""
    found = []
    for path, why in unread:
        artifact = directory is not None and Path(path).is_relative_to(directory)
        file = files.get(os.path.relpath(path, directory)) if artifact else None
        if not artifact or (file and directory and is_as_it_was(directory, file)):
            found.append(f"{path}: {why}")
    return found


def back_up(team: Team, known: Settings, tags: list[str]) -> dict[str, Any]:
    """Make a snapshot and let go of old ones; return what is in it."""
    repository = Repository(known, team.name)
    home = Path(known.staging_dir)
    # Where the team's account may pass and not look.
    stage = fresh(home / team.name, 0o711)
    try:
        needed = sum(databases.size(team, database) for database in team.databases)
        refuse_without_space(home, needed, "free some, or set mlflow_backup_staging_dir to where there is more")
        identity, manifest = take(team, repository, stage, tags)
        repository.thin_out()
    finally:
        remove(stage)
    return {
        "team": team.name,
        "snapshot": identity[:8],
        **{key: manifest[key] for key in ("time", "counts", "artifacts")},
    }


def main(name: str, *tags: str) -> None:
    """Back up one team, when no other is being backed up."""
    # What it writes has secrets in it.
    os.umask(0o077)
    with alone("backup"):
        print(json.dumps(back_up(teams.load(name), settings(), list(tags))))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyError as error:
        sys.exit(f"team: this host has no team {error}")
    except (BackupError, ChangeError, DatabaseError, OSError) as error:
        sys.exit(str(error))
