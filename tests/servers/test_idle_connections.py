"""A connection on which nothing comes is ended, and one on which something does is not, however slowly.

What a server that dies has begun to answer comes whole or not at all; one that ends answers what is on its way.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import project
import pytest

FILES = project.ROOT / "roles" / "mlflow_server" / "files" / "mlflowctl" / "in_mlflow"
# As the file runs it, with the same times made shorter.
PROGRAM = """
import sys
import serve_uvicorn
serve_uvicorn.SECONDS.update(head=40, body=40)
serve_uvicorn.SECONDS_BETWEEN_LOOKS = 1
serve_uvicorn.SECONDS_TO_ASK = 40
serve_uvicorn.LEFT_OUT.add("left_out")
SETTINGS
from uvicorn.main import main
main(["--uds", sys.argv[1], "--app-dir", sys.argv[2], "--timeout-keep-alive", "60", "answer:app"])
"""
ANSWER = """
import gc
import logging
import os
from types import SimpleNamespace
from mlflowctl.in_mlflow import asking
try:
    import left_out
except ImportError:
    pass

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/large":
        size = int(scope["query_string"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for start in range(0, size, 10000):
            await send({"type": "http.response.body", "body": b"x" * min(10000, size - start), "more_body": True})
        await send({"type": "http.response.body"})
        return
    if scope["path"] == "/full":
        await send({"type": "http.response.start", "status": 507, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    if scope["path"] == "/collects" and not (gc.isenabled() and gc.get_freeze_count()):
        return
    while (message := await receive()).get("more_body"):
        pass
    if scope["path"] == "/fails":
        try:
            raise ValueError
        except ValueError:
            logging.getLogger("mlflow.server").exception("Exception on /fails")
    login = dict(scope["headers"]).get(b"authorization")
    asking.learns(lambda: login == b"Basic eDp5" and SimpleNamespace(username="x"))()
    if message["type"] == "http.request":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        if scope["path"] == "/die":
            os.kill(os.getpid(), 9)
        if scope["path"] == "/left-out":
            try:
                import left_out
            except ImportError:
                pass
        await send({"type": "http.response.body", "body": b"ok"})
"""
LOGIN, MADE_UP = b"Authorization: Basic eDp5\r\n", b"Authorization: Basic bm86bm8=\r\n"
GET = b"GET / HTTP/1.1\r\nHost: here\r\n"
POST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 7\r\n\r\n"


@contextlib.contextmanager
def running(home: Path, settings: str = "") -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """Run the role's worker with the uvicorn that MLflow brings; give its socket, and the process."""
    (home / "answer.py").write_text(ANSWER)
    path = home / "http.sock"
    program = PROGRAM.replace("SETTINGS", settings)
    command = [str(project.MLFLOW / "bin" / "python"), "-c", program, str(path), str(home)]
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=FILES, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 600
        # It is there before anybody is let in.
        while not is_open(path):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        yield path, process
    finally:
        process.terminate()
        process.wait(600)


@contextlib.contextmanager
def serving(home: Path, settings: str = "") -> Iterator[Path]:
    """Run it; give its socket."""
    with running(home, settings) as (path, _process):
        yield path


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a server that lives."""
    with serving(tmp_path_factory.mktemp("idle")) as path:
        yield path


def ask(address: Path, said: bytes, more: bytes = b"") -> bytes:
    """Say something, then a byte every six seconds; return what is answered, nothing where the connection was ended."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(600)
        connection.connect(str(address))
        connection.sendall(said)
        try:
            for byte in more:
                # Together for longer than nothing may come, and each long before that, however busy the machine is.
                time.sleep(6)
                connection.sendall(bytes([byte]))
            return connection.recv(4096)
        except (BrokenPipeError, ConnectionResetError):
            return b""


def test_connections_end_where_nothing_comes_and_only_there(address: Path) -> None:
    with ThreadPoolExecutor(7) as pool:
        ended = [
            pool.submit(ask, address, b""),
            pool.submit(ask, address, GET),
            # A head has to come to its end, however busy it is.
            pool.submit(ask, address, GET, b"X: 1234567"),
            pool.submit(ask, address, POST + b"x"),
        ]
        served = [pool.submit(ask, address, POST, b"1234567"), pool.submit(ask, address, GET + b"\r\n")]
        # Who is answered before the end of a body may send all of it, and has the answer then.
        refused = pool.submit(ask, address, POST.replace(b"/", b"/full", 1), b"123456")
        assert [future.result() for future in ended] == [b""] * 4
        assert all(future.result().startswith(b"HTTP/1.1 200") for future in served)
        assert refused.result().startswith(b"HTTP/1.1 507")


def with_login(said: bytes, login: bytes) -> bytes:
    """Return a head with one more line."""
    return said.replace(b"\r\n\r\n", b"\r\n" + login + b"\r\n")


def test_who_asks_nothing_goes_for_who_comes(tmp_path: Path) -> None:
    """However many a stranger holds, and whatever they have begun."""
    settings = "serve_uvicorn.PROMISED = 9; serve_uvicorn.SECONDS.update(head=600, body=600)"
    with running(tmp_path, settings) as (address, _process), contextlib.ExitStack() as stack:
        asks, uploads, first = (kept(stack, address) for _number in range(3))
        uploads.sendall(GET + LOGIN + b"\r\n")
        assert b"200 OK" in whole(uploads)
        uploads.sendall(with_login(POST, LOGIN) + b"x")
        others = [kept(stack, address) for _number in range(3)]
        for connection, said in zip(others, (GET, with_login(POST, MADE_UP) + b"x", POST), strict=True):
            connection.sendall(said)
        for _number in range(20):
            assert b"200 OK" in ask(address, GET + b"\r\n")
        # Who has asked is not first in the row any more.
        asks.sendall(GET + b"\r\n")
        assert b"200 OK" in whole(asks)
        asks.sendall(GET)
        held = [kept(stack, address) for _number in range(2)]
        # With each of these who asks is one too many.
        for number, gone in enumerate((first, *others)):
            held.append(kept(stack, address))
            assert b"200 OK" in ask(address, GET + b"\r\n"), number
            assert gone.recv(1) == b"", number
        for connection, rest in ((uploads, b"123456"), (asks, b"\r\n")):
            connection.sendall(rest)
            assert b"200 OK" in whole(connection)


@pytest.mark.parametrize(
    "said",
    [with_login(POST, MADE_UP) + b"x", GET.replace(b"/", b"/large?3000000", 1) + b"\r\n"],
    ids=["a body with a log-in that is made up", "an answer that is not taken"],
)
def test_who_is_somebody_only_by_their_own_word_keeps_nobody_out(tmp_path: Path, said: bytes) -> None:
    settings = "serve_uvicorn.PROMISED = 9; serve_uvicorn.SECONDS.update(head=600, body=600, answer=600)"
    with running(tmp_path, settings) as (address, _process), contextlib.ExitStack() as stack:
        for number in range(24):
            holds = kept(stack, address)
            holds.sendall(GET + MADE_UP + b"\r\n")
            assert b"200 OK" in whole(holds), number
            holds.sendall(said)
            assert b"200 OK" in ask(address, GET + b"\r\n"), number


def test_what_is_to_be_closed_once_its_answer_is_taken_is_closed_where_it_is_not(tmp_path: Path) -> None:
    """Sizes that fill what the kernel keeps, and leave something to a server that has said all."""
    said = [
        GET.replace(b"/", f"/large?{size}".encode(), 1) + b"Connection: close\r\n\r\n"
        for size in range(150_000, 400_000, 10_000)
    ]
    settings = "serve_uvicorn.SECONDS.update(answer=3)"
    with running(tmp_path, settings) as (address, process), contextlib.ExitStack() as stack:
        assert b"200 OK" in ask(address, GET + LOGIN + b"\r\n")
        fewest = descriptors(process)
        for each in said:
            kept(stack, address).sendall(each)
        end = time.monotonic() + 280
        while descriptors(process) > fewest:
            assert time.monotonic() < end, "they are held for as long as whoever asked wants"
            time.sleep(0.5)


def descriptors(process: subprocess.Popen[bytes]) -> int:
    """Return how many a process has."""
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


def test_what_strangers_do_is_few_short_lines(tmp_path: Path) -> None:
    later = tmp_path / "later"
    # By a clock of its own: on a busy machine nobody knows how long all of this takes.
    clock = f"import os, time; it.clock = lambda: time.monotonic() + 2000 * os.path.exists({str(later)!r})"
    settings = f"serve_uvicorn.lines.TOGETHER = 1000; it = serve_uvicorn.lines.strangers; it.most = 8; {clock}"
    with serving(tmp_path, settings) as address:
        log = tmp_path / "server.log"
        long = b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: here\r\n"
        # Whoever is answered comes after what it says of its start, and not all do who are let in.
        assert b"200" in ask(address, GET + LOGIN + b"\r\n")
        began = log.read_text()
        full = long.replace(b"/", b"/full?", 1)
        for said in (long + b"\r\n", b"no request\r\n\r\n", full + LOGIN + b"\r\n", long + MADE_UP + b"\r\n") * 20:
            assert ask(address, said)
        found = log.read_text()[len(began) :]
        assert len(found.splitlines()) == 8
        assert max(map(len, found.splitlines())) < 1200
        # Whoever has a log-in has all of theirs.
        for _time in range(10):
            assert b"200" in ask(address, GET + LOGIN + b"\r\n")
        assert log.read_text()[len(began) :].count('"GET / HTTP/1.1" 200') == 10
        later.touch()
        assert ask(address, b"no request\r\n\r\n")
        assert "72 more requests were refused, or came without a log-in" in log.read_text()


def test_strangers_do_not_fill_it_by_what_fails_nor_hide_what_does(tmp_path: Path) -> None:
    """MLflow says with a traceback that it could not decode a log-in."""
    fails = GET.replace(b"/", b"/fails", 1)
    settings = "serve_uvicorn.lines.TOGETHER = 1000; serve_uvicorn.lines.errors_of_strangers.most = 3"
    with serving(tmp_path, settings) as address:
        assert b"200" in ask(address, GET + LOGIN + b"\r\n")
        for login in (MADE_UP, b"", LOGIN):
            for _time in range(5):
                assert b"200" in ask(address, fails + login + b"\r\n")
        assert (tmp_path / "server.log").read_text().count("Exception on /fails") == 3 + 5


def test_what_is_no_longer_needed_goes_again_once_everything_is_loaded(address: Path) -> None:
    assert ask(address, b"GET /collects HTTP/1.1\r\nHost: here\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_server_that_dies_leaves_no_half_of_an_answer(tmp_path: Path) -> None:
    with serving(tmp_path) as address:
        assert ask(address, b"GET /die HTTP/1.1\r\nHost: here\r\n\r\n") == b""


def test_a_server_that_ends_answers_who_asks_over_a_kept_connection(tmp_path: Path) -> None:
    settings = "serve_uvicorn.SECONDS.update(head=600, body=600)"
    with running(tmp_path, settings) as (address, process), contextlib.ExitStack() as stack:
        asks, waits, new = (kept(stack, address) for _number in range(3))
        for connection in (asks, waits):
            connection.sendall(GET + b"\r\n")
            assert b"200 OK" in whole(connection)
        process.terminate()
        while is_open(address):
            assert process.poll() is None
            time.sleep(0.01)
        for connection in (asks, new):
            connection.sendall(GET + b"\r\n")
            answer = whole(connection)
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"connection: close" in answer
            assert connection.recv(1) == b""
        assert waits.recv(1) == b""
        assert process.wait(600) in (0, -15)


def is_open(address: Path) -> bool:
    """Say whether somebody new is let in."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(address)) == 0


def kept(stack: contextlib.ExitStack, address: Path) -> socket.socket:
    """Return a connection that stays open."""
    connection = stack.enter_context(socket.socket(socket.AF_UNIX))
    connection.settimeout(600)
    connection.connect(str(address))
    return connection


def whole(connection: socket.socket) -> bytes:
    """Return an answer with its body."""
    answer = b""
    while not answer.endswith(b"\r\n\r\nok"):
        part = connection.recv(4096)
        assert part, answer
        answer += part
    return answer


def test_what_an_environment_leaves_out_is_named_once_when_a_request_asks_for_it(tmp_path: Path) -> None:
    with serving(tmp_path) as address:
        log = tmp_path / "server.log"
        assert b"200" in ask(address, GET + b"\r\n")
        assert "left_out" not in log.read_text()
        for _time in range(2):
            assert b"200" in ask(address, b"GET /left-out HTTP/1.1\r\nHost: here\r\n\r\n")
        found = [line for line in log.read_text().splitlines() if "left_out" in line]
    assert found == [
        "a request asks for left_out, which is not in this environment; if it fails for that,"
        " set mlflow_server_environment: full and run the playbook again"
    ]
