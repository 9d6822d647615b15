"""The restic repository with the snapshots of this host's teams. No password or credential is ever an argument."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from mlflowctl import commands, holes, paths, redaction
from mlflowctl import team as teams
from mlflowctl.errors import Problem, named

# Seconds to wait for another host that has the repository for itself.
PATIENCE = 3600
SECONDS_BETWEEN_TRIES = 10
# What restic ends with when some files could not be read.
INCOMPLETE = 3
# A snapshot with this tag stays, however old.
KEPT = "keep"
# By how much the clocks of hosts may differ.
AHEAD = datetime.timedelta(minutes=10)
# What restic may take for anything but what artifacts are read, written or moved for: that takes as long as it takes,
# and its unit has an end.
ASK_SECONDS, WORK_SECONDS = 1800, 24 * 3600
WORK = ("backup", "restore", "prune", "check", "stats", "ls")
# For so long a backup may read nothing: a repository that is slow takes minutes for what waits. Others wait longer.
STILL_SECONDS = 3600
# Of the host's memory, what restic may take: who only keeps a repository can answer without end, and needs no password.
MEMORY = max(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2, 2 << 30)
# Bytes of what a snapshot has that is read at once: whoever has written it chooses how much that is.
LARGEST = 1 << 20
# While something is fetched, so many bytes stay free, and of so many files one: see SPARE_BYTES of snapshot.py.
LEAST_BYTES, LEAST_FILES = 100 << 20, 100
PATTERN = re.compile(r"([*?\[\\])")
NO_LETTER = re.compile("[\udc80-\udcff]")

# Runs a command that sees a directory so that nothing goes through a link in it, whatever makes one there. A tree that
# was written by hand has two of one name: restic makes a link of the first, and opens the second, which would be where
# that leads to, as root, and gives that the mode it likes.
WITHOUT_LINKS = """
mount --bind "$1" "$1" && mount -o remount,bind,nosymfollow,nodev,nosuid "$1" && ln -s / "$1/.try" || exit 1
if [ -e "$1/.try" ]; then echo "mount: this kernel follows links all the same" >&2; exit 1; fi
rm "$1/.try" && shift && exec "$@"
"""
NO_MOUNT = re.compile("(unshare|mount|ln): ")

Snapshot = dict[str, Any]

# What restic says of places, one after the other, and at the end of all; of one that it cannot have, this is the end.
OF_PLACES, TOO_LONG = "ignoring error for /", ": file name too long\n"
IN_ALL = re.compile(r"Fatal: There were (\d+) errors\s*\Z")


class BackupError(Problem):
    """Why there is no backup, or none to restore."""


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


class Repository:
    """The one that a team's snapshots are in."""

    def __init__(self, known: Settings, team: str) -> None:
        self.known = known
        self.team = team
        self.uri = known.repository.replace("{team}", team)

    def run(
        self, *words: str, allowed: tuple[int, ...] = (0,), into: IO[bytes] | None = None, filling: Path | None = None
    ) -> commands.Done:
        """Run restic, again while another has the repository for itself; what is long goes into a file.

        Of a disk that it fills, it leaves some.
        """
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "SSH_AUTH_SOCK") if name in os.environ},
            "RESTIC_REPOSITORY": self.uri,
            "RESTIC_PASSWORD_FILE": str(paths.HERE.backup_config / "password"),
            "RESTIC_CACHE_DIR": str(paths.HERE.cache),
            **self.known.environment,
        }
        end, seconds = time.monotonic() + PATIENCE, 0
        while True:
            done = self.once(words, environment, into, filling)
            if done.returncode in allowed:
                return done
            if "already locked" not in of_itself(done.stderr) or time.monotonic() > end:
                raise BackupError(self.reason(done.stderr))
            # Only what processes have left that are gone.
            self.once(("unlock",), environment)
            time.sleep(seconds)
            seconds = SECONDS_BETWEEN_TRIES

    def once(
        self,
        words: tuple[str, ...],
        environment: dict[str, str],
        into: IO[bytes] | None = None,
        filling: Path | None = None,
    ) -> commands.Done:
        """Run restic, and end it when it takes too long, or too much of a disk."""
        seconds = WORK_SECONDS if words[0] in WORK else ASK_SECONDS
        command = commands.limited(["restic", *words], MEMORY)
        if words[0] == "restore" and filling and os.geteuid() == 0:
            command = ["unshare", "--mount", "sh", "-c", WITHOUT_LINKS, "sh", str(filling), *command]
        try:
            if words[0] == "backup":
                return watched(command, environment)
            # Names of files are whatever the team has made of them.
            watch = functools.partial(refuse_full, filling) if filling else None
            return commands.run(command, seconds, env=environment, stdout=into or subprocess.PIPE, watch=watch)
        except StillError:
            raise BackupError(
                f"restic has read nothing for {STILL_SECONDS} s: {self.shown()} takes nothing, a disk answers nothing, "
                "or somebody has put a pipe in the place of a file just before it was opened"
            ) from None
        except commands.LongError:
            raise BackupError(
                f"restic {words[0]} printed more than {commands.MOST_BYTES >> 20} MiB of what {self.shown()} answers"
            ) from None
        except commands.LateError:
            raise BackupError(f"restic {words[0]} was still not done after {seconds} s at {self.shown()}") from None

    def reason(self, error: str) -> str:
        """Say what to do about it, where that is known."""
        words = of_itself(error)
        if "wrong password" in words:
            return f"mlflow_backup_password is not the password of the repository {self.shown()}"
        if "out of memory" in words:
            return f"restic has taken more than {MEMORY >> 20} MiB of memory for what {self.shown()} answers"
        if NO_MOUNT.match(words):
            return (
                "there is no place where nothing goes through a link of a snapshot's, which takes Linux 5.10 and "
                f"util-linux 2.38: {error.strip()}"
            )
        # restic may end before it has passed on what ssh said of it.
        if "unable to start the sftp session" in words:
            return (
                f"mlflow_backup_repository: root does not get into {self.shown()} by ssh; as root, ssh to it says "
                f"why, such as a key of the host that is in no known_hosts: {error.strip()}"
            )
        if not self.is_missing(words):
            return error.strip()
        return (
            f"mlflow_backup_repository: there is none at {self.shown()}; is its disk mounted? The role makes a new one"
        )

    @staticmethod
    def is_missing(error: str) -> bool:
        """Say whether this is what restic says where there is no repository."""
        return "Is there a repository at" in error or "repository does not exist" in error

    def shown(self) -> str:
        """Return its address without a password that may be in it."""
        return redaction.address(self.uri)

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


