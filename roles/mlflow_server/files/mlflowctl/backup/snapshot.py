"""Makes one snapshot of a team while its server runs or sleeps: people before runs, runs before artifacts.

In that order a run or an artifact can at worst be newer than what points to it. A sleeping server stays asleep, since
its databases are copied as files.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
import os
import shutil
import time
from pathlib import Path
from typing import IO, Any

from mlflowctl import client_root, commands, databases, holes, locations, paths, patience, trees
from mlflowctl import team as teams
from mlflowctl.backup import contents
from mlflowctl.backup.lists import LIST, files_of, put_in_order, sum_up
from mlflowctl.backup.repository import Repository, Settings, settings
from mlflowctl.backup.restic import BackupError
from mlflowctl.client_root import Held, LeftError
from mlflowctl.errors import named
from mlflowctl.files import fresh, remove
from mlflowctl.program import PROGRAM
from mlflowctl.team import Team
from mlflowctl.transaction import Change
from mlflowctl.turns import alone, in_turn, note, tell

# Seconds to wait for other teams of the host: for their databases, and until what they have is in the repository.
# One that is stuck keeps nobody waiting for longer, and its unit has an end.
COPY_PATIENCE, STORE_PATIENCE = 900, 7200
# Left free beside the copies, so that no team stops for want of space.
SPARE_BYTES = 200 << 20
# How often to look again when artifacts were replaced or removed while they were read.
TRIES = 3


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


def look_at(team: Team, action: str, path: Path, seconds: int = commands.WORK_SECONDS, **files: IO[str]) -> str:
    """Return what contents.py prints of something that belongs to the team, unless that goes to a file."""
    command = [*PROGRAM, "contents", action, str(path)]
    return team.printed(command, BackupError, seconds, **files)


def list_within(handle: int, known: IO[str], listed: IO[str]) -> str:
    """List the directory of clients, where root alone may read everything; say what is missed."""
    command = [*PROGRAM, "contents", "within", str(handle)]
    try:
        done = commands.run(command, commands.WORK_SECONDS, stdin=known, stdout=listed, pass_fds=(handle,))
    except commands.LateError as error:
        raise LeftError(f"{trees.where(handle)}: {error}") from None
    if done.returncode != 0:
        raise LeftError(f"{trees.where(handle)}: {commands.said(command, done)}")
    return done.stderr.strip()


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
        tables = json.loads(look_at(team, "tables", copies / copy, databases.seconds_to_read(copies / copy)))
        found.append({"name": database["name"], "kind": databases.kind(database), "copy": copy, "tables": tables})
    return found


def artifacts_of(team: Team) -> Path | None:
    """Return the directory of artifacts that this host has; raise where its disk does not answer."""
    place = Path(team.artifacts or "")
    try:
        return place if team.artifacts and patience.waited_for(patience.DISK_SECONDS, place.is_dir) else None
    except commands.LateError as error:
        raise BackupError(f"{place} {error}") from None


def find_elsewhere(team: Team, copies: Path, accepted: list[str], clients: Held) -> dict[str, Any]:
    """Return which artifacts are at places of people's own on a disk, which no snapshot has."""
    own = team.artifacts or (None if clients.accepted else team.client_root)
    known = json.dumps({"artifacts": own, "accepted": accepted})
    found: dict[str, Any] = {"accepted": 0, "others": 0, "names": []}
    written = [copies / f"{it['name']}{databases.suffix(it)}" for it in team.databases]
    looks = [(it, databases.seconds_to_read(it)) for it in written]
    # MLflow follows links that somebody has put among its artifacts, and no snapshot has what they lead to.
    looks += [(it, commands.WORK_SECONDS) for it in filter(None, [artifacts_of(team)])]
    for place, seconds in looks:
        told = team.printed([*PROGRAM, "locations", str(place), known], BackupError, seconds)
        for key, value in json.loads(told).items():
            found[key] += value
    return found


