"""The one client: who asks is said, a socket is a way like a port, and nobody is sent elsewhere."""

import base64
import contextlib
import hashlib
import http.client
import http.server
import json
import socket
import socketserver
import threading
import time
import tracemalloc

import pytest
from mlflowctl import api
from mlflowctl.backup import answers
from mlflowctl.in_mlflow import client, grants


class Handler(http.server.BaseHTTPRequestHandler):
    """Says what it was asked, or what the path is called by."""

    def do_GET(self):
        size = int(self.headers.get("Content-Length") or 0)
        told = {"who": self.headers["Authorization"], "host": self.headers["Host"], "method": self.command}
        told["body"] = self.rfile.read(size).decode()
        status = int(self.path[1:]) if self.path[1:].isdecimal() else 200
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://elsewhere.example/")
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def do_PATCH(self):
        """End before the answer."""
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b'{"users": [1,2')

    def do_PUT(self):
        """Give as many megabytes as the path says; below zero, in a part of less than nothing."""
        self.protocol_version = "HTTP/1.1"
        self.send_response(200)
        self.send_header(*(("Transfer-Encoding", "chunked") if self.path[1] == "-" else ("Connection", "close")))
        self.end_headers()
        if self.path[1] == "-":
            self.wfile.write(b"-1\r\n")
        with contextlib.suppress(OSError):
            for _number in range(abs(int(self.path[1:]))):
                self.wfile.write(bytes(1 << 20))

    def do_OPTIONS(self):
        """Begin an answer, or its headers, and say a little more for as long as somebody listens."""
        headers = self.path == "/headers"
        self.wfile.write(b"HTTP/1.0 200 OK\r\n" + (b"" if headers else b"\r\n"))
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"x" if headers else b" ")
                time.sleep(0.1)

    def do_POST(self):
        self.do_GET()

    def do_DELETE(self):
        self.do_GET()

    def log_message(self, *words):
        """Say nothing."""


class OverSocket(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self):
        request, _address = super().get_request()
        return request, ("local", 0)


