"""Restores a snapshot of a team, in its place or into another team of this host: everything or nothing.

All is fetched and compared while the server runs. Then it stops, its clients wait, and what was there is renamed to
where it is kept until the next restore. A server that does not answer as it should gives way to the former one.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import pwd
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

import answers
import contents
import databases
import places
import team as teams
from backup import alone, fresh, refuse_without_space, remove
from changes import Change, ChangeError, is_active, main_process, read_journal, workshop
from compare import differences, read_manifest, refuse_what_does_not_fit
from databases import DatabaseError
from repository import BackupError, Repository, Snapshot, settings
from team import Team

# What the databases need to be of any use: three secrets, and the password that the admin had.
SECRETS = ("secrets.env", "admin_password")
# What differs between versions of MLflow: the link to its environment, and what only some start with.
SHARED = "basic_auth.ini"
VERSIONED = ("venv", SHARED)


class Restore:
    """One restore into one team."""

    def __init__(self, repository: Repository, snapshot: Snapshot, team: Team) -> None:
        self.repository = repository
        self.snapshot = snapshot
        self.team = team
        self.stage, self.manifest = read_manifest(repository, snapshot)
        self.owner = pwd.getpwnam(team.account)
        self.home = places.HOME / team.name
        self.works: list[Path] = []
        self.wanted: dict[Path, list[str]] = {}
        self.artifacts: Path | None = None
        self.shared: list[Path] = []
        self.copies: list[tuple[Path, dict[str, int]]] = []
        self.plan: dict[str, Any] = {"team": team.name, "places": [], "postgresql": []}
        self.plan["config_dir"] = str(team.config_dir)

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
        if main_process(self.team) or is_active(f"mlflow-listen@{self.team.name}.socket"):
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
            live = self.team.directory / name
            work = self.work(live)
            self.plan["places"].append(places.place(live, self.want(f"{self.stage}/settings/{name}", work), work))
        if self.manifest["mlflow_version"] != self.team.version:
            self.want_version()
        if self.team.artifacts:
            work = self.work(Path(self.team.artifacts))
            refuse_without_space(work, self.manifest["artifacts"]["bytes"], "free some, and restore again")
            self.artifacts = self.want(self.manifest["artifacts"]["directory"], work)
        for work, paths in self.wanted.items():
            self.repository.restore(self.snapshot, paths, work / "new")
        if self.artifacts:
            # A team that never had one has no directory of them.
            self.artifacts.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.artifacts:
            drop_what_is_others(self.artifacts, contents.read_files(self.listed.splitlines()))
        for file in self.shared:
            os.chown(file, os.geteuid(), self.owner.pw_gid)
        for path in (*(copy for copy, _tables in self.copies), *([self.artifacts] if self.artifacts else [])):
            give(path, self.owner)

    def want_version(self) -> None:
        """Plan to go back to the MLflow of the snapshot, with the settings that it started with."""
        work = self.work(self.team.directory / "venv")
        for name in VERSIONED:
            live = self.team.directory / name
            self.plan["places"].append(places.place(live, self.want(f"{self.stage}/settings/{name}", work), work))
        # The group has perhaps another number by now.
        self.shared.append(work / "new" / f"{self.stage}/settings/{SHARED}".lstrip("/"))
        known = json.loads((self.team.directory / "team.json").read_text(encoding="utf-8"))
        new = work / "new" / "team.json"
        new.write_text(json.dumps({**known, "version": self.manifest["mlflow_version"]}), encoding="utf-8")
        self.plan["places"].append(places.place(self.team.directory / "team.json", new, work))

    def want_database(self, database: dict[str, Any]) -> None:
        """Plan one of them."""
        known = next(it for it in self.manifest["databases"] if it["name"] == database["name"])
        work = self.work(Path(database["file"]) if database["file"] else self.home / known["copy"])
        new = self.want(f"{self.stage}/databases/{known['copy']}", work)
        self.copies.append((new, known["tables"]))
        if database["file"]:
            self.plan["places"] += places.file_places(database["file"], new, work)
        else:
            self.plan["postgresql"].append({"database": database, "fetched": str(new)})

    @functools.cached_property
    def listed(self) -> str:
        """The snapshot's list of artifacts."""
        return self.repository.read(self.snapshot, f"{self.stage}/artifacts.jsonl")

    def compare(self) -> None:
        """Let nothing that is not whole get in the place of anything."""
        found = list(differences(self.manifest, self.listed, self.copies, self.artifacts))
        if found:
            raise BackupError("the restored files are not those of the snapshot: " + "; ".join(found[:5]))

    def replace(self) -> None:
        """Put it in place, and let the server run from it before the first client does."""
        with Change(self.team, f"restoring snapshot {self.snapshot['short_id']}") as change:
            workshop(self.team)
            change.stop_server()
            self.keep_aside()
            for place in (*self.works, self.home):
                remove(place / "former")
            plan = places.write_plan(self.plan)
            change.begin([(False, places.undoing(plan))])
            places.switch(self.team, self.plan)
            change.try_out(answers.__file__, f"{self.note_manifest()}\n")
            change.commit()
        # It is restored, whatever becomes of this.
        try:
            if not is_active(f"mlflow-listen@{self.team.name}.socket"):
                # A stopped team: it was only tried out.
                change.systemctl("stop", self.team.server)
            self.tidy_up()
        except (ChangeError, OSError) as error:
            print(f"{self.team.name} is restored, and this was left behind: {error}", file=sys.stderr)

    def keep_aside(self) -> None:
        """Complete the plan with what can only be told, or copied, while no server runs."""
        if self.team.artifacts and self.artifacts:
            live = Path(self.team.artifacts)
            self.plan["places"] += places.directory_places(live, self.artifacts, self.work(live))
        for it in self.plan["postgresql"]:
            # The account reads and writes these, and cannot where root's other files are.
            shop = fresh(workshop(self.team) / it["database"]["name"])
            give(shop, self.owner)
            it["new"], it["former"] = str(shop / "new.dump"), str(shop / "former.dump")
            shutil.copyfile(it["fetched"], it["new"])
            give(Path(it["new"]), self.owner)
            databases.copy(self.team, it["database"], Path(it["former"]))

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
            remove(Path(it["former"]).parent)

    def run(self) -> dict[str, Any]:
        """Do it all."""
        places.HOME.mkdir(mode=0o700, exist_ok=True)
        self.home.mkdir(mode=0o700, exist_ok=True)
        with Change(self.team, "restoring"):
            # Nothing is left now of one that was cut off, which would want the same places.
            pass
        try:
            self.gather()
            self.compare()
            self.replace()
        except BaseException:
            self.give_up()
            raise
        return self.told()

    def told(self) -> dict[str, Any]:
        """Return what people want to know of the snapshot."""
        known = {key: self.manifest[key] for key in ("time", "began", "host", "counts", "artifacts")}
        return {"team": self.team.name, "snapshot": self.snapshot["short_id"], **known}

    def kept_aside(self) -> list[str]:
        """Return where the former state is."""
        return sorted(str(place / "former") for place in (*self.works, self.home) if (place / "former").is_dir())

    def give_up(self) -> None:
        """Remove what was fetched, once it is sure that nothing has to be undone with it."""
        if read_journal(self.team.name) is not None:
            return
        for work in self.works:
            remove(work / "new")
            # What an earlier restore has kept stays, unless this one has come to replacing it.
            if not any(file.is_file() for file in work.rglob("*")):
                remove(work)