def refuse_full(place: Path) -> None:
    """Raise before a disk that all teams share is full: whoever has written a snapshot says what its files take."""
    disk = os.statvfs(place)
    if disk.f_bavail * disk.f_frsize < LEAST_BYTES or disk.f_favail < disk.f_files // LEAST_FILES:
        raise BackupError(f"{place} has hardly any room left: the files of the snapshot take more than it says")


def of_itself(error: str) -> str:
    """Return what restic says of itself; where it gets to files, their names are anybody's words."""
    lines = [last_words(line) if line.startswith("{") else line for line in error.split("\n")]
    return "" if any(line.startswith(OF_PLACES) for line in lines) else "\n".join(lines)


def last_words(line: str) -> str:
    """Return why restic ends, which from 0.18 on is JSON where that was asked for; nothing of what else it says."""
    try:
        said = json.loads(line)
    except ValueError:
        return ""
    return str(said.get("message", "")) if said.get("message_type") == "exit_error" else ""


class StillError(Exception):
    """Nothing comes of a backup any more."""


def watched(command: list[str], environment: dict[str, str]) -> commands.Done:
    """Run a backup, and end it when it gets no further.

    restic looks whether a file is one, and opens it then. In between, who can write there can make it a pipe, which
    opens for nobody, ever.
    """
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment) as process:
            try:
                said = list(lines_of(process))
            except BaseException:
                process.kill()
                raise
        if os.fstat(errors.fileno()).st_size > commands.MOST_BYTES:
            raise commands.LongError
        errors.seek(0)
        texts = ("".join(said), errors.read().decode(errors="replace"))
    return commands.Done(command, process.returncode, *texts)


def lines_of(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Yield what a backup prints, but for how far it is, which it does each second; raise when that is no further."""
    handle = process.stdout.fileno() if process.stdout else -1
    rest, before, length = b"", None, 0
    end, still = (time.monotonic() + seconds for seconds in (WORK_SECONDS, STILL_SECONDS))
    while True:
        if time.monotonic() > still:
            raise StillError
        if time.monotonic() > end:
            raise commands.LateError
        if not select.select([handle], [], [], 1)[0]:
            continue
        piece = os.read(handle, 1 << 16)
        if not piece:
            yield rest.decode(errors="replace")
            return
        *lines, rest = (rest + piece).split(b"\n")
        if length + len(rest) > commands.MOST_BYTES:
            raise commands.LongError
        for line in lines:
            found = json.loads(line) if line.startswith(b"{") else {}
            reached = [found.get(key) for key in ("total_files", "files_done", "bytes_done")]
            if found.get("message_type") != "status":
                length += len(line)
                yield f"{line.decode(errors='replace')}\n"
            elif reached != before:
                before, still = reached, time.monotonic() + STILL_SECONDS


def objects(text: str) -> list[dict[str, Any]]:
    """Return what restic says in JSON, a line each. A name may hold what Python takes for the end of a line."""
    return [json.loads(line) for line in text.split("\n") if line.startswith("{")]


def now() -> datetime.datetime:
    """Return what time it is."""
    return datetime.datetime.now(datetime.timezone.utc)


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


def moment(text: str) -> datetime.datetime:
    """Return a time; one without a zone is the host's. restic's have more digits than Python reads."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", text.strip())
    text = re.sub(r"\.(\d{1,5})(?!\d)", lambda found: f".{found[1]:0<6}", text)
    try:
        return datetime.datetime.fromisoformat(re.sub(r"Z$", "+00:00", text)).astimezone()
    except (ValueError, OverflowError):
        raise BackupError(
            f"at: '{text}' is not a valid time such as 2026-11-24 05:30 or 2026-11-24T05:30:00+01:00"
        ) from None


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
