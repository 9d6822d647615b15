"""Lets people work with MLflow's own client, whose import takes longer than most of what they do.

One process has imported it, and forks another for each of them, with their environment. Run as a script, by the Python
of MLflow's environment and with the path of a Unix socket, it is that process: it ends with its standard input.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path

START_SECONDS = 180
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

    def __init__(self, python: Path, env: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name) / "people.sock"
        self._process = subprocess.Popen(
            [python, __file__, self._path], env=env, stdin=subprocess.PIPE, cwd=self._folder.name
        )
        atexit.register(self.end)
        give_up = time.monotonic() + START_SECONDS
        while not self._path.exists():
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError("MLflow's client cannot be imported")
            time.sleep(0.05)

    def end(self) -> None:
        """Let it end; whoever works goes on."""
        with self._process:
            if self._process.stdin:
                self._process.stdin.close()
        self._folder.cleanup()

    def work(self, arguments: list[str], env: Mapping[str, str]) -> tuple[int, str, str]:
        """Let one person do something; return the exit code, and what was written to both outputs."""
        with (
            tempfile.TemporaryDirectory() as folder,
            tempfile.TemporaryFile("w+") as out,
            tempfile.TemporaryFile("w+") as err,
            tempfile.TemporaryFile("w+") as order,
            socket.socket(socket.AF_UNIX) as asked,
        ):
            # The client likes to leave files where it runs.
            json.dump({"arguments": arguments, "env": dict(env), "folder": folder}, order)
            order.seek(0)
            asked.connect(str(self._path))
            socket.send_fds(asked, [b"work"], [order.fileno(), out.fileno(), err.fileno()])
            code = asked.recv(1)
            # The person's process is over when nobody has the other end any more.
            asked.recv(1)
            for file in (out, err):
                file.seek(0)
            return (code[0] if code else -signal.SIGKILL), out.read(), err.read()


def be_a_person(asked: socket.socket, files: list[int]) -> None:
    """Be one of them, in this process, until it exits."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with os.fdopen(files[0]) as file:
        order = json.load(file)
    for number, opened in zip((1, 2), files[1:], strict=True):
        os.dup2(opened, number)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["folder"])
    code = 0
    try:
        importlib.import_module("person").main(order["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - whoever asked is told
        traceback.print_exc()
        code = 1
    # Whoever asked reads it as soon as the socket is closed, which comes before the end of this process.
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with contextlib.suppress(OSError):
        asked.send(bytes([code]))


def serve(path: str) -> None:
    """Fork one for each that is asked for."""
    for name in SHARED:
        importlib.import_module(name)
    if threading.active_count() > 1:
        raise RuntimeError("a process with threads is not to be forked")
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
                return
            for file in files:
                os.close(file)
            asked.close()


if __name__ == "__main__":
    serve(sys.argv[1])