def drop_what_is_others(directory: Path, listed: dict[str, dict[str, Any]]) -> None:
    """Remove what restic has read as root where a directory had become a link; it still has the uid of its owner.

    What the team's account itself has read, and listed, is none of that, whoever owns it.
    """
    owner = os.lstat(directory).st_uid
    for folder, _folders, names in os.walk(directory):
        for path in (Path(folder, name) for name in names):
            facts, known = os.lstat(path), listed.get(os.path.relpath(path, directory), {})
            if facts.st_uid == owner or not stat.S_ISREG(facts.st_mode):
                continue
            with open(path, "rb") as file:
                found = contents.describe(file, str(path), {})
            if found["sha256"] != known.get("sha256"):
                path.unlink()


def give(path: Path, owner: pwd.struct_passwd) -> None:
    """Make it the team's, whoever had it on the host that it comes from."""
    os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
    for folder, subfolders, names in os.walk(path):
        for name in (*subfolders, *names):
            os.chown(os.path.join(folder, name), owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def parse(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("team", help="whose snapshot")
    parser.add_argument("--into", help="the team of this host that it replaces; the same by default")
    parser.add_argument("--snapshot", help="which, from any host")
    parser.add_argument("--at", help="the last one until this time")
    parser.add_argument("--host", help="the last one of this host instead of this one's")
    parser.add_argument("--look", action="store_true", help="only say which it would be")
    return parser.parse_args(words)


def main(words: list[str]) -> None:
    """Restore, when nobody else does."""
    options = parse(words)
    os.umask(0o077)
    into = teams.load(options.into or options.team)
    repository = Repository(settings(), options.team)
    with alone(f"restore-{into.name}"):
        restore = Restore(repository, repository.find(options.snapshot, options.at, options.host), into)
        refuse_what_does_not_fit(restore.manifest, into)
        print(json.dumps(restore.told() if options.look else {**restore.run(), "kept_aside": restore.kept_aside()}))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyError as problem:
        sys.exit(f"team: this host has no team {problem}")
    except (BackupError, ChangeError, DatabaseError, OSError) as problem:
        sys.exit(str(problem))
