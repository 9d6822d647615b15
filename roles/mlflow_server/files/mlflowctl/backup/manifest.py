"""Whether a snapshot fits a team, and whether restored files are what it says."""

from __future__ import annotations

import itertools
import json
import os
import pwd
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from mlflowctl import commands, databases, locations, paths
from mlflowctl.backup import contents
from mlflowctl.backup.lists import files_of
from mlflowctl.backup.repository import Repository, Snapshot
from mlflowctl.backup.restic import BackupError
from mlflowctl.errors import hides, named
from mlflowctl.program import PROGRAM
from mlflowctl.team import Team

MANIFEST = "manifest.json"
NOBODY = "nobody"
VERSION = re.compile(r"\d+(\.\d+){1,3}(rc\d+)?", re.ASCII)
COPIES = {"sqlite": ".db", "postgresql": ".dump"}
# So many artifacts a repository is asked for at a time, and so many are named that it never had.
AT_ONCE, MOST_NAMED = 10_000, 10
NAMES = ("auth", "tracking", "mlflow")


def read_manifest(repository: Repository, snapshot: Snapshot) -> tuple[str, dict[str, Any]]:
    """Return where the snapshot has its copies, and what it says about itself."""
    reason = ""
    for path in snapshot["paths"]:
        if not is_plain(path):
            reason = reason or "it is not where one could be"
            continue
        if not repository.is_roots(snapshot, f"{path}/{MANIFEST}"):
            # Among the artifacts, where the team could have put one.
            reason = reason or "root has written none"
            continue
        try:
            manifest = json.loads(repository.read(snapshot, f"{path}/{MANIFEST}"))
        except BackupError as error:
            reason = str(error)
            continue
        except (RecursionError, ValueError):
            manifest = None
        if not is_well_formed(manifest, repository.team):
            raise BackupError(f"snapshot {snapshot['short_id']} has a manifest that no backup of this team has written")
        return path, manifest
    raise BackupError(f"snapshot {snapshot['short_id']} has no manifest: {reason or 'it has no paths'}")


def is_plain(path: object) -> bool:
    """Say whether it is an absolute path that leads nowhere but down, in one line wherever it is written."""
    return (
        isinstance(path, str) and os.path.isabs(path) and os.path.normpath(path) == path and not any(map(hides, path))
    )


def is_number(value: Any) -> bool:
    """Say whether it is a whole number; to Python, true is one."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_well_formed(manifest: Any, team: str) -> bool:
    """Say whether all that paths and commands are made of is as snapshot.py writes it, whoever has written it."""
    try:
        directory, found = manifest["artifacts"]["directory"], manifest["databases"]
        # Those of before had none.
        elsewhere = manifest.get("elsewhere", {"others": 0, "names": []})
        numbers = [
            *(manifest["artifacts"][key] for key in ("files", "bytes")),
            manifest["began"],
            *manifest["counts"].values(),
            *(number for it in found for number in it["tables"].values()),
        ]
        return (
            manifest["team"] == team
            and VERSION.fullmatch(manifest["mlflow_version"]) is not None
            and (directory is None or is_plain(directory))
            and all(isinstance(manifest["artifacts"].get(key, False), bool) for key in ("clients", "known"))
            and locations.is_shown(manifest["artifacts"].get("left", ""))
            and all(it["name"] in NAMES and it["copy"] == it["name"] + COPIES[it["kind"]] for it in found)
            and set(manifest["counts"]) == set(contents.COUNTS)
            and all(map(is_number, numbers))
            and all(isinstance(manifest[key], str) for key in ("time", "host", "admin_username"))
            and not any(map(hides, manifest["time"] + manifest["host"]))
            and is_number(elsewhere["others"])
            and all(map(locations.is_shown, elsewhere["names"]))
        )
    except (AttributeError, KeyError, TypeError):
        return False


def refuse_what_does_not_fit(manifest: dict[str, Any], team: Team) -> None:
    """Say what has to be declared otherwise for the snapshot to be of use."""
    source, into = manifest["team"], team.name
    if manifest["mlflow_version"] != team.version:
        refuse_version(manifest, team)
    if manifest["admin_username"] != team.admin_username:
        admin = named(manifest["admin_username"])
        raise BackupError(f"admin_username: is '{admin}' in the snapshot; declare that for {into}")
    kinds = [{it["name"]: it["kind"] for it in manifest["databases"]}]
    kinds.append({it["name"]: databases.kind(it) for it in team.databases})
    if kinds[0] != kinds[1]:
        described = [", ".join(f"{name} in {kind}" for name, kind in found.items()) for found in kinds]
        raise BackupError(
            f"backend_store_uri, auth_database_uri: the snapshot of {source} has {described[0]}, and {into} has "
            f"{described[1]}; declare databases of the same kind"
        )
    for it in manifest["databases"]:
        others = databases.strangers(team, it["name"], it["tables"]) if it["kind"] == "postgresql" else []
        if others:
            raise BackupError(
                f"snapshot: has tables that are not MLflow's ({locations.shown(', '.join(others[:5]))}), and would put "
                "them back as they were; take a later one, or restore MLflow's by hand with pg_restore"
            )
    own = manifest["artifacts"]["directory"] and not manifest["artifacts"].get("clients")
    if bool(own) != bool(team.artifacts):
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
    if not environment(team, version).is_dir():
        raise BackupError(
            f"version: the snapshot is of MLflow {version}, which is not at {environment(team, version)}; declare that "
            "version for the team, run the playbook, which installs it and refuses to downgrade, and restore then"
        )


def environment(team: Team, version: str) -> Path:
    """Return where this host has a version of MLflow: beside the one that the team runs."""
    return Path(os.readlink(team.directory / "venv")).parent / version


def missing_rows(manifest: dict[str, Any], team: Team) -> Iterator[str]:
    """Say which tables are not as the snapshot's, where the server is going to find them."""
    known = {it["name"]: it["tables"] for it in manifest["databases"]}
    for database in team.databases:
        rows = databases.rows(team, database)
        for table, number in sorted(known[database["name"]].items()):
            if rows.get(table) != number:
                yield f"{database['name']}: table {named(table)} has {rows.get(table)} rows, and had {number}"