@pytest.fixture(params=["socket", "port"])
def ways(request, tmp_path):
    """Return the socket and the URI of a server that has one of them."""
    path = str(tmp_path / "s")
    server = (
        OverSocket(path, Handler) if request.param == "socket" else http.server.HTTPServer(("127.0.0.1", 0), Handler)
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield (path, "http://no.example:1") if request.param == "socket" else ("", f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


def test_who_asks_is_said_by_both_ways(ways):
    path, uri = ways
    told = grants.Server(uri, path, "ann", "pass:word").ask("DELETE", "/x", {"id": 1}, a="b c")
    assert base64.b64decode(told["who"].partition(" ")[2]) == b"ann:pass:word"
    assert (told["method"], json.loads(told["body"])) == ("DELETE", {"id": 1})
    assert told["host"] == ("localhost" if path else uri.partition("//")[2])


@pytest.mark.parametrize("status", [302, 404, 500])
def test_another_answer_is_none(ways, status):
    path, uri = ways
    with pytest.raises(grants.GrantError, match=f"^GET /{status}: {status}: "):
        grants.Server(uri, path, "ann", "it").ask("GET", f"/{status}")
    if path:
        with pytest.raises(api.AskError, match=f"^/{status}: {status}: "):
            api.Server(path, "ann", "it").ask(f"/{status}")


def test_root_asks_by_the_socket(ways):
    path, _uri = ways
    if not path:
        with pytest.raises(api.AskError, match="the server does not answer"):
            api.Server("/no/such/socket", "ann", "it").ask("/x")
        return
    server = api.Server(path, "ann", "it")
    assert [server.ask("/x", body)["method"] for body in (None, {}, {"a": 1})] == ["GET", "POST", "POST"]
    assert server.ask("/x", {})["body"] == "{}"
    with pytest.raises(api.AskError, match="does not accept the admin's password"):
        server.ask("/401")


def test_a_connection_is_closed_whatever_comes_of_it():
    way = client.over_socket("/no/such/socket", 1)
    with pytest.raises(FileNotFoundError):
        client.asked(way, "GET", "/", None, {})
    assert way.sock is None or way.sock.fileno() == -1


def large(ways, take, path="/80"):
    """Return what is taken of so many megabytes, and how many bytes that took."""
    at, uri = ways
    way = client.over_socket(at, 60) if at else http.client.HTTPConnection(uri.partition("//")[2], timeout=60)
    tracemalloc.start()
    try:
        return client.asked(way, "PUT", path, None, {}, take), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_answer_has_an_end(ways):
    with pytest.raises(http.client.HTTPException, match="larger than 64 MiB"):
        large(ways, client.whole)


@pytest.mark.parametrize("take", [client.whole, client.checksum])
def test_a_part_of_less_than_nothing_is_not_all_that_comes(ways, take):
    """To http.client a part of -1 bytes is as long as the answer, and memory is all that ends it."""
    held = []
    with pytest.raises(http.client.HTTPException):
        held.append(large(ways, holding(take, held), "/-80"))
    assert max(held) < 8 << 20


def holding(take, held):
    """Take an answer, and note how many bytes that took at most."""

    def taking(response):
        try:
            return take(response)
        finally:
            held.append(tracemalloc.get_traced_memory()[1])

    return taking


@pytest.mark.parametrize("path", ["/headers", "/body"])
@pytest.mark.parametrize("take", [client.whole, client.checksum])
def test_who_says_a_little_now_and_then_is_not_listened_to_for_ever(ways, monkeypatch, take, path):
    monkeypatch.setattr(client, "ARTIFACT_SECONDS", 2)
    monkeypatch.setattr(client, "WHOLE_ANSWER", 2 / 60)
    at, uri = ways
    way = client.over_socket(at, 60) if at else http.client.HTTPConnection(uri.partition("//")[2], timeout=60)
    with pytest.raises(TimeoutError, match="its answer was still not whole after 2 s"):
        client.asked(way, "OPTIONS", path, None, {}, take)


# Root asks by no other way.
@pytest.mark.parametrize("ways", ["socket"], indirect=True)
def test_pages_without_an_end_have_one(ways, monkeypatch):
    path, _uri = ways
    page = {"users": [], "experiments": [{"experiment_id": "1"}], "next_page_token": "again"}
    monkeypatch.setattr(api, "PATIENCE", 1)
    server = api.Server(path, "ann", "it")
    asked = client.asked
    monkeypatch.setattr(client, "asked", lambda *given: (asked(*given)[0], json.dumps(page).encode()))
    with pytest.raises(api.AskError, match="does not come to an end: all that it was asked took 1 s"):
        answers.counts(server)


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (500, b"gone\nvision: well\x1b[2J", r"/x: 500: gone\\nvision: well\\x1b\[2J"),
        (200, b"[]", "/x: the answer is no JSON"),
        (200, b"1", "/x: the answer is no JSON"),
        (200, b'{"a": ' * 10000, "/x: the answer is no JSON"),
    ],
)
def test_what_a_server_says_begins_no_line(monkeypatch, status, text, said):
    """Whoever has code in it would have a line of root's."""
    monkeypatch.setattr(client, "asked", lambda *_given: (status, text))
    with pytest.raises(api.AskError, match=f"^{said}$"):
        api.Server("/no/such/socket", "ann", "it").ask("/x")


def test_nor_does_what_is_no_answer(tmp_path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=hanging_up, args=(listener, b"no\x1b[2J HTTP" + b"!" * 5000 + b"\r\n"))
        thread.start()
        with pytest.raises(api.AskError, match=r"^the server does not answer: no\\x1b\[2J HTTP!{400,500}$"):
            api.Server(path, "ann", "it").ask("/x")
        thread.join()


def hanging_up(listener, text):
    """Say that, whatever is asked."""
    connection, _address = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(text)


@pytest.mark.parametrize("take", [client.whole, client.checksum])
def test_half_an_answer_is_none(ways, take):
    path, uri = ways
    way = client.over_socket(path, 60) if path else http.client.HTTPConnection(uri.partition("//")[2], timeout=60)
    with pytest.raises(http.client.IncompleteRead):
        client.asked(way, "PATCH", "/", None, {}, take)


def test_what_is_no_json_is_told(ways, monkeypatch):
    path, _uri = ways
    monkeypatch.setattr(Handler, "do_GET", Handler.do_PATCH)
    monkeypatch.setattr(client, "refuse_part", lambda _response: None)
    with pytest.raises(api.AskError, match="/x: the answer is no JSON" if path else "does not answer"):
        api.Server(path or "/no/such/socket", "ann", "it").ask("/x")


def test_an_artifact_is_taken_piece_by_piece(ways):
    (status, text), most = large(ways, client.checksum)
    assert (status, text.decode()) == (200, hashlib.sha256(bytes(80 << 20)).hexdigest())
    assert most < 16 << 20
