"""Lets people work with MLflow's own client, whose import takes longer than most of what they do.

One process has imported it, and forks another for each of them, with their environment. Run as a script, by the Python
of MLflow's environment and with `serve`, the path of a Unix socket and the modules that it is to import, it is that
process: it ends with its standard input. With the path, a program and its arguments, it has the process there run that.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

# As long as a very busy machine needs to import it, and more.
START_SECONDS = 1200
SERVE = "serve"
# What each of them would import again.
SHARED = (
    "git",
    "mlflow.artifacts",
    "mlflow.models",
    "mlflow.pyfunc",
    "mlflow.tracking.request_header.registry",
    "person",
)


class People:
    """The process, as those see it who let people work."""

    def __init__(self, python: Path, env: Mapping[str, str], shared: Sequence[str] = SHARED) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "people.sock"
        self._process = subprocess.Popen(
            [python, __file__, SERVE, self.path, *shared], env=env, stdin=subprocess.PIPE, cwd=self._folder.name
        )
        atexit.register(self.end)
        give_up = time.monotonic() + START_SECONDS
        while not self.path.exists():
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError("MLflow's client cannot be imported")
            time.sleep(0.05)

    def end(self) -> None:
        """Let it end; whoever works goes on."""
        with self._process:
            if self._process.stdin:
                self._process.stdin.close()
        self._folder.cleanup()

    def work(self, arguments: list[str], env: Mapping[str, str], program: Path | None = None) -> tuple[int, str, str]:
        """Let one person do something, or run a program; return the exit code, and what was written to both outputs."""
        return work(str(self.path), [str(program or ""), *arguments], env)


def work(path: str, words: list[str], env: Mapping[str, str]) -> tuple[int, str, str]:
    """Let the process at a socket do what the words say, the first of which is a program or nothing."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
        tempfile.TemporaryFile("w+") as order,
        socket.socket(socket.AF_UNIX) as asked,
    ):
        # The client likes to leave files where it runs.
        json.dump({"words": words, "env": dict(env), "folder": folder}, order)
        order.seek(0)
        asked.connect(path)
        socket.send_fds(asked, [b"work"], [order.fileno(), out.fileno(), err.fileno()])
        code = asked.recv(1)
        # The person's process is over when nobody has the other end any more.
        asked.recv(1)
        for file in (out, err):
            file.seek(0)
        return (code[0] if code else -signal.SIGKILL), out.read(), err.read()


def be_a_person(asked: socket.socket, files: list[int]) -> NoReturn:
    """Be one of them, in this process, until it exits."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with os.fdopen(files[0]) as file:
        order = json.load(file)
    for number, opened in zip((1, 2), files[1:], strict=True):
        os.dup2(opened, number)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["folder"])
    program, *arguments = sys.argv = order["words"]
    code = 0
    try:
        if program:
            runpy.run_path(program, run_name="__main__")
        else:
            importlib.import_module("person").main(arguments)
    except SystemExit as end:
        code = exit_code(end)
    except BaseException:  # noqa: BLE001 - whoever asked is told
        traceback.print_exc()
        code = 1
    # Whoever asked reads it as soon as the socket is closed, which comes before the end of this process.
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with contextlib.suppress(OSError):
        asked.send(bytes([code]))
    # As multiprocessing ends: to take apart all that was imported before takes longer than most of what people do.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def exit_code(end: SystemExit) -> int:
    """Return the code that Python would end with, and say what it would."""
    if end.code is None or isinstance(end.code, int):
        return (end.code or 0) & 0xFF
    print(end.code, file=sys.stderr)
    return 1


def serve(path: str, *shared: str) -> None:
    """Fork one for each that is asked for."""
    for name in shared:
        importlib.import_module(name)
    if threading.active_count() > 1:
        raise RuntimeError("a process with threads is not to be forked")
    # What is there for good is looked at, and so copied, by nobody's process.
    gc.freeze()
    # Nobody waits for them here.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        # Whoever sees it may come at once.
        listener.bind(f"{path}.new")
        listener.listen()
        os.rename(f"{path}.new", path)
        while True:
            ready, _writable, _failed = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            asked, _address = listener.accept()
            _said, files, _flags, _sender = socket.recv_fds(asked, 100, 3)
            if os.fork() == 0:
                listener.close()
                be_a_person(asked, files)
            for file in files:
                os.close(file)
            asked.close()


def ask(path: str, program: str, *arguments: str) -> int:
    """Let the process at a socket run a program as if it were this one."""
    code, out, err = work(path, [program, *arguments], os.environ)
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code if code >= 0 else 1


if __name__ == "__main__":
    if sys.argv[1] == SERVE:
        serve(*sys.argv[2:])
    else:
        sys.exit(ask(*sys.argv[1:]))
