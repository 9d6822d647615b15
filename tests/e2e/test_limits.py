"""A team that takes too much of the host is the one that loses it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import demo
import pytest
from e2e.stage import ALICE, Stage, example, soon, stream_during

DAVE = {"name": "dave", "password": "dave-try-out-only"}
MEGABYTE = b"x" * 1024**2
# Nobody has to log in for MLflow to read a body into memory before it looks at who sends it.
PATH = "/api/2.0/mlflow/runs/log-batch"
PROMISED = 1024
# What a connection may say, and then nothing more.
BEGINNINGS = {
    "nothing": b"",
    "half a head": b"GET /health HTTP/1.1\r\nHost: localhost\r\n",
    "no body": b"POST /api/2.0/mlflow/runs/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
}
# How long nothing may come, and the time between two looks.
IDLE_SECONDS = 60 + 10


def send(stage: Stage, port: int, megabytes: int) -> None:
    """Send a request that a server without a limit would keep in memory."""
    connection = http.client.HTTPConnection(stage.host.address, port, timeout=120)
    try:
        connection.putrequest("POST", PATH)
        connection.putheader("Content-Length", str(megabytes * len(MEGABYTE)))
        connection.endheaders()
        for _number in range(megabytes):
            connection.send(MEGABYTE)
        connection.getresponse()
    except OSError:
        pass
    finally:
        connection.close()


def put(stage: Stage, port: int, path: str, megabytes: int) -> tuple[int, str]:
    """Upload an artifact as dave; return the status, and what is said."""
    login = base64.b64encode(":".join(DAVE.values()).encode()).decode()
    connection = http.client.HTTPConnection(stage.host.address, port, timeout=120)
    try:
        headers = {"Authorization": f"Basic {login}"}
        connection.request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{path}", MEGABYTE * megabytes, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_who_eats_memory_dies_comes_back_and_disturbs_nobody(converged: Stage) -> None:
    changes = {
        "memory_max": "512M",
        "cpu_weight": 50,
        "tasks_max": 200,
        "disk_max": "64M",
        # Which takes another start, and access that is given meanwhile.
        "environment": {"MLFLOW_LOGGING_LEVEL": "ERROR"},
        "registered_models": [{"name": "classifier", "grants": {"frank": "READ"}}],
    }
    runs: list[demo.Play] = []
    started = converged.starts("nlp")

    def change() -> None:
        runs.append(converged.play("site", mlflow_team_nlp=example("nlp", **changes)))

    answer = stream_during(converged, change, "--repeat", port=5002, who=DAVE, experiment="sentiment")
    assert runs[0].code == 0, runs[0].output
    assert answer["kept"] == answer["sent"] > 10
    assert converged.starts("nlp") > started
    names = "MemoryMax,CPUWeight,IOWeight,TasksMax"
    shown = converged.sh(f"systemctl show --property={names} mlflow@nlp").split()
    assert set(shown) == {"MemoryMax=536870912", "CPUWeight=50", "IOWeight=50", "TasksMax=200"}

    found = converged.answer(5002, *DAVE.values(), "/api/2.0/mlflow/experiments/get-by-name?experiment_name=sentiment")
    number = json.loads(found[1])["experiment"]["experiment_id"]
    assert put(converged, 5002, f"{number}/room/small", 1)[0] == 200
    status, said = put(converged, 5002, f"{number}/room/large", 70)
    assert (status, json.loads(said)["error_code"]) == (507, "RESOURCE_LIMIT_EXCEEDED")
    assert "The team may keep 64.0 MiB here (disk_max)" in said
    assert "large" not in converged.sh(f"ls /var/lib/mlflow/nlp/artifacts/{number}/room")
    asked = "mlflowctl audit nlp --user=dave --route=mlflow-artifacts/artifacts --json"
    assert soon(lambda: {it["status"] for it in json.loads(converged.sh(asked))} >= {200, 507})

    assert converged.login(5002, **DAVE) == 200
    other = converged.lives("vision")
    before = converged.starts("nlp")

    def eat() -> None:
        send(converged, 5002, 700)
        # systemd learns of it a moment after the connection has.
        assert soon(lambda: bool(re.search("status=9/KILL|OOM", converged.journal("--unit=mlflow@nlp.service"))))
        # Who comes in the instant in which it dies may be cut off with it; who comes then waits for the next one.
        assert soon(lambda: converged.login(5002, **DAVE) == 200)

    answer = stream_during(converged, eat)
    assert answer["kept"] == answer["sent"] > 10
    assert converged.lives("vision") == other
    assert converged.starts("nlp") > before
    assert converged.play("site").code == 0


@contextlib.contextmanager
def connections(stage: Stage, port: int, number: int, beginning: bytes = b"") -> Iterator[list[socket.socket]]:
    """Hold connections that say no more than that."""
    with contextlib.ExitStack() as stack:
        found = []
        for _number in range(number):
            found.append(stack.enter_context(socket.create_connection((stage.host.address, port), timeout=300)))
            found[-1].sendall(beginning)
        yield found


def is_over(connection: socket.socket) -> bool:
    """Say whether the other side has ended a connection."""
    connection.setblocking(False)
    try:
        return connection.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def accepted(stage: Stage, team: str) -> int:
    """Return how many connections of a team are passed on now: what passes them on has six descriptors for each."""
    process = stage.sh(f"systemctl show --value --property=MainPID mlflow-listen@{team}.service").strip()
    return int(stage.sh(f"ls /proc/{process}/fd | wc -l")) // 6


def journal_lines(stage: Stage, since: str) -> int:
    """Return how many lines the journal has from then on."""
    return len(stage.journal(f"--since='@{since}'").splitlines())


def processor_seconds(stage: Stage, team: str) -> float:
    """Return what passing connections on has taken of the processor."""
    process = stage.sh(f"systemctl show --value --property=MainPID mlflow-listen@{team}.service").strip()
    times = stage.sh(f"cut -d' ' -f14,15 /proc/{process}/stat").split()
    return sum(map(int, times)) / int(stage.sh("getconf CLK_TCK"))


def rests(stage: Stage, team: str) -> bool:
    """Say whether passing connections on takes next to nothing of the processor for a while."""
    before = processor_seconds(stage, team)
    time.sleep(5)
    return processor_seconds(stage, team) - before < 1


def test_as_many_as_promised_may_be_connected_and_one_more_is_answered(converged: Stage) -> None:
    assert converged.login(5001, **ALICE) == 200
    since = converged.sh("date +%s").strip()
    with connections(converged, 5001, PROMISED):
        assert soon(lambda: accepted(converged, "vision") >= PROMISED), accepted(converged, "vision")
        assert converged.login(5001, **ALICE) == 200
        # Whoever comes beyond that is turned away, or waits; and nobody goes round in circles meanwhile.
        with connections(converged, 5001, PROMISED // 2):
            assert soon(lambda: rests(converged, "vision"))
            assert converged.lives("vision")
            # Whoever holds connections and asks nothing keeps nobody out, however many they are.
            assert converged.login(5001, **ALICE) == 200
    assert journal_lines(converged, since) < 200
    assert converged.login(5001, **ALICE) == 200
    assert converged.login(5002, **DAVE) == 200


def send_slowly(stage: Stage) -> bytes:
    """Send a body for longer than nothing may come, all in all; return how the answer begins."""
    body = b'{"experiment_ids": ["0"], "max_results": 1}'.ljust(IDLE_SECONDS // 10 + 50)
    head = f"POST /api/2.0/mlflow/runs/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    with connections(stage, 5001, 1, head.encode()) as (connection,):
        end = time.monotonic() + IDLE_SECONDS + 10
        sent = 0
        while time.monotonic() < end:
            connection.sendall(body[sent : sent + 1])
            sent += 1
            time.sleep(5)
        connection.sendall(body[sent:])
        return connection.recv(4096)


@pytest.fixture(scope="module")
def slowly_sent(converged: Stage) -> Iterator[Future[bytes]]:
    """Send a body slowly while others are waited for, which takes as long."""
    assert converged.login(5001, **ALICE) == 200
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(send_slowly, converged)


def test_who_does_not_go_on_is_not_waited_for(converged: Stage, slowly_sent: Future[bytes]) -> None:
    """Otherwise strangers would keep a team awake, or full, without ever logging in."""
    with contextlib.ExitStack() as stack:
        held = {what: stack.enter_context(connections(converged, 5001, 3, said)) for what, said in BEGINNINGS.items()}
        end = time.monotonic() + IDLE_SECONDS + 180
        while waiting := [what for what, them in held.items() if not all(map(is_over, them))]:
            assert time.monotonic() < end, waiting
            time.sleep(1)
    assert converged.login(5001, **ALICE) == 200


def test_a_body_that_comes_slowly_is_waited_for(slowly_sent: Future[bytes]) -> None:
    # Nobody has logged in.
    assert slowly_sent.result().startswith(b"HTTP/1.1 401")
