"""A server that answers what a test tells it to, and remembers what it was asked."""

import contextlib
import datetime
import http.server
import ipaddress
import json
import socket
import socketserver
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Scripted(http.server.BaseHTTPRequestHandler):
    """Answers every request from the server's script: a status, a body, headers."""

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        request = {"method": self.command, "path": self.path, "headers": dict(self.headers)}
        self.server.requests.append({**request, "body": self.rfile.read(length).decode()})
        status, body, headers = self.server.script
        if status is None:
            self.wfile.write(body.encode())
            return
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(data), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

    def log_message(self, *arguments):
        pass


class Tcp(http.server.ThreadingHTTPServer):
    """Listens on a free port."""

    daemon_threads = True
    script = (200, {}, {})

    def __init__(self, address=("127.0.0.1", 0)):
        super().__init__(address, Scripted)
        self.requests = []
        self.uri = f"http://127.0.0.1:{self.server_address[1]}"

    def answers(self, status, body="", **headers):
        self.script = (status, body, {name.replace("_", "-"): value for name, value in headers.items()})


class Tcp6(Tcp):
    """Likewise, over IPv6."""

    address_family = socket.AF_INET6

    def __init__(self):
        super().__init__(("::1", 0))
        self.uri = f"http://[::1]:{self.server_address[1]}"


class Unix(socketserver.UnixStreamServer):
    """Listens on a Unix socket."""

    script = (200, {}, {})

    def __init__(self, path):
        super().__init__(path, Scripted)
        self.requests = []

    def get_request(self):
        return super().get_request()[0], ("", 0)


@contextlib.contextmanager
def serving(server):
    # The default of half a second is what each test would wait for at its end.
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server():
    with serving(Tcp()) as started:
        yield started


@pytest.fixture
def other_server():
    with serving(Tcp()) as started:
        yield started


@pytest.fixture
def ipv6_server():
    with serving(Tcp6()) as started:
        yield started


@pytest.fixture
def unix_server(tmp_path):
    with serving(Unix(str(tmp_path / "http.sock"))) as started:
        yield started


@pytest.fixture
def tls_server(server, tmp_path):
    """The scripted server behind TLS, with a certificate nobody trusts yet, at its `certificate`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server.certificate = tmp_path / "server.pem"
    server.certificate.write_bytes(pem)
    both = tmp_path / "both.pem"
    both.write_bytes(private + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    # Not at accept, where a client that turns away would end the thread that accepts.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *arguments: None
    server.uri = server.uri.replace("http:", "https:")
    return server
