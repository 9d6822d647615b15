"""Answers of any server, byte by byte."""

import contextlib
import errno
import io
import os
import select
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc

import pytest
from mlflow_mounts import patience, report
from mlflow_mounts.artifacts import asking, exchange, login

WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
def _patient():
    """Let no test have what another one has left of its patience."""
    patience.begin()


@contextlib.contextmanager
def server(*answers, context=None):
    """Run a server that sends these bytes, one after each request, and then closes; yield its port and requests."""
    listening = socket.create_server(("127.0.0.1", 0))
    asked = []

    def serve():
        plain, _address = listening.accept()
        with plain, context.wrap_socket(plain, server_side=True) if context else plain as one:
            for answer in answers:
                asked.append(one.recv(65536))
                one.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listening:
        try:
            yield listening.getsockname()[1], asked
        finally:
            thread.join(300)


@contextlib.contextmanager
def connected(*answers, host="127.0.0.1", trust=None):
    """Yield a connection to such a server, its requests and its port."""
    with server(*answers) as found, contextlib.closing(exchange.Connection(host, found[0], trust)) as one:
        yield one, found[1], found[0]


def body_of(answer, size=1 << 20):
    with connected(answer) as (one, _asked, _port):
        response = one.ask("GET", "/", None, {})
        with contextlib.closing(response):
            parts = []
            while part := response.read(size):
                parts.append(part)
            return b"".join(parts), response.finished, response.stays


@pytest.mark.parametrize(
    ("answer", "body", "stays"),
    [
        (WELL, b"{}", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + WELL, b"{}", True),
        (b"HTTP/1.1 200\nContent-Length: 2\n\n{}", b"{}", True),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\n{}", b"{}", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"{}", False),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", b"to the end", False),
        (b"HTTP/1.1 204 No\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True),
        (
            CHUNKED + b"3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
            b"abc0123456789",
            True,
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 4, 1 << 20])
def test_an_answer_is_read_to_its_end(answer, body, stays, size):
    assert body_of(answer, size) == (body, True, stays)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 2",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 999 OK\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n0123456789",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n12",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
        CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"2\r\n{}more\r\n0\r\n\r\n",
        CHUNKED + b"ffffffffffffffffffff\r\n{}",
        CHUNKED + b"0" * 100_000,
        CHUNKED + b"2\r\n{}\r\n",
    ],
)
def test_what_is_no_answer_is_an_error(answer):
    with pytest.raises((OSError, exchange.NotHttpError)):
        body_of(answer)


def test_many_small_parts_take_little_more_than_what_is_in_them():
    class Sock:
        def makefile(self, _mode):
            return io.BytesIO(CHUNKED + b"2\r\nab\r\n" * 20_000 + b"0\r\n\r\n")

    response = exchange.Response(Sock())
    tracemalloc.start()
    try:
        assert response.read(1 << 20) == b"ab" * 20_000
        # More than sixty times as much, where each is kept by itself.
        assert tracemalloc.get_traced_memory()[1] < 8 * 40_000
    finally:
        tracemalloc.stop()


def test_one_connection_is_enough_and_says_what_is_asked():
    with connected(WELL, WELL) as (one, asked, port):
        for body in (None, '{"a": 1}'):
            response = one.ask("POST", "/a?b=c", body, {"X-Y": "z"})
            assert response.read(10) == b"{}"
            assert (response.finished, response.header("CONTENT-length")) == (True, "2")
    head = f"POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept-Encoding: identity\r\nX-Y: z\r\n"
    assert asked == [f"{head}\r\n".encode(), f'{head}Content-Length: 8\r\n\r\n{{"a": 1}}'.encode()]


def test_a_name_is_sent_as_servers_know_it():
    with connected(WELL) as (one, asked, _port):
        one._name = exchange.Connection("b\xfccher.example", 80, None)._name
        one.ask("GET", "/", None, {}).close()
    assert b"\r\nHost: xn--bcher-kva.example\r\n" in asked[0]
    assert exchange.Connection("::1", 80, None)._name == "[::1]"
    assert exchange.Connection("::1", 81, None)._name == "[::1]:81"


@pytest.mark.parametrize("host", ["\xfc" * 70, "\xfc..x"])
def test_a_name_that_no_host_has_is_told_in_words(tmp_path, host):
    team_of(tmp_path, 80, host)
    assert report.team_problem(str(tmp_path / "team.env")) == "no host has such a name"


@pytest.mark.parametrize(("path", "header"), [("/a b", "x"), ("/a\r\nX: y", "x"), ("/", "x\r\nY: z"), ("/\x00", "x")])
def test_nothing_else_is_asked_than_was_meant(path, header):
    with pytest.raises(exchange.NotHttpError):
        exchange.Connection("127.0.0.1", 9, None).ask("GET", path, None, {"A": header})


