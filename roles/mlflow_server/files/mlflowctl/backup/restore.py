"""Restores a snapshot of a team, in its place or into another team of this host: everything or nothing.

All is fetched and compared while the server runs. Then it stops, its clients wait, and what was there is renamed to
where it is kept until the next restore. A server that does not answer as it should gives way to the former one.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import pwd
import shutil
import sys
from pathlib import Path
from typing import Any

from mlflowctl import client_root, databases, paths, patience, replicas
from mlflowctl import team as teams
from mlflowctl.backup import contents, places
from mlflowctl.backup.fetched import (
    SECRETS,
    SHARED,
    drop_what_is_others,
    give,
    keep_text,
    must_be_directory,
    must_be_plain,
    must_be_settings,
)
from mlflowctl.backup.lists import LIST, files_of, put_in_order
from mlflowctl.backup.manifest import (
    MOST_NAMED,
    Gone,
    differences,
    environment,
    missing_rows,
    read_manifest,
    refuse_what_does_not_fit,
)
from mlflowctl.backup.repository import Repository, Snapshot, settings
from mlflowctl.backup.restic import BackupError
from mlflowctl.backup.snapshot import refuse_without_space
from mlflowctl.errors import ODD
from mlflowctl.files import fresh, remove
from mlflowctl.processes import wait_until_nobody_runs
from mlflowctl.starts import Starts
from mlflowctl.team import Team
from mlflowctl.transaction import STARTS, Change, ChangeError, is_active, read_journal, workshop
from mlflowctl.turns import alone

# So much of what is wrong is told.
MOST_TOLD = 5


class Restore:
    """One restore into one team."""

    def __init__(self, repository: Repository, snapshot: Snapshot, team: Team) -> None:
        self.repository = repository
        self.snapshot = snapshot
        self.team = team
        self.stage, self.manifest = read_manifest(repository, snapshot)
        self.owner = pwd.getpwnam(team.account)
        self.home = paths.HERE.restores / team.name
        self.works: list[Path] = []
        self.wanted: dict[Path, list[str]] = {}
        # What comes, in the place of what; and why that of clients does not, or what of it.
        self.artifacts: Path | None = None
        self.live = Path(team.artifacts) if team.artifacts else None
        self.left = str(self.manifest["artifacts"].get("left", ""))
        self.changed: list[str] = []
        self.settings: list[Path] = []
        self.copies: list[tuple[Path, dict[str, int]]] = []
        self.plan: dict[str, Any] = {"team": team.name, "places": [], "postgresql": []}
        self.plan["config_dir"] = str(team.config_dir)
        self.version = ""

    def work(self, live: Path) -> Path:
        """Return where to gather what is to be renamed to a path; at first that is empty."""
        work = places.workplace(live, self.team.name)
        if work not in self.works:
            self.refuse_a_shared_place(work.parent)
            if not work.is_dir() or work.is_symlink() or os.lstat(work).st_uid != os.geteuid():
                fresh(work)
            fresh(work / "new")
            self.works.append(work)
        return work

    def refuse_a_shared_place(self, parent: Path) -> None:
        """Gather nothing where a server that runs could put something else in its place."""
        facts = os.lstat(parent)
        if facts.st_uid == os.geteuid() and not facts.st_mode & 0o022:
            return
        if Starts(paths.HERE.locks / STARTS).runs(self.team.name) or is_active(
            f"mlflow-listen@{self.team.name}.socket"
        ):
            units = f"mlflow-listen@{self.team.name}.socket mlflow@{self.team.name}.service"
            raise BackupError(
                f"{parent} is not root's alone, so that nothing can be gathered there while the team runs: "
                f"systemctl stop {units}, restore, and start the socket again"
            )

    def want(self, path: str, work: Path) -> Path:
        """Note a path of the snapshot to be fetched; return where it is going to be."""
        self.wanted.setdefault(work, []).append(path)
        return work / "new" / path.lstrip("/")

    def gather(self) -> None:
        """Plan what is to come in the place of what, and fetch everything."""
        for database in self.team.databases:
            self.want_database(database)
        for name in SECRETS:
            self.want_settings(name)
        if self.manifest["mlflow_version"] != self.team.version:
            self.want_version()
        if self.of_clients:
            self.find_clients()
        if self.live:
            work = self.work(self.live)
            refuse_without_space(work, self.repository.size(self.snapshot), "free some, and restore again")
            self.artifacts = self.want(self.manifest["artifacts"]["directory"], work)
        for work, wanted in self.wanted.items():
            self.repository.restore(self.snapshot, wanted, work / "new")
        self.take_over()

    @property
    def of_clients(self) -> bool:
        """Whether the snapshot has what clients wrote past the server."""
        return bool(self.manifest["artifacts"].get("clients"))

    def find_clients(self) -> None:
        """Say where theirs are, or leave them as they are."""
        try:
            self.live = Path(client_root.replaceable(self.team, self.manifest["artifacts"]["directory"]))
        except (client_root.LeftError, OSError) as error:
            why = client_root.reason(error, str(self.team.client_root))
            self.left = f"the artifacts of its clients are left as they are: {why}"

    def take_over(self) -> None:
        """Make what was fetched the team's, once it is seen to be no more than it should be."""
        for file in self.settings:
            must_be_settings(self.fetched_below(file), file, self.team.databases[0]["uri"])
            keep_text(file)
            if file.name == SHARED:
                os.chown(file, os.geteuid(), self.owner.pw_gid)
                file.chmod(0o640)
        for copy, _tables in self.copies:
            must_be_plain(self.fetched_below(copy), copy)
            give(copy, self.owner)
        if self.artifacts:
            # A team that never had one has no directory of them.
            if not os.path.lexists(self.artifacts):
                self.artifacts.mkdir(mode=0o700, parents=True)
            must_be_directory(self.fetched_below(self.artifacts), self.artifacts)
            listed = contents.Listed(files_of(self.listed))
            self.changed = drop_what_is_others(self.artifacts, listed, self.of_clients)
            if not self.of_clients:
                give(self.artifacts, self.owner)

    def fetched_below(self, new: Path) -> Path:
        """Return the directory, root's alone, that something was fetched into."""
        return next(work / "new" for work in self.works if new.is_relative_to(work / "new"))

    def want_settings(self, name: str) -> None:
        """Plan one file of root's."""
        live = self.team.directory / name
        work = self.work(live)
        new = self.want(f"{self.stage}/settings/{name}", work)
        self.settings.append(new)
        self.plan["places"].append(places.place(live, new, work))

    def want_version(self) -> None:
        """Plan to go back to the MLflow of the snapshot, as this host has it, and to what it started with."""
        version = self.manifest["mlflow_version"]
        self.want_settings(SHARED)
        work = self.work(self.team.directory / "venv")
        link = work / "new" / "venv"
        link.symlink_to(environment(self.team, version))
        self.plan["places"].append(places.place(self.team.directory / link.name, link, work))

    def want_database(self, database: dict[str, Any]) -> None:
        """Plan one of them."""
        databases.refuse_hangers_on(self.team, database)
        known = next(it for it in self.manifest["databases"] if it["name"] == database["name"])
        work = self.work(Path(database["file"]) if database["file"] else self.home / known["copy"])
        new = self.want(f"{self.stage}/databases/{known['copy']}", work)
        self.copies.append((new, known["tables"]))
        if database["file"]:
            self.plan["places"].append(places.file_place(database["file"], new, work))
        else:
            self.plan["postgresql"].append({"database": database, "fetched": str(new)})

    @functools.cached_property
    def listed(self) -> Path:
        """The snapshot's list of artifacts."""
        place = self.home / LIST
        self.repository.save(self.snapshot, f"{self.stage}/{place.name}", place)
        put_in_order(place)
        return place

    def compare(self) -> None:
        """Let nothing that is not whole get in the place of anything."""
        with Gone(self.home) as gone:
            wrong = differences(self.manifest, self.listed, self.copies, self.artifacts, gone, self.team)
            found = list(itertools.islice(wrong, MOST_TOLD))
            if self.of_clients:
                gone.removed = list(itertools.islice(gone.paths(), MOST_NAMED))
            else:
                lost = gone.lost(self.repository, self.snapshot, self.manifest["artifacts"]["directory"])
                found += itertools.islice(lost, MOST_TOLD)
        # What people wrote or removed while it was read is told of.
        self.changed += [path for path in gone.removed if path not in self.changed]
        if found:
            raise BackupError("the restored files are not those of the snapshot: " + "; ".join(found[:MOST_TOLD]))

    def replace(self) -> None:
        """Put it in place, and let the server run from it before the first client does."""
        with Change(self.team, f"restoring snapshot {self.snapshot['short_id']}") as change:
            self.refuse_another()
            workshop(self.team)
            change.stop_server()
            wait_until_nobody_runs(self.team.account, self.team.name)
            change.take_databases()
            self.keep_aside()
            for place in (*self.works, self.home):
                remove(place / "former")
            plan = places.write_plan(self.plan)
            change.begin([(False, places.undoing(plan))])
            places.switch(self.team, self.plan)
            lost = list(missing_rows(self.manifest, self.team))
            if lost:
                raise BackupError("what was put in place is not what the snapshot has: " + "; ".join(lost[:5]))
            change.try_out("answers", f"{self.note_manifest()}\n")
            change.commit()
        # It is restored, whatever becomes of this.
        try:
            if not is_active(f"mlflow-listen@{self.team.name}.socket"):
                # A stopped team: it was only tried out.
                change.systemctl("stop", self.team.server)
            self.tidy_up()
        except (ChangeError, OSError) as error:
            print(f"{self.team.name} is restored, and this was left behind: {error}", file=sys.stderr)

    def refuse_another(self) -> None:
        """Raise where the team is not the one any more that all was gathered for."""
        now = teams.load(self.team.name, self.team.config_dir)
        if (now, now.version) != (self.team, self.version):
            raise BackupError(
                f"team {self.team.name} was changed while the snapshot was fetched, as by an upgrade, a move or "
                "mlops.mlflow.site; restore again"
            )

    def keep_aside(self) -> None:
        """Complete the plan with what can only be told, or copied, while no server runs."""
        for database in self.team.databases:
            databases.settle(self.team, database)
        if self.live and self.artifacts:
            self.plan["places"] += places.directory_places(self.live, self.artifacts, self.work(self.live))
        shop = places.dumps(self.team.name)
        if self.plan["postgresql"]:
            fresh(shop)
        for it in self.plan["postgresql"]:
            it["new"], it["former"], it["begun"] = (
                str(shop / f"{it['database']['name']}.{which}") for which in ("new.dump", "former.dump", "begun")
            )
            shutil.copyfile(it["fetched"], it["new"])
        if self.plan["postgresql"]:
            places.let_in(shop, self.owner.pw_gid)
        for it in self.plan["postgresql"]:
            databases.copy(self.team, it["database"], Path(it["former"]))
            places.take(shop, Path(it["former"]).name, self.owner.pw_gid)
        for it in self.plan["places"]:
            places.refuse_links(Path(it["live"]))

    def note_manifest(self) -> Path:
        """Write down what the server is to be compared with."""
        path = self.home / "manifest.json"
        path.write_text(json.dumps(self.manifest), encoding="utf-8")
        return path

    def tidy_up(self) -> None:
        """Leave nothing beside what was there before."""
        for work in self.works:
            remove(work / "new")
        former = fresh(self.home / "former") if self.plan["postgresql"] else self.home
        for it in self.plan["postgresql"]:
            shutil.move(it["former"], former / f"{it['database']['name']}.dump")
        remove(places.dumps(self.team.name))

    def run(self) -> dict[str, Any]:
        """Do it all."""
        patience.refuse_silent(self.team.places)
        paths.HERE.restores.mkdir(mode=0o700, exist_ok=True)
        self.home.mkdir(mode=0o700, exist_ok=True)
        with Change(self.team, "restoring"):
            # Nothing is left now of one that was cut off, which would want the same places.
            self.version = self.team.version
        try:
            self.gather()
            self.compare()
            self.listed.unlink(missing_ok=True)
            self.replace()
        except BaseException:
            self.give_up()
            raise
        return self.told()

    def told(self) -> dict[str, Any]:
        """Return what people want to know of the snapshot."""
        known = {key: self.manifest[key] for key in ("time", "began", "host", "counts", "artifacts")}
        elsewhere = self.manifest.get("elsewhere", {})
        clients = (
            {"left": self.left, "changed_while_read": self.changed[:MOST_NAMED]} if self.left or self.changed else {}
        )
        known = {**known, "elsewhere": elsewhere, **clients}
        return {"team": self.team.name, "snapshot": self.snapshot["short_id"], **known}

    def kept_aside(self) -> list[str]:
        """Return where the former state is."""
        return sorted(str(place / "former") for place in (*self.works, self.home) if (place / "former").is_dir())

    def give_up(self) -> None:
        """Remove what was fetched, once it is sure that nothing has to be undone with it."""
        if read_journal(self.team.name) is not None:
            return
        (self.home / LIST).unlink(missing_ok=True)
        for work in self.works:
            remove(work / "new")
            # What an earlier restore has kept stays, unless this one has come to replacing it.
            if not any(file.is_file() for file in work.rglob("*")):
                remove(work)


