"""Runs restic on one repository. No password or credential is ever an argument."""

from __future__ import annotations

import functools
import json
import os
import re
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from mlflowctl import commands, paths, redaction
from mlflowctl.errors import Problem

# Seconds to wait for another host that has the repository for itself.
PATIENCE = 3600
SECONDS_BETWEEN_TRIES = 10
# What restic ends with when some files could not be read.
INCOMPLETE = 3
# What restic may take for anything but what artifacts are read, written or moved for: that takes as long as it takes,
# and its unit has an end.
ASK_SECONDS, WORK_SECONDS = 1800, 24 * 3600
WORK = ("backup", "restore", "prune", "check", "stats", "ls")
# For so long a backup may read nothing: a repository that is slow takes minutes for what waits. Others wait longer.
STILL_SECONDS = 3600
# Of the host's memory, what restic may take: who only keeps a repository can answer without end, and needs no password.
MEMORY = max(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2, 2 << 30)
# While something is fetched, so many bytes stay free, and of so many files one: see SPARE_BYTES of snapshot.py.
LEAST_BYTES, LEAST_FILES = 100 << 20, 100

# Runs a command that sees a directory so that nothing goes through a link in it, whatever makes one there. A tree that
# was written by hand has two of one name: restic makes a link of the first, and opens the second, which would be where
# that leads to, as root, and gives that the mode it likes.
WITHOUT_LINKS = """
mount --bind "$1" "$1" && mount -o remount,bind,nosymfollow,nodev,nosuid "$1" && ln -s / "$1/.try" || exit 1
if [ -e "$1/.try" ]; then echo "mount: this kernel follows links all the same" >&2; exit 1; fi
rm "$1/.try" && shift && exec "$@"
"""
NO_MOUNT = re.compile("(unshare|mount|ln): ")

# What restic says of places, one after the other, and at the end of all; of one that it cannot have, this is the end.
OF_PLACES, TOO_LONG = "ignoring error for /", ": file name too long\n"
IN_ALL = re.compile(r"Fatal: There were (\d+) errors\s*\Z")


class BackupError(Problem):
    """Why there is no backup, or none to restore."""


class Restic:
    """What runs it, with what it is to know."""

    def __init__(self, uri: str, environment: dict[str, str]) -> None:
        self.uri = uri
        self.environment = environment

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
            **self.environment,
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
