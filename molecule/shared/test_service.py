"""Every team's server, as its clients meet it."""

import threading
import time
from typing import Any

import pytest

WHO_AM_I = "/api/2.0/mlflow/users/current"
NOBODY = ("nobody-declared", "nobody-knows-this")


def test_answers_its_health_check(server: Any) -> None:
    answer = server.ask("/health")
    assert (answer.status, answer.text) == (200, "OK")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", WHO_AM_I),
        ("GET", "/version"),
        ("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0"),
        ("POST", "/api/2.0/mlflow/experiments/search"),
        ("POST", "/api/2.0/mlflow/experiments/create"),
        ("POST", "/api/2.0/mlflow/users/create"),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts"),
        ("GET", "/api/2.0/mlflow/users/list"),
    ],
)
def test_refuses_who_does_not_log_in(server: Any, method: str, path: str) -> None:
    body = {"name": "stolen"} if method == "POST" else None
    assert server.ask(path, method=method, body=body).status == 401


def test_lets_in_who_is_declared(server: Any) -> None:
    for user in server.team["users"]:
        answer = server.ask(WHO_AM_I, (user["name"], user["password"]))
        assert (answer.status, answer.json["user"]["username"]) == (200, user["name"])
    assert server.ask(WHO_AM_I, server.admin).json["user"]["is_admin"] is True


def test_lets_in_nobody_else(server: Any) -> None:
    assert server.ask(WHO_AM_I, NOBODY).status == 401
    assert server.ask(WHO_AM_I, (server.admin[0], NOBODY[1])).status == 401
    listed = server.ask("/api/2.0/mlflow/users/list", server.admin).json["users"]
    declared = {user["name"] for user in server.team["users"]}
    assert {user["username"] for user in listed} == declared | {server.admin[0]}


def test_requests_wait_while_a_killed_server_comes_back(server: Any) -> None:
    # Without the password of the first start, which is gone.
    assert not server.host.file(f"/etc/mlflow/{server.name}/bootstrap.env").exists
    unit = f"mlflow@{server.name}.service"
    (before,) = server.show(unit, "MainPID")
    server.host.check_output("kill -9 %s", before)
    # Who is connected in the instant in which it dies is cut off with it; who comes then waits in the socket.
    end = time.monotonic() + 300
    while server.show(f"mlflow-listen@{server.name}.service", "ActiveState")[0] in ("active", "deactivating"):
        assert time.monotonic() < end
        time.sleep(0.05)
    answers: list[Any] = []
    clients = [
        threading.Thread(target=lambda: answers.append(server.ask(WHO_AM_I, server.admin))) for _count in range(3)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert [answer.status for answer in answers] == [200, 200, 200]
    after, state = server.show(unit, "MainPID", "ActiveState")
    assert after not in (before, "0")
    assert state == "active"
