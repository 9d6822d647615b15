"""Runs other programs: each has an end, and whatever bytes one prints do not end this one."""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import resource
import selectors
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

from mlflowctl.errors import Problem
from mlflowctl.program import PROGRAM

# For what only asks; for what systemd or this host is told to do; and for what reads or writes all that a team has. Of
# that nobody knows how much it is: nothing that is still under way takes a week.
ASK_SECONDS, DO_SECONDS, WORK_SECONDS = 120, 1800, 7 * 24 * 3600
# Of the host's memory, what works on a team's data may take; and what only asks them. A few rows that a team's own code
# has defined can be of any size when they are read, and that it is not the server that reads them is no more room.
WORK_MEMORY = max(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4, 1 << 30)
ASK_MEMORY = 1 << 30
# Bytes that a program may print for this one, which holds several copies of them. A team's own code is what prints, or
# whoever keeps a repository: what is longer goes to a file.
MOST_BYTES, PIECE = 32 << 20, 1 << 16
# Between being asked to end, and being made to.
KILL_SECONDS = 10
# Between two looks of a watch.
WATCH_SECONDS = 0.1
# What timeout(1) ends with when its time is up, and how it is seen to end when it had to kill.
TIMED_OUT, KILLED = 124, (-9, 137)

Done = subprocess.CompletedProcess[str]


class EndedError(Problem, OSError):
    """A program had to be ended; whoever is prepared for one that is not there is prepared for this, too."""


class LateError(EndedError):
    """It was still not done."""


class LongError(EndedError):
    """It printed more than anybody reads."""