def differences(
    manifest: dict[str, Any],
    known: Path,
    copies: list[tuple[Path, dict[str, int]]],
    artifacts: Path | None,
    gone: Gone,
    team: Team | None = None,
) -> Iterator[str]:
    """Say what is not as the snapshot says; what has to be read with more than a checksum, nobody of rank reads.

    The list of artifacts is a file, in order, in a directory of root's alone. What of it is not there is gone.
    """
    for copy, tables in copies:
        rows = json.loads(look_into(copy, manifest["team"], team))
        for table in sorted({*tables, *rows}):
            if tables.get(table) != rows.get(table):
                yield f"{copy.name}: table {named(table)} has {rows.get(table)} rows, and had {tables.get(table)}"
    if artifacts:
        if sum(1 for _file in files_of(known)) != manifest["artifacts"]["files"]:
            yield "the list of artifacts is not whole"
        with tempfile.TemporaryFile("w+", encoding="utf-8", dir=known.parent) as found:
            list_files(artifacts, found)
            found.seek(0)
            there = contents.read_files(found)
            yield from contents.differences(files_of(known), there, manifest["began"], gone.add)


def list_files(directory: Path, listed: IO[str]) -> None:
    """List artifacts, which nobody but root can exchange here, into a file."""
    command = [*PROGRAM, "contents", "artifacts", str(directory)]
    commands.printed(command, BackupError, commands.WORK_SECONDS, stdout=listed)


class Gone:
    """Which artifacts are on a snapshot's list and were not fetched: any number of them, and so in a file."""

    def __init__(self, shop: Path) -> None:
        self.shop = shop
        # Closed on leaving.
        self.file = tempfile.TemporaryFile("w+", encoding="utf-8", dir=shop)  # noqa: SIM115
        # Some that the snapshot never had.
        self.removed: list[str] = []

    def __enter__(self) -> Gone:
        """Begin to note."""
        return self

    def __exit__(self, *_words: object) -> None:
        """Forget all of them."""
        self.file.close()

    def add(self, path: str) -> None:
        """Note one."""
        print(json.dumps(path), file=self.file)

    def paths(self) -> Iterator[str]:
        """Give all of them."""
        self.file.seek(0)
        yield from map(json.loads, self.file)

    def lost(self, repository: Repository, snapshot: Snapshot, directory: str) -> Iterator[str]:
        """Say what the snapshot has all the same.

        It was made while people worked: what they removed between being listed and being read, it never had.
        """
        waiting = self.paths()
        while paths := {f"{directory}/{path}": path for path in itertools.islice(waiting, AT_ONCE)}:
            found = {paths[path] for path in repository.having(snapshot, set(paths), self.shop)}
            never = (path for path in paths.values() if path not in found)
            self.removed += itertools.islice(never, MOST_NAMED - len(self.removed))
            yield from map(contents.missing, sorted(found))


def look_into(copy: Path, name: str, team: Team | None) -> str:
    """Return what contents.py prints of a copy of its own: the team has written what SQLite or pg_restore reads.

    Under the team's account, or, where this host has none, under one that owns nothing.
    """
    account = team.account if team else NOBODY
    owner = pwd.getpwnam(account)
    shop = Path(tempfile.mkdtemp(prefix=f"mlflow-look.{name}.", dir=paths.HERE.looks))
    try:
        mine = shop / copy.name
        shutil.copyfile(copy, mine, follow_symlinks=False)
        # The program comes as text: not every account can read where it stands.
        command = [sys.executable, "-Es", "-", "tables", str(mine)]
        program = Path(contents.__file__).read_text(encoding="utf-8")
        if os.geteuid() == 0:
            os.chown(mine, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
            # It stays root's, so that nothing else can be made in it by who runs as the account elsewhere.
            shop.chmod(0o711)
        return commands.printed(command, BackupError, databases.seconds_to_read(mine), account, input=program)
    finally:
        shutil.rmtree(shop)
