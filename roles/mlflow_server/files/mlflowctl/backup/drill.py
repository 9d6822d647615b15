"""Restores a team's newest snapshot where nobody but root gets at it, lets a server run from it, and compares.

The server has an account of its own that exists no longer than it does, no network, and no sight of the live team.
"""

from __future__ import annotations

import argparse
import configparser
import itertools
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

from mlflowctl import causes, commands, locations, paths, redaction
from mlflowctl import team as teams
from mlflowctl.api import AskError, Server
from mlflowctl.backup import drill_postgresql
from mlflowctl.backup.answers import checksum, counts
from mlflowctl.backup.fetched import SECRETS, SHARED, must_be_directory, must_be_plain, must_be_settings
from mlflowctl.backup.lists import LIST, files_of, put_in_order
from mlflowctl.backup.manifest import Gone, differences, environment, read_manifest
from mlflowctl.backup.repository import Repository, settings
from mlflowctl.backup.restic import BackupError
from mlflowctl.backup.snapshot import refuse_without_space
from mlflowctl.errors import ODD, Problem
from mlflowctl.files import fresh, remove
from mlflowctl.program import IN_MLFLOW, PROGRAM
from mlflowctl.team import Team
from mlflowctl.transaction import is_active
from mlflowctl.turns import alone, note

START_SECONDS = 300
# So much of what is wrong with files is told.
MOST_TOLD = 100
# Of an artifact that MLflow is asked for: it refuses some letters, and HTTP has its own for others.
PLAIN = re.compile(r"[A-Za-z0-9_./-]+")
# Those of mlflow@.service that matter for what has no way out.
PROPERTIES = [
    "Type=exec",
    "DynamicUser=yes",
    "PrivateNetwork=yes",
    "RestrictAddressFamilies=AF_UNIX",
    "PrivateDevices=yes",
    "TemporaryFileSystem=/dev/shm:mode=1777,noexec",
    "ProtectHome=yes",
    "ProtectProc=invisible",
    "CapabilityBoundingSet=",
    "InaccessiblePaths=-/var/lib/mlflow -/etc/mlflow -/run/dbus -/run/systemd/resolve -/run/nscd -/run/avahi-daemon",
    "UMask=0077",
    "KillMode=mixed",
    "MemoryMax=2G",
]