def prepare(team: Team, known: Settings, stage: Path, clients: Held) -> dict[str, Any]:
    """Copy what the team's server writes to, and begin the manifest."""
    began = time.time_ns()
    manifest: dict[str, Any] = {
        "format": 1,
        "team": team.name,
        "host": known.host,
        "time": datetime.datetime.fromtimestamp(began / 1e9, datetime.timezone.utc).isoformat(),
        "began": began,
        "mlflow_version": team.version,
        "admin_username": team.admin_username,
        "databases": copy_databases(team, stage),
    }
    manifest["counts"] = contents.counts(database["tables"] for database in manifest["databases"])
    manifest["elsewhere"] = find_elsewhere(team, stage / "databases", known.elsewhere, clients)
    return manifest


def store(
    team: Team, repository: Repository, stage: Path, tags: list[str], manifest: dict[str, Any], clients: Held
) -> str:
    """Make the snapshot; return its identity."""
    directory = Path(clients.path) if clients.path else artifacts_of(team)
    # Clients do not stop writing past the server, and what they change meanwhile is seen when it is restored.
    tries = 1 if clients.path else TRIES
    known = paths.HERE.cache / "artifacts" / f"{team.name}.jsonl"
    for attempt in range(1, tries + 1):
        try:
            missed = list_artifacts(team, directory, known, stage, clients.handle)
            if missed:
                clients = dataclasses.replace(clients, left=f"{clients.path}: {missed}")
        except LeftError as error:
            # There is all the rest.
            clients, directory = Held(left=f"the artifacts of its clients are left: {error}"), None
            (stage / LIST).write_text("", encoding="utf-8")
        # Without a directory, another store has them, and keeps them: they are not in the snapshot.
        manifest["artifacts"] = {"directory": clients.path or team.artifacts, **sum_up(stage / LIST)}
        if team.client_root:
            left = json.dumps(clients.left)[1:-1]
            manifest["artifacts"].update(clients=bool(clients.path), left=left, known=clients.accepted)
        (stage / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        stored = [str(stage), *([str(directory)] if directory else [])]
        identity, unread = repository.backup(stored, tags, f"{contents.UNFINISHED}*", largest(stage))
        missing = [*serious(unread, directory, stage / LIST), *exchanged(clients)]
        if not missing and (
            attempt == tries or not directory or all(is_as_it_was(directory, it) for it in files_of(stage / LIST))
        ):
            break
        repository.forget(identity)
        if missing:
            raise BackupError("could not be read: " + "; ".join(missing[:5]))
    return identity


def list_artifacts(team: Team, directory: Path | None, known: Path, stage: Path, handle: int | None) -> str:
    """List the artifacts as they are, and say what is missed; those that have not changed are not read again."""
    place, missed = stage / LIST, ""
    place.write_text("", encoding="utf-8")
    if directory is None:
        return missed
    known.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    known.touch()
    put_in_order(known)
    with open(known, encoding="utf-8") as former, open(place, "w", encoding="utf-8") as listed:
        if handle is None:
            look_at(team, "artifacts", directory, stdin=former, stdout=listed)
        else:
            missed = list_within(handle, former, listed)
    if handle is not None and known.stat().st_size and not place.stat().st_size:
        raise LeftError(
            f"{directory} has nothing in it, and had {sum(1 for _file in files_of(known))} artifacts of clients at the "
            f"last backup; is its disk mounted? If it is indeed empty, remove {known}"
        )
    part = known.with_suffix(".new")
    shutil.copyfile(place, part)
    part.replace(known)
    return missed


def largest(stage: Path) -> int:
    """Return how many bytes no file has that is to be in the snapshot, however it grows while it is read."""
    seen = (file["size"] for file in files_of(stage / LIST))
    own = (path.lstat().st_size for path in stage.rglob("*"))
    return max(holes.MOST, 2 * max(itertools.chain(seen, own), default=0))


def is_as_it_was(directory: Path, file: dict[str, Any]) -> bool:
    """Say whether an artifact is still the one that was looked at."""
    try:
        facts = os.lstat(directory / file["path"])
    except OSError:
        return False
    return (facts.st_ino, facts.st_size, facts.st_mtime_ns) == (file["inode"], file["size"], file["mtime"])


def serious(unread: list[tuple[str, str]], directory: Path | None, listed: Path) -> list[str]:
    """Return what could not be read and should have been: artifacts may go, or come, while they are read."""
    found = []
    wanted = {os.path.relpath(path, directory) for path, _why in unread if directory}
    files = {file["path"]: file for file in files_of(listed) if file["path"] in wanted} if wanted else {}
    for path, why in unread:
        artifact = directory is not None and Path(path).is_relative_to(directory)
        file = files.get(os.path.relpath(path, directory)) if artifact else None
        if not artifact or (file and directory and is_as_it_was(directory, file)):
            found.append(f"{named(path)}: {why}")
    return found


def exchanged(clients: Held) -> list[str]:
    """Say that restic, which knows a directory by its path alone, has perhaps read another one than was looked at."""
    if clients.path is None or clients.handle is None:
        return []
    try:
        now = os.stat(clients.path, follow_symlinks=False)
    except OSError:
        now = None
    held = os.fstat(clients.handle)
    if now and (now.st_dev, now.st_ino) == (held.st_dev, held.st_ino):
        return []
    return [f"{clients.path}: something else was put in its place meanwhile"]


def back_up(team: Team, known: Settings, tags: list[str]) -> dict[str, Any]:
    """Make a snapshot and let go of old ones; return what is in it."""
    repository = Repository(known, team.name)
    home = Path(known.staging_dir)
    patience.refuse_silent(team.places)
    with alone(f"backup-{team.name}"), client_root.held(team, known.elsewhere) as clients:
        # Where the team's account may pass and not look.
        stage = fresh(home / team.name, 0o711)
        try:
            with in_turn("copy", COPY_PATIENCE):
                needed = sum(databases.size(team, database) for database in team.databases)
                refuse_without_space(home, needed, "free some, or set mlflow_backup_staging_dir to where there is more")
                manifest = prepare(team, known, stage, clients)
            with in_turn("backup", STORE_PATIENCE):
                identity = store(team, repository, stage, tags, manifest, clients)
                future = repository.thin_out()
            copied = sum(path.stat().st_size for path in (stage / "databases").iterdir())
        finally:
            remove(stage)
    told = {key: manifest[key] for key in ("time", "counts", "artifacts", "elsewhere")}
    kept = manifest["artifacts"]
    note(
        team.name,
        "backup",
        {"began": manifest["began"] / 1e9, "bytes": copied + kept["bytes"], "files": kept["files"]},
    )
    return {"team": team.name, "snapshot": identity[:8], **told, "future": future}


def complaints(told: dict[str, Any]) -> list[str]:
    """Return what somebody has to do something about, though there is a snapshot."""
    found = []
    elsewhere = locations.described(told["elsewhere"])
    if elsewhere:
        found.append(
            f"{elsewhere}, and so in no backup; move them, or say in mlflow_backup_elsewhere that it is known of them"
        )
    artifacts = told["artifacts"]
    if artifacts.get("left") and not artifacts["known"]:
        found.append(
            f"{artifacts['left']}, and so in no backup; put it right, or say in mlflow_backup_elsewhere "
            "that it is known of them"
        )
    if told["future"]:
        found.append(
            f"{', '.join(told['future'])}: dated in the future, so that no old snapshot is let go of; see that the "
            "clocks are right, and remove what is not (restic forget ID)"
        )
    return found


def main(name: str, *tags: str) -> None:
    """Back up one team; others of the host do it in turn."""
    # What it writes has secrets in it.
    os.umask(0o077)
    told = back_up(teams.load(name), settings(), list(tags))
    print(json.dumps(told), flush=True)
    tell(name, told)
    found = complaints(told)
    if found:
        # A warning that nobody reads is none: the unit has failed, and what OnFailure= names is started.
        raise BackupError(f"snapshot {told['snapshot']} is made, but: {'; '.join(found)}")
