"""How the client reaches a server, and what it says when it does not."""

import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor

import loopback
import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _client
from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import MlflowError, TransportError

CANARY = "canary-pass-word"


def client_of(uri, **options):
    return Client(**{"tracking_uri": uri, "username": "admin", "password": CANARY, **options})


def complaint(client):
    with pytest.raises(TransportError) as caught:
        client.get("/api/x")
    assert CANARY not in str(caught.value)
    assert caught.value.failure == {}
    return str(caught.value)


def test_nobody_listens():
    with loopback.nobody() as uri:
        message = complaint(client_of(uri))
    assert message.startswith(f"GET {uri}/api/x: ")
    assert "Connection refused" in message


def test_a_name_that_nobody_has():
    assert complaint(client_of("http://no-such-host.invalid")).startswith("GET http://no-such-host.invalid/api/x: ")


def test_a_server_that_does_not_answer_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = complaint(client_of(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=1))
    # The latter where the machine is so busy that the end of a second is noticed after that of all of them.
    assert "timed out" in said or "no whole answer within 4 seconds" in said


@pytest.mark.parametrize(
    "answer",
    ["", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}", "HTTP/1.1 2000\r\n\r\n"],
)
def test_an_answer_that_is_no_http_or_breaks_off(server, answer):
    server.answers(None, answer)
    assert complaint(client_of(server.uri)).startswith(f"GET {server.uri}/api/x: ")


def test_a_refusal_that_breaks_off(server):
    server.answers(None, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 50\r\n\r\n{}")
    with pytest.raises(MlflowError):
        client_of(server.uri).get("/api/x")


@pytest.mark.parametrize("status", [200, 500])
def test_a_part_of_less_than_nothing_is_not_all_that_comes(status):
    """To http.client a part of -1 bytes is as long as the answer, and memory is all that ends it."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        sent = pool.submit(in_a_part, listener, f"HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")
        with pytest.raises(MlflowError):
            client_of(f"http://127.0.0.1:{listener.getsockname()[1]}").get("/api/x")
        # What the connection itself holds is some of it.
        assert sent.result() < _client.LARGEST


def in_a_part(listener, head):
    """Answer so, and go on for as long as it is taken, up to twice what an answer may have; say how many bytes."""
    sent = 0
    connection, _address = listener.accept()
    with connection, contextlib.suppress(OSError):
        connection.recv(65536)
        connection.sendall(head.encode())
        while sent < 2 * _client.LARGEST:
            connection.sendall(bytes(2**20))
            sent += 2**20
    return sent


def test_a_server_that_takes_its_time_with_each_of_many_answers(server, monkeypatch):
    """None is late, and a server can have any number of users to be asked about."""
    now = [0.0]
    monkeypatch.setattr(_client.time, "monotonic", lambda: now[0])
    client = client_of(server.uri, timeout=10)
    monkeypatch.setattr(client, "_ask", lambda *_request: now.__setitem__(0, now[0] + 39) or "{}")
    while now[0] < 3600:
        assert client.get("/api/x") == {}
    assert complaint(client) == f"GET {server.uri}/api/x: it took more than 3600 seconds in all"


def test_through_a_unix_socket(unix_server):
    unix_server.script = (200, {"ok": True}, {})
    client = client_of("http://mlflow.example:5001", unix_socket=unix_server.server_address)
    assert client.get("/api/x") == {"ok": True}
    assert unix_server.requests[0]["headers"]["Host"] == "mlflow.example:5001"


def test_a_unix_socket_that_is_not_there(tmp_path):
    message = complaint(client_of("http://mlflow.example", unix_socket=str(tmp_path / "none")))
    assert "No such file or directory" in message


def test_a_certificate_that_is_not_trusted(tls_server):
    assert "CERTIFICATE_VERIFY_FAILED" in complaint(client_of(tls_server.uri))
    assert tls_server.requests == []


@pytest.mark.parametrize("trust", ["ca_path", "validate_certs"])
def test_a_certificate_that_is(tls_server, trust):
    options = {"ca_path": str(tls_server.certificate)} if trust == "ca_path" else {"validate_certs": False}
    assert client_of(tls_server.uri, **options).get("/api/x") == {}