def test_all_addresses_together_have_the_patience_of_one(monkeypatch):
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        where = full.getsockname()
        # Whoever comes after these is not let in, and is not told either.
        for _number in range(4):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(where)
        several = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", where)] * 200
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_words, **_more: several)
        monkeypatch.setattr(patience, "PATIENCE", 0.5)
        patience.begin()
        before = time.monotonic()
        with pytest.raises(OSError, match=r"in time|timed out"):
            exchange.Connection("several", where[1], None).ask("GET", "/", None, {})
        # Two hundred times as long otherwise.
        assert time.monotonic() - before < 60


def test_an_address_of_a_kind_that_this_host_has_not_is_followed_by_the_next(monkeypatch):
    with connected(WELL, host="several") as (one, _asked, port):
        usual = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_words, **_more: [(99, *usual[1:]), usual])
        assert one.ask("GET", "/", None, {}).read(10) == b"{}"


def test_to_agree_on_keys_has_what_to_connect_has_left(monkeypatch):
    class Context:
        def wrap_socket(self, sock, server_hostname):
            seconds.append((server_hostname, sock.gettimeout()))
            return sock

    left, seconds = iter([50.0, 7.0]), []
    with connected(WELL, host="localhost", trust=Context()) as (one, _asked, port):
        usual = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_words, **_more: [usual])
        monkeypatch.setattr(patience, "left", lambda: next(left))
        one.ask("GET", "/", None, {}).close()
    assert seconds == [(b"localhost", 7.0)]


@pytest.fixture
def certificate(tmp_path):
    key, file = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    made += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*made, "-keyout", key, "-out", file], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return file, context


def team_of(tmp_path, port, host="127.0.0.1", scheme="http", *more):
    """Return a team whose server is there; more: lines of its file."""
    env = tmp_path / "team.env"
    where = [f"MLFLOW_TRACKING_URI={scheme}://{host}:{port}", "MLFLOW_TRACKING_USERNAME=alice"]
    env.write_text("\n".join([*where, "MLFLOW_TRACKING_PASSWORD=secret", *more, ""]))
    return asking.Team(str(env))


def let_go(team):
    for _at, connection in team._kept:
        connection.close()


def test_what_was_ended_gives_nothing_but_what_was_said(certificate, tmp_path):
    file, context = certificate
    said = b"A" * 100
    with server(b"HTTP/1.1 200 OK\r\n\r\n", said, context=context) as (port, _asked):
        team = team_of(tmp_path, port, "127.0.0.1", "https", f"MLFLOW_TRACKING_SERVER_CERT_PATH={file}")
        answer = team.ask("GET", "/")
        sock = answer._connection.sock
        sock.sendall(b"more")
        assert select.select([sock], [], [], 300)[0]
        team._watched[answer._connection] = 0
        team.rest()
        assert sock.recv(1000) == said
        answer.close()


def test_an_answer_that_was_ended_is_not_told_as_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE", 0.5)
    listening, over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve():
        one, _address = listening.accept()
        with one, contextlib.suppress(OSError):
            one.recv(65536)
            one.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while not over.wait(0.05):
                one.sendall(b"x")

    def rest():
        while not over.wait(0.05):
            team.rest()

    with listening:
        team = team_of(tmp_path, listening.getsockname()[1])
        threads = [threading.Thread(target=serve), threading.Thread(target=rest)]
        for thread in threads:
            thread.start()
        try:
            patience.begin()
            with pytest.raises(OSError, match="in time") as raised:
                team.ask("GET", "/").rest()
            assert raised.value.errno == errno.ETIMEDOUT
        finally:
            over.set()
            for thread in threads:
                thread.join(300)


@pytest.mark.parametrize(("trusted", "host"), [(True, "127.0.0.1"), (True, "127.0.0.2"), (False, "127.0.0.1")])
def test_only_a_server_that_is_trusted_is_told_who_asks(certificate, tmp_path, trusted, host):
    file, context = certificate
    listening = socket.create_server(("0.0.0.0", 0))
    heard = []

    def serve():
        plain, _address = listening.accept()
        with plain, contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as one:
            heard.append(one.recv(65536))
            one.sendall(WELL)

    thread = threading.Thread(target=serve)
    thread.start()
    more = [f"MLFLOW_TRACKING_SERVER_CERT_PATH={file}"] if trusted else []
    team = team_of(tmp_path, listening.getsockname()[1], host, "https", *more)
    with listening:
        if trusted and host == "127.0.0.1":
            assert team.get("/") == {}
        else:
            with pytest.raises(OSError, match="certificate") as raised:
                team.get("/")
            assert raised.value.errno == errno.EKEYREJECTED
        thread.join(300)
    assert len([one for one in heard if one]) == (trusted and host == "127.0.0.1")
    let_go(team)