class Drill:
    """One team's."""

    def __init__(self, repository: Repository, snapshot: dict[str, Any]) -> None:
        self.repository = repository
        self.snapshot = snapshot
        self.team = repository.team
        self.unit = f"mlflow-drill-{self.team}.service"
        self.place = paths.HERE.drills / self.team
        self.seen = paths.HERE.drills_seen / self.team
        self.runtime = paths.HERE.drills_run / self.team
        self.stage, self.manifest = read_manifest(repository, snapshot)
        try:
            self.own: Team | None = teams.load(self.team)
        except teams.UnknownTeamError:
            # A team that is gone from this host, or has not come yet.
            self.own = None

    def restored(self, path: str) -> Path:
        """Return where a path of the snapshot is now."""
        return self.place / path.lstrip("/")

    def run(self) -> dict[str, Any]:
        """Restore, compare, serve; return what came of it."""
        self.remove()
        try:
            for parent in (paths.HERE.drills.parent, paths.HERE.drills):
                parent.mkdir(mode=0o700, exist_ok=True)
            fresh(self.place)
            refuse_without_space(self.place, self.repository.size(self.snapshot), "the drill needs it for a while")
            self.repository.restore(self.snapshot, self.paths(), self.place)
            found = self.compare()
            served, more = self.serve()
        finally:
            self.remove()
        return {
            "team": self.team,
            "snapshot": self.snapshot["short_id"],
            **{key: self.manifest[key] for key in ("time", "counts", "artifacts", "mlflow_version")},
            "served": served,
            "differences": found + more,
        }

    def paths(self) -> list[str]:
        """Return what of the snapshot is wanted: root's own part, and the artifacts."""
        directory = self.manifest["artifacts"]["directory"]
        return [self.stage, *([directory] if directory else [])]

    def compare(self) -> list[str]:
        """Compare the files with what the snapshot says of them."""
        copies = [
            (self.restored(f"{self.stage}/databases/{it['copy']}"), it["tables"]) for it in self.manifest["databases"]
        ]
        for copy, _tables in copies:
            must_be_plain(self.place, copy)
        for name in (*SECRETS, SHARED, "team.json"):
            must_be_settings(self.place, self.restored(f"{self.stage}/settings/{name}"), None)
        directory = self.manifest["artifacts"]["directory"]
        listed = self.restored(f"{self.stage}/{LIST}")
        must_be_plain(self.place, listed, os.geteuid())
        if directory and os.path.lexists(self.restored(directory)):
            must_be_directory(self.place, self.restored(directory))
        put_in_order(listed)
        artifacts = self.restored(directory) if directory else None
        elsewhere = locations.described(self.manifest.get("elsewhere", {"others": 0}))
        kept = self.manifest["artifacts"]
        left = "" if kept.get("known") else kept.get("left", "")
        with Gone(self.place) as gone:
            wrong = differences(self.manifest, listed, copies, artifacts, gone, self.own)
            found = list(itertools.islice(wrong, MOST_TOLD))
            found += itertools.islice(gone.lost(self.repository, self.snapshot, str(directory)), MOST_TOLD)
        # The server is asked for this one.
        self.first = next((it for it in files_of(listed) if artifacts and is_asked(artifacts, it["path"])), None)
        return [
            *found,
            *([f"{elsewhere}, and so not in the snapshot"] if elsewhere else []),
            *([f"{left}, and so not in the snapshot"] if left else []),
        ]

    def serve(self) -> tuple[str, list[str]]:
        """Say whether a server ran from it, or why not, and what it answers otherwise than the snapshot says."""
        missing = drill_postgresql.missing() if self.dumps() else []
        if missing:
            return f"no, since its databases are in PostgreSQL, which takes {' and '.join(missing)} on this host", []
        settings_dir = self.restored(f"{self.stage}/settings")
        if self.own is None:
            return "no, since this host does not have the team, and so no MLflow of its own", []
        # This host's, and not what the snapshot leads to.
        python = environment(self.own, self.manifest["mlflow_version"]) / "bin" / "python"
        if not python.exists():
            return f"no, since MLflow {self.manifest['mlflow_version']} is not installed any more", []
        self.start(settings_dir, python)
        password = (settings_dir / "admin_password").read_text(encoding="utf-8")
        server = Server(str(self.runtime / "http.sock"), self.manifest["admin_username"], password)
        try:
            self.wait(server)
            found = counts(server)
            wrong = [
                f"the server has {number} {what}, and the snapshot {self.manifest['counts'][what]}"
                for what, number in found.items()
                if number != self.manifest["counts"][what]
            ]
            for file in [self.first] if self.first else []:
                if checksum(server, file["path"]) != file["sha256"]:
                    wrong.append(f"the server gives another artifact {file['path']}")
        except AskError as error:
            wrong = [str(error)]
        return "yes", wrong

    def dumps(self) -> dict[str, Path]:
        """Return the databases that are in PostgreSQL, and where the server's account sees their dumps."""
        copies = self.seen / self.stage.lstrip("/") / "databases"
        return {it["name"]: copies / it["copy"] for it in self.manifest["databases"] if it["kind"] == "postgresql"}

    def stores(self, settings_dir: Path) -> dict[str, str]:
        """Return the URIs under which the server finds what was restored."""
        known = json.loads((settings_dir / "team.json").read_text(encoding="utf-8"))["databases"]
        copies = f"{self.seen}{self.stage}/databases"
        found = {it["name"]: f"sqlite:///{copies}/{it['copy']}" for it in self.manifest["databases"]}
        socket = self.runtime
        return found | {
            it["name"]: drill_postgresql.uri(it["uri"], it["name"], socket)
            for it in known
            if it["name"] in self.dumps()
        }

    def beside_postgresql(self) -> list[str]:
        """Return what the server's command is given to, where its databases are in PostgreSQL."""
        if not self.dumps():
            return []
        places = [
            str(drill_postgresql.programs()),
            str(self.seen / "postgresql"),
            str(self.runtime),
        ]
        dumps = [f"{name}={path}" for name, path in self.dumps().items()]
        return [*PROGRAM, "beside-postgresql", *places, *dumps, "--"]

    def patience(self) -> int:
        """Return for how many seconds it may start: PostgreSQL reads at least a megabyte of a dump in each."""
        dumps = self.restored(f"{self.stage}/databases").glob("*.dump")
        return START_SECONDS + sum(path.stat().st_size for path in dumps) // 10**6

    def start(self, settings_dir: Path, python: Path) -> None:
        """Start the server; its settings lead to the restored files, and to nothing else."""
        seen, stores = self.seen, self.stores(settings_dir)
        ini = configparser.ConfigParser(interpolation=None)
        ini.read(settings_dir / "basic_auth.ini", encoding="utf-8")
        ini["mlflow"]["database_uri"] = stores.get("auth", stores.get("mlflow", "")).replace("%", "%%")
        with open(self.place / "basic_auth.ini", "w", encoding="utf-8") as file:
            ini.write(file)
        # Where a snapshot has it, is any path to systemd, which writes that into a unit, and finds others by patterns.
        secrets = self.place / "secrets.env"
        shutil.copyfile(settings_dir / secrets.name, secrets)
        directory = self.manifest["artifacts"]["directory"]
        variables = {
            "HOME": str(seen),
            "MLFLOW_WORKERS": "1",
            "MLFLOW_UVICORN_OPTS": f"--uds {self.runtime / 'http.sock'}",
            "MLFLOW_AUTH_CONFIG_PATH": str(seen / "basic_auth.ini"),
            "MLFLOW_BACKEND_STORE_URI": stores.get("tracking", stores.get("mlflow", "")),
            "MLFLOW_ARTIFACTS_DESTINATION": f"{seen}{directory}" if directory else str(seen / "none"),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_ENABLE_AI_GATEWAY": "false",
            "MLFLOW_MODEL_CATALOG_URI": "",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        words = ["systemd-run", "--quiet", f"--unit={self.unit}", "--collect"]
        # The time is for this program being killed.
        words += [f"--property={it}" for it in (*PROPERTIES, f"RuntimeMaxSec={self.patience() * 2}")]
        words += [f"--property={kind}Directory=mlflow-drill/{self.team}" for kind in ("State", "Runtime")]
        words += ["--property=StateDirectoryMode=0700", "--property=RuntimeDirectoryMode=0700"]
        words += [f"--property=WorkingDirectory={seen}", f"--property=EnvironmentFile={secrets}"]
        words += [f"--setenv={name}={value}" for name, value in variables.items()]
        command = [str(python), str(IN_MLFLOW), "serve", "server", "--app-name", "basic-auth"]
        commands.printed([*words, *self.beside_postgresql(), *command], BackupError, commands.DO_SECONDS)

    def wait(self, server: Server) -> None:
        """Wait until it answers; with its last words where it does not."""
        end = time.monotonic() + self.patience()
        while True:
            try:
                server.answer("/health")
                return
            except AskError:
                if not is_active(self.unit) or time.monotonic() > end:
                    why = causes.cause(redaction.hidden(causes.last_words(f"_SYSTEMD_UNIT={self.unit}")))
                    raise AskError(f"no server runs from the snapshot: {why}; {causes.where(self.unit)}") from None
                time.sleep(0.5)

    def remove(self) -> None:
        """Leave nothing, also of one that was killed."""
        commands.run(["systemctl", "stop", self.unit], commands.DO_SECONDS)
        commands.run(["systemctl", "reset-failed", self.unit])
        for path in (self.place, self.seen):
            remove(path)


def is_asked(artifacts: Path, path: str) -> bool:
    """Say whether a restored artifact is one that the server can be asked for as it is called."""
    return bool(PLAIN.fullmatch(path)) and ".." not in path.split("/") and (artifacts / path).is_file()


def main(*words: str) -> int:
    """Drill one team after the other; the last line of each is JSON."""
    parser = argparse.ArgumentParser("mlflowctl drill", description=__doc__)
    parser.add_argument("teams", nargs="+")
    parser.add_argument("--host", help="whose snapshots, by default this host's")
    options = parser.parse_args(words)
    os.umask(0o077)
    known, wrong = settings(), False
    with alone("drill"):
        for name in options.teams:
            try:
                repository = Repository(known, name)
                result = Drill(repository, repository.find(host=options.host)).run()
            except (Problem, OSError) as error:
                result = {"team": name, "differences": [str(error)]}
            except ODD as error:
                # The other teams are drilled all the same.
                result = {"team": name, "differences": [f"the drill ended with {type(error).__name__}: {error}"]}
            wrong |= bool(result["differences"])
            note(name, "drill", {"at": time.time(), "differences": len(result["differences"])})
            print(json.dumps(result), flush=True)
    return int(wrong)