def run(
    command: Sequence[str | Path], seconds: float | None = ASK_SECONDS, account: str | None = None, **options: Any
) -> Done:
    """Run a program, as another account where one is given; return how it ended and what it printed.

    Without seconds, something else has to end it, such as its unit. It is asked nothing: what it reads is its input.
    An account's takes no more memory than is given here, and has what other limits prlimit(1) is given. Where a watch
    is given, that is asked again and again, and ends it by raising.
    """
    words = [os.fspath(word) for word in command]
    known = (("input", None), ("memory", WORK_MEMORY), ("watch", None), ("limits", ()))
    feed, memory, watch, limits = (options.pop(*it) for it in known)
    options.setdefault("stdin", subprocess.DEVNULL if feed is None else subprocess.PIPE)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    patience, began = seconds, time.monotonic()
    if account is not None:
        refuse_missing(words[0], options.get("env"))
        options = {**given_up(account), **options}
        if limits:
            # Not of what ends it, which begins it first.
            words = ["prlimit", *limits, *words]
        if seconds is not None:
            # Root of a unit that may do little cannot end what runs under another account: this is that account's.
            words, patience = bounded(words, seconds), seconds + 2 * KILL_SECONDS
        words = limited(words, memory)
        # numpy would come with buffers for each processor, and on a large host with more than that.
        own = options.get("env")
        options["env"] = {**(os.environ if own is None else own), "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(words, **options)
    try:
        told, complained = talk(process, feed, patience, watch)
    except subprocess.TimeoutExpired:
        end(process)
        raise LateError(late(command, seconds)) from None
    except OverflowError:
        end(process)
        raise LongError(f"{name_of(command)} printed more than {MOST_BYTES >> 20} MiB") from None
    except BaseException:
        end(process)
        raise
    if account is not None and is_late(process.returncode, began, seconds):
        raise LateError(late(command, seconds))
    return Done(words, process.returncode, told, complained)


def talk(
    process: subprocess.Popen[bytes],
    feed: str | None,
    seconds: float | None,
    watch: Callable[[], object] | None = None,
) -> tuple[str | None, str | None]:
    """Give a program its input, and return what it prints; OverflowError where that is too much to have."""
    end = None if seconds is None else time.monotonic() + seconds
    left, said = memoryview((feed or "").encode()), {pipe: bytearray() for pipe in (process.stdout, process.stderr)}
    with selectors.DefaultSelector() as selector:
        for pipe in filter(None, said):
            selector.register(pipe, selectors.EVENT_READ)
        if process.stdin:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            left_seconds = remaining(process, end)
            if watch:
                watch()
                left_seconds = min(WATCH_SECONDS, left_seconds or WATCH_SECONDS)
            for key, _events in selector.select(left_seconds):
                pipe = cast("IO[bytes]", key.fileobj)
                if pipe is process.stdin:
                    try:
                        left = left[os.write(key.fd, left[:PIECE]) :]
                    except BrokenPipeError:
                        left = left[:0]
                    goes_on = bool(left)
                else:
                    piece = os.read(key.fd, PIECE)
                    said[pipe] += piece
                    goes_on = bool(piece)
                if not goes_on:
                    selector.unregister(pipe)
                    pipe.close()
            if sum(map(len, said.values())) > MOST_BYTES:
                raise OverflowError
    process.wait(remaining(process, end))
    found = [
        None if pipe is None else said[pipe].decode("utf-8", "replace") for pipe in (process.stdout, process.stderr)
    ]
    return found[0], found[1]


def remaining(process: subprocess.Popen[bytes], end: float | None) -> float | None:
    """Return for how many seconds a program may go on; raise where that is over."""
    if end is None:
        return None
    left = end - time.monotonic()
    if left <= 0:
        raise subprocess.TimeoutExpired(process.args, 0)
    return left


def printed(
    command: Sequence[str | Path],
    problem: Callable[[str], Exception] = Problem,
    seconds: float | None = ASK_SECONDS,
    account: str | None = None,
    **options: Any,
) -> str:
    """Return what a program prints; where it fails, or has to be ended, raise a problem with why."""
    try:
        done = run(command, seconds, account, **options)
    except EndedError as error:
        raise problem(str(error)) from None
    if done.returncode != 0:
        raise problem(said(command, done))
    return done.stdout


def lines(
    command: Sequence[str | Path], problem: Callable[[str], Exception], seconds: float = WORK_SECONDS
) -> Iterator[bytes]:
    """Yield the lines that a program prints while it prints them, as they are; raise a problem as above.

    One that nobody is to have in memory is cut off: a team's own code may have put it where it is read.
    That it is not done in time remains an error of its own, for whoever has other advice then.
    """
    began = time.monotonic()
    with open(os.memfd_create("complained"), "w+b") as errors:
        words = bounded([os.fspath(word) for word in command], seconds)
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        try:
            whole = True
            printed: IO[bytes] = cast("Any", process.stdout)
            for line in iter(lambda: printed.readline(MOST_BYTES), b""):
                if whole:
                    yield line
                whole = line.endswith(b"\n")
            process.wait(seconds + 2 * KILL_SECONDS)
        except BaseException:
            end(process)
            raise
        end(process)
        errors.seek(0)
        complained = errors.read().decode("utf-8", "replace")
    if is_late(process.returncode, began, seconds):
        raise LateError(late(command, seconds))
    if process.returncode != 0:
        raise problem(said(command, Done(words, process.returncode, None, complained)))


def said(command: Sequence[str | Path], done: Done) -> str:
    """Return what a program that failed has said, or at least how it ended."""
    words = done.stdout if done.stderr is None else done.stderr
    return (words or "").strip() or f"{name_of(command)} ended with {done.returncode}"


def name_of(command: Sequence[str | Path]) -> str:
    """Return what a program is called by people."""
    words = [os.fspath(word) for word in command]
    own = words[: len(PROGRAM)] == PROGRAM and len(words) > len(PROGRAM)
    return f"mlflowctl {words[len(PROGRAM)]}" if own else os.path.basename(words[0])


def late(command: Sequence[str | Path], seconds: float | None) -> str:
    """Say that it is."""
    return f"{name_of(command)} was still not done after {seconds} s"


def bounded(words: list[str], seconds: float) -> list[str]:
    """Return a command that ends by itself, with all that it has started."""
    return ["timeout", f"--kill-after={KILL_SECONDS}", str(seconds), *words]


def limited(words: list[str], memory: int) -> list[str]:
    """Return a command that has so many bytes for what it works on; fewer where this process has no more itself."""
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    return ["prlimit", f"--data={memory if most == resource.RLIM_INFINITY else min(memory, most)}", *words]


def is_late(code: int, began: float, seconds: float | None) -> bool:
    """Say whether such a command has ended since its time was up."""
    return seconds is not None and time.monotonic() - began >= seconds and code in (TIMED_OUT, *KILLED)


def given_up(account: str) -> dict[str, Any]:
    """Return what makes a program one of an account's: it can do no more than whatever else that runs."""
    options: dict[str, Any] = {"umask": 0o077, "cwd": "/"}
    if os.geteuid() == 0:
        owner = pwd.getpwnam(account)
        options.update(user=owner.pw_uid, group=owner.pw_gid, extra_groups=[])
    return options


def refuse_missing(name: str, environment: dict[str, str] | None) -> None:
    """Raise as Python does where a program is not there, before something else stands in front of it."""
    if not shutil.which(name, path=(os.environ if environment is None else environment).get("PATH")):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def end(process: subprocess.Popen[Any]) -> None:
    """Let it end, and make it; whom not even that ends, since a disk holds it, nobody waits for."""
    # What is another account's ends by itself.
    with contextlib.suppress(subprocess.TimeoutExpired, PermissionError):
        process.terminate()
        try:
            # timeout(1) passes it on, and kills after its own time.
            process.wait(KILL_SECONDS + 1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(1)
    for pipe in (process.stdin, process.stdout, process.stderr):
        # What was to be read is read by nobody.
        with contextlib.suppress(OSError):
            if pipe:
                pipe.close()