def test_a_new_password_is_not_sent_to_the_former_server(tmp_path):
    with server(WELL, WELL) as (former, heard), server(WELL, WELL) as (present, told):
        team = team_of(tmp_path, former)
        under_way = team.ask("GET", "/long")
        team_of(tmp_path, present)
        assert team.get("/one") == {}
        # Ends only now, and its connection is not the next one's.
        assert under_way.rest() == b"{}"
        assert team.get("/two") == {}
        let_go(team)
    assert [[one for one in heard if one][1:], len(told)] == [[], 2]


def test_a_connection_is_used_again_only_while_its_server_is_trusted(certificate, tmp_path):
    file, context = certificate
    with server(WELL, WELL, context=context) as (port, heard):
        team = team_of(tmp_path, port, "127.0.0.1", "https", f"MLFLOW_TRACKING_SERVER_CERT_PATH={file}")
        assert team.get("/one") == {}
        who, trust = team.login(), team._trust(str(file))
        ((_at, connection),) = team._kept
        os.utime(file, (1, 1))
        assert team._used_before(who, team._trust(str(file))) is None
        assert (connection.context, connection.sock, team._kept) == (trust, None, [])
    assert [one for one in heard if one][1:] == []


@pytest.mark.parametrize("unasked", [WELL.replace(b"{}", b"[]"), WELL.replace(b"200 OK", b"408 Late"), b""])
def test_what_nobody_asked_for_is_no_answer_to_the_next_question(tmp_path, unasked):
    listening, go_on = socket.create_server(("127.0.0.1", 0)), threading.Event()
    heard = []

    def serve():
        for answer, more in ((WELL, unasked), (WELL, b"")):
            one, _address = listening.accept()
            with one:
                heard.append(one.recv(65536))
                one.sendall(answer)
                assert go_on.wait(300)
                one.sendall(more)

    thread = threading.Thread(target=serve)
    thread.start()
    with listening:
        team = team_of(tmp_path, listening.getsockname()[1])
        assert team.get("/one") == {}
        go_on.set()
        ((_at, connection),) = team._kept
        assert select.select([connection.sock], [], [], 300)[0]
        assert not connection.silent
        assert team.get("/two") == {}
        thread.join(300)
    let_go(team)
    assert [one.split()[1] for one in heard] == [b"/one", b"/two"]


@pytest.mark.parametrize("text", ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_damaged_file_of_certificates_is_an_error_that_the_kernel_knows(tmp_path, text):
    file = tmp_path / "damaged.pem"
    file.write_text(text)
    with pytest.raises(OSError, match="damaged") as raised:
        team_of(tmp_path, 9, "127.0.0.1", "https", f"MLFLOW_TRACKING_SERVER_CERT_PATH={file}").get("/")
    assert raised.value.errno == errno.EKEYREJECTED


def test_whom_to_trust_is_read_once_until_it_is_written_anew(certificate, tmp_path):
    file, _context = certificate
    team = asking.Team(str(tmp_path / "none"))
    first = team._trust(str(file))
    assert team._trust(str(file)) is first
    os.utime(file, (1, 1))
    assert team._trust(str(file)) is not first
    assert login.version(str(file))[0] == 10**9


def test_a_directory_of_certificates_is_read_anew_when_one_comes_or_goes(certificate, tmp_path, monkeypatch):
    file, _context = certificate
    directory = tmp_path / "certificates"
    directory.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(directory))
    team = asking.Team(str(tmp_path / "none"))
    first = team._trust(None)
    assert team._trust(None) is first
    (directory / "one.0").symlink_to(file)
    os.utime(directory, (1, 1))
    assert team._trust(None) is not first


def test_who_reads_certificates_keeps_nobody_waiting(certificate, tmp_path, monkeypatch):
    file, _context = certificate
    team, begun, go_on = team_of(tmp_path, 9), threading.Event(), threading.Event()

    def slow(cafile):
        begun.set()
        assert go_on.wait(300)
        return cafile

    monkeypatch.setattr(ssl, "create_default_context", slow)
    found = []
    threads = [threading.Thread(target=lambda: found.append(team._trust(str(file))))]
    threads[0].start()
    assert begun.wait(300)
    threads += [threading.Thread(target=call) for call in (team.rest, team.login)]
    try:
        for thread in threads[1:]:
            thread.start()
            thread.join(300)
            assert not thread.is_alive()
    finally:
        go_on.set()
        for thread in threads:
            thread.join(300)
    assert found == [str(file)]