def parse(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("mlflowctl restore", description=__doc__)
    parser.add_argument("team", help="whose snapshot")
    parser.add_argument("--into", help="the team of this host that it replaces; the same by default")
    parser.add_argument("--snapshot", help="which, from any host")
    parser.add_argument("--at", help="the last one until this time")
    parser.add_argument("--host", help="the last one of this host instead of this one's")
    parser.add_argument("--dry-run", action="store_true", help="only say which it would be")
    return parser.parse_args(words)


def main(*words: str) -> None:
    """Restore, when nobody else does."""
    options = parse(list(words))
    os.umask(0o077)
    into = teams.load(options.into or options.team)
    replicas.refuse_follower(into, "a restore")
    repository = Repository(settings(), options.team)
    with alone(f"restore-{into.name}"):
        snapshot = repository.find(options.snapshot, options.at, options.host)
        try:
            restore = Restore(repository, snapshot, into)
            refuse_what_does_not_fit(restore.manifest, into)
            if options.dry_run:
                told = {**restore.told(), "id": snapshot["id"]}
            else:
                told = {**restore.run(), "kept_aside": restore.kept_aside()}
        except ODD as error:
            why = f"{type(error).__name__}: {error}"
            raise BackupError(f"snapshot {snapshot['short_id']} has what no backup writes: {why}") from error
        print(json.dumps(told))
