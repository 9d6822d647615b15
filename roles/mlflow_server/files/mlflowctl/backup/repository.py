"""The restic repository with the snapshots of this host's teams."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mlflowctl import holes, paths
from mlflowctl import team as teams
from mlflowctl.backup.restic import IN_ALL, INCOMPLETE, TOO_LONG, BackupError, Restic, objects
from mlflowctl.backup.times import AHEAD, moment, now
from mlflowctl.errors import named

# A snapshot with this tag stays, however old.
KEPT = "keep"
# Bytes of what a snapshot has that is read at once: whoever has written it chooses how much that is.
LARGEST = 1 << 20
PATTERN = re.compile(r"([*?\[\\])")
NO_LETTER = re.compile("[\udc80-\udcff]")

Snapshot = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the role has written down."""

    repository: str
    host: str
    staging_dir: str
    keep: dict[str, int]
    environment: dict[str, str]
    # How places of artifacts begin that are in no backup, which is known; teams without backups; and, in
    # seconds, how old a team's newest snapshot may be.
    elsewhere: list[str] = dataclasses.field(default_factory=list)
    exclude: list[str] = dataclasses.field(default_factory=list)
    max_age: int = 36 * 3600


def settings() -> Settings:
    """Read them."""
    try:
        return Settings(**json.loads((paths.HERE.backup_config / "settings.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BackupError("mlflow_backup_repository: this host has no backups; set it, and run the role") from None


class Repository(Restic):
    """The one that a team's snapshots are in."""

    def __init__(self, known: Settings, team: str) -> None:
        super().__init__(known.repository.replace("{team}", team), known.environment)
        self.known = known
        self.team = team

    def make(self) -> bool:
        """Make it, unless it is there; say whether it had to be made."""
        found = self.run("cat", "config", "--no-lock", allowed=(0, 1, 10))
        if found.returncode == 0:
            return False
        if not self.is_missing(found.stderr):
            raise BackupError(self.reason(found.stderr))
        made = self.run("init", allowed=(0, 1))
        # Two hosts may begin at once.
        if made.returncode != 0 and "already exists" not in made.stderr and "already initialized" not in made.stderr:
            raise BackupError(self.reason(made.stderr))
        return True

    def snapshots(self, *words: str) -> list[Snapshot]:
        """Return the team's snapshots, of any host, the newest last.

        One that no restic has written is none, and keeps nobody from the others.
        """
        tag = f"mlflow,team={self.team}"
        listed = json.loads(self.run("snapshots", "--json", "--tag", tag, *words).stdout or "[]") or []
        if odd := [str(it["short_id"]) for it in listed if not is_whole(it)]:
            print(f"written by no restic, and passed over: {', '.join(odd[:5])}", file=sys.stderr)
        return sorted(filter(is_whole, listed), key=lambda snapshot: moment(snapshot["time"]))

    def find(self, identity: str | None = None, at: str | None = None, host: str | None = None) -> Snapshot:
        """Return a snapshot: this one of any host, or a host's last one until then.

        One that is dated in the future is the last one of nothing: the clock was wrong, or whoever wrote it is.
        """
        found = self.snapshots()
        if identity:
            found = [snapshot for snapshot in found if snapshot["id"].startswith(identity)]
            wanted = f"snapshot: no snapshot '{identity}' of team {self.team}"
            if len(found) > 1:
                raise BackupError(
                    f"snapshot: {len(found)} snapshots of team {self.team} begin with '{identity}'; give more of its ID"
                )
        else:
            host = host or self.known.host
            others = sorted({str(snapshot["hostname"]) for snapshot in found} - {host})
            found = [snapshot for snapshot in found if snapshot["hostname"] == host]
            future, found = in_future(found), [snapshot for snapshot in found if snapshot not in in_future(found)]
            wanted = f"team: no snapshot of team {self.team} on {host}"
            if future:
                which = ", ".join(f"{it['short_id']} of {it['time'][:19]}" for it in future[:5])
                print(f"dated in the future, and passed over: {which}", file=sys.stderr)
                wanted += f" that is not dated in the future ({which})"
            if at:
                found = [snapshot for snapshot in found if moment(snapshot["time"]) <= moment(at)]
                wanted = f"at: {wanted[6:]} until {at}"
        if not found:
            other = named(others[0]) if not identity and others else ""
            hint = f"; for one of {other}, add -e from_host={other}" if other else ""
            raise BackupError(f"{wanted} is in {self.shown()}{hint}")
        return found[-1]

    def backup(
        self, paths: Iterable[str], tags: Iterable[str], exclude: str, largest: int = holes.MOST
    ) -> tuple[str, list[tuple[str, str]]]:
        """Make a snapshot; return its identity, and the files that could not be read, with why.

        What is larger than anything that was seen before has become so meanwhile, such as by one call to no end.
        """
        words = ["backup", "--json", "--host", self.known.host, f"--exclude={exclude}"]
        words.append(f"--exclude-larger-than={largest}")
        words += [f"--tag={tag}" for tag in ("mlflow", f"team={self.team}", *tags)]
        done = self.run(*words, "--", *paths, allowed=(0, INCOMPLETE))
        lines = objects(done.stdout)
        (summary,) = (line for line in lines if line["message_type"] == "summary")
        errors = objects(done.stderr)
        failed = [(str(line.get("item")), json.dumps(line["error"])) for line in errors if line.get("item")]
        if done.returncode == INCOMPLETE and not failed:
            failed = [("", done.stderr.strip())]
        return str(summary["snapshot_id"]), failed

    def forget(self, identity: str) -> None:
        """Let go of one snapshot."""
        self.run("forget", "--quiet", identity)

    def thin_out(self) -> list[str]:
        """Let go of those that the rules do not keep; their space comes back with the next prune.

        Where one is dated in the future, restic would keep that one instead of those that there are: all stay, and it
        is returned which it is.
        """
        words = [f"--keep-{unit}={count}" for unit, count in self.known.keep.items() if count]
        future = in_future([it for it in self.snapshots() if it["hostname"] == self.known.host])
        if words and not future:
            which = ["--host", self.known.host, "--tag", f"mlflow,team={self.team}", "--group-by=host"]
            self.run("forget", "--quiet", *which, f"--keep-tag={KEPT}", *words)
        return [str(it["short_id"]) for it in future]

    def age(self, any_host: bool = False) -> float | None:
        """Return for how many seconds this host, or any, has made no snapshot of the team; None where it never has."""
        # Who only looks leaves no lock there, and waits for nobody's.
        found = [it for it in self.snapshots("--no-lock") if any_host or it["hostname"] == self.known.host]
        times = [moment(it["time"]) for it in found if it not in in_future(found)]
        return (now() - max(times)).total_seconds() if times else None

    def read(self, snapshot: Snapshot, path: str) -> str:
        """Return the text of a file in a snapshot."""
        return self.first("dump", snapshot["id"], path)

    def first(self, *words: str) -> str:
        """Return what restic prints; raise where that is more than anybody wants to have in memory."""
        with tempfile.TemporaryFile() as file:
            try:
                with subprocess.Popen(["head", f"--bytes={LARGEST}"], stdin=subprocess.PIPE, stdout=file) as head:
                    self.run(*words, into=head.stdin)
            except BackupError:
                if os.fstat(file.fileno()).st_size < LARGEST:
                    raise
            if os.fstat(file.fileno()).st_size >= LARGEST:
                raise BackupError(f"{named(words[-1])} has more than {LARGEST} bytes")
            file.seek(0)
            return file.read().decode(errors="replace")

    def save(self, snapshot: Snapshot, path: str, target: Path) -> None:
        """Write a file of a snapshot, however long it is."""
        with open(target, "wb") as file:
            self.run("dump", snapshot["id"], path, into=file, filling=target.parent)

    def having(self, snapshot: Snapshot, paths: set[str], shop: Path) -> Iterator[str]:
        """Give those of these paths that a snapshot has; all that it has is listed in a directory."""
        # In JSON, restic has no bytes of a name that are no letters.
        told = {NO_LETTER.sub("\ufffd", path): path for path in paths}
        with tempfile.TemporaryFile(dir=shop) as file:
            self.run("ls", "--json", snapshot["id"], into=file, filling=shop)
            file.seek(0)
            for line in file:
                path = json.loads(line).get("path") if line.startswith(b"{") else None
                if path in told:
                    yield told[path]

    def is_roots(self, snapshot: Snapshot, path: str) -> bool:
        """Say whether a file of a snapshot was root's, or whoever runs this."""
        lines = objects(self.first("ls", "--json", snapshot["id"], path))
        return any((it.get("path"), it.get("type"), it.get("uid")) == (path, "file", os.geteuid()) for it in lines)

    def size(self, snapshot: Snapshot) -> int:
        """Return how many bytes all files of a snapshot have, whatever it says of itself."""
        told = json.loads(self.run("stats", "--json", "--mode=restore-size", snapshot["id"]).stdout)
        return int(told["total_size"])

    def restore(self, snapshot: Snapshot, paths: Iterable[str], target: Path) -> None:
        """Put these paths of a snapshot, with all that is below them, below a directory.

        Directories for which a path has no room are left: no file that counts is in them (contents.LONGEST_PATH).
        Whatever is in the snapshot, nothing is written anywhere else.
        """
        words = [f"--include={escaped(path)}" for path in paths]
        try:
            self.run("restore", "--quiet", snapshot["id"], f"--target={target}", *words, filling=target)
        except BackupError as error:
            # A name may end a line, and say that it does. What counts is compared in any case.
            number = IN_ALL.search(str(error))
            if not number or str(error).count(TOO_LONG) < int(number[1]):
                raise


def is_whole(snapshot: Snapshot) -> bool:
    """Say whether it has what restic writes of each, and a time that is one."""
    try:
        moment(snapshot["time"])
    except (BackupError, KeyError):
        return False
    paths = snapshot.get("paths")
    return isinstance(paths, list) and isinstance(snapshot.get("hostname"), str)


def in_future(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """Return those that cannot have been made yet."""
    end = now() + AHEAD
    return [it for it in snapshots if moment(it["time"]) > end]


def escaped(path: str) -> str:
    """Return a path as restic's pattern for itself."""
    return PATTERN.sub(r"\\\1", path)


def repositories(known: Settings, names: Iterable[str]) -> list[Repository]:
    """Return each repository once."""
    return list({it.uri: it for it in (Repository(known, name) for name in names)}.values())


def main(action: str, *names: str) -> None:
    """Make the repositories of the teams, or give their unused space back and check them."""
    known = settings()
    for repository in repositories(known, names or teams.names()):
        if action == "look":
            repository.run("cat", "config", "--no-lock")
        elif action == "make":
            if repository.make():
                print(f"made {repository.shown()}")
        else:
            repository.run("prune", "--quiet")
            repository.run("check", "--quiet")
