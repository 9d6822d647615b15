"""While a server ends, who comes waits in the socket, and who is connected goes on; shown with systemd's own part."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from mlflowctl.program import PACKAGE

PROXY = Path("/lib/systemd/systemd-socket-proxyd")
START = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], [sys.argv[2], "--connections-max=1024", sys.argv[3]])
"""
pytestmark = pytest.mark.skipif(not PROXY.exists() or os.geteuid() != 0, reason="needs systemd-socket-proxyd, and root")


class Echo:
    """A server on a Unix socket that says again what it is told."""

    def __init__(self, path):
        self.path = str(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(100)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with contextlib.suppress(OSError), connection:
            while text := connection.recv(100):
                connection.sendall(text)


@pytest.fixture
def door():
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        yield listener


@pytest.fixture
def passing_on(tmp_path, door):
    """Start what passes connections on, as systemd does: with the socket as its descriptor 3."""
    Echo(tmp_path / "s")
    started = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", START, str(door.fileno()), str(PROXY), str(tmp_path / "s")],
            pass_fds=[door.fileno()],
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def accept_nobody(process):
    """Do what ExecStop does, in a process of its own too."""
    code = f"from mlflowctl import finish; finish.accept_nobody({process.pid})"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, env=environment)


def connected(door):
    return socket.create_connection(door.getsockname(), timeout=60)


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def held(process):
    """What it has open for those whom it has accepted: two pipes for each, beside what it was started with."""
    found = set()
    for name in os.listdir(f"/proc/{process.pid}/fd"):
        # One may be closed meanwhile.
        with contextlib.suppress(FileNotFoundError):
            if int(name) > 2:
                found.add(os.readlink(f"/proc/{process.pid}/fd/{name}"))
    return {it for it in found if it.startswith("pipe:")}


def says(connection, text):
    connection.sendall(text)
    return connection.recv(100)


def test_who_comes_waits_and_who_is_connected_goes_on(door, passing_on):
    process = passing_on()
    with connected(door) as before:
        assert says(before, b"hello") == b"hello"
        accept_nobody(process)
        with connected(door) as after:
            after.sendall(b"anybody?")
            after.settimeout(1)
            with pytest.raises(TimeoutError):
                after.recv(100)
            assert says(before, b"still") == b"still"
            process.terminate()
            process.wait(timeout=60)
            after.settimeout(60)
            passing_on()
            assert after.recv(100) == b"anybody?"


def test_nobody_is_cut_off_while_many_come(door, passing_on):
    process, ended, wrong, answered = passing_on(), threading.Event(), [], []

    def come():
        while not ended.is_set():
            try:
                with connected(door) as connection:
                    (answered if says(connection, b"hello") == b"hello" else wrong).append("no answer")
            except OSError as error:
                wrong.append(repr(error))

    clients = [threading.Thread(target=come) for _number in range(8)]
    for client in clients:
        client.start()
    try:
        for _time in range(10):
            wanted = len(answered) + 50
            wait_for(lambda wanted=wanted: len(answered) >= wanted)
            accept_nobody(process)
            # Who was accepted before is answered, however long that takes; from then on nobody is.
            still, end = 0, time.monotonic() + 60
            while still < 5:
                seen = len(answered)
                time.sleep(0.1)
                still = still + 1 if (len(answered), held(process)) == (seen, set()) else 0
                assert time.monotonic() < end
            process.terminate()
            process.wait(timeout=60)
            process = passing_on()
    finally:
        ended.set()
        for client in clients:
            client.join()
    assert wrong == []
