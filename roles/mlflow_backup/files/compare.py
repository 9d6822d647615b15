"""Whether a snapshot fits a team, and whether restored files are what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import contents
import databases
from repository import BackupError, Repository, Snapshot
from team import Team

MANIFEST = "manifest.json"


def read_manifest(repository: Repository, snapshot: Snapshot) -> tuple[str, dict[str, Any]]:
    """Return where the snapshot has its copies, and what it says about itself."""
    for path in snapshot["paths"]:
        if not repository.is_roots(snapshot, f"{path}/{MANIFEST}"):
            # Among the artifacts, where the team could have put one.
            reason = BackupError("root has written none")
            continue
        try:
            return path, json.loads(repository.read(snapshot, f"{path}/{MANIFEST}"))
        except BackupError as error:
            reason = error
    raise BackupError(f"snapshot {snapshot['short_id']} has no manifest: {reason}")


def refuse_what_does_not_fit(manifest: dict[str, Any], team: Team) -> None:
    """Say what has to be declared otherwise for the snapshot to be of use."""
    source, into = manifest["team"], team.name
    if manifest["mlflow_version"] != team.version:
        refuse_version(manifest, team)
    if manifest["admin_username"] != team.admin_username:
        raise BackupError(f"admin_username: is '{manifest['admin_username']}' in the snapshot; declare that for {into}")
    kinds = [{it["name"]: it["kind"] for it in manifest["databases"]}]
    kinds.append({it["name"]: databases.kind(it) for it in team.databases})
    if kinds[0] != kinds[1]:
        described = [", ".join(f"{name} in {kind}" for name, kind in found.items()) for found in kinds]
        raise BackupError(
            f"backend_store_uri, auth_database_uri: the snapshot of {source} has {described[0]}, and {into} has "
            f"{described[1]}; declare databases of the same kind"
        )
    if bool(manifest["artifacts"]["directory"]) != bool(team.artifacts):
        raise BackupError(
            f"artifacts: one of {source}'s snapshot and {into} keeps them in a directory, the other does not"
        )


def refuse_version(manifest: dict[str, Any], team: Team) -> None:
    """A team can go back to the MLflow that it had, where that is still installed."""
    version = manifest["mlflow_version"]
    if manifest["team"] != team.name:
        raise BackupError(
            f"version: the snapshot is of MLflow {version}, and {team.name} runs {team.version}; declare that "
            "version for it, restore, and upgrade afterwards"
        )
    environment = Path(os.readlink(team.directory / "venv")).parent / version
    if not environment.is_dir():
        raise BackupError(
            f"version: the snapshot is of MLflow {version}, which is not at {environment}; declare that version for "
            "the team, run the playbook, which installs it and refuses to downgrade, and restore then"
        )


def differences(
    manifest: dict[str, Any], known: str, copies: list[tuple[Path, dict[str, int]]], artifacts: Path | None
) -> Iterator[str]:
    """Say what is not as the snapshot says. All of it is root's now, so that root can look."""
    for copy, tables in copies:
        rows = json.loads(look("tables", copy))
        for table in sorted({*tables, *rows}):
            if tables.get(table) != rows.get(table):
                yield f"{copy.name}: table {table} has {rows.get(table)} rows, and had {tables.get(table)}"
    if artifacts:
        wanted, found = (contents.read_files(text.splitlines()) for text in (known, look("artifacts", artifacts)))
        if len(wanted) != manifest["artifacts"]["files"]:
            yield "the list of artifacts is not whole"
        yield from contents.differences(wanted, found, manifest["began"])


def look(action: str, path: Path) -> str:
    """Return what contents.py prints."""
    command = [sys.executable, "-E", contents.__file__, action, str(path)]
    done = subprocess.run(command, input="", text=True, check=False, capture_output=True)
    if done.returncode != 0:
        raise BackupError(done.stderr.strip())
    return done.stdout
