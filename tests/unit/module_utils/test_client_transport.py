"""How the client reaches a server, and what it says when it does not."""

import datetime
import ipaddress
import socket
import ssl

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import MlflowError, TransportError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

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
    with socket.create_server(("127.0.0.1", 0)) as probe:
        uri = f"http://127.0.0.1:{probe.getsockname()[1]}"
    message = complaint(client_of(uri))
    assert message.startswith(f"GET {uri}/api/x: ")
    assert "Connection refused" in message


def test_a_name_that_nobody_has():
    assert complaint(client_of("http://no-such-host.invalid")).startswith("GET http://no-such-host.invalid/api/x: ")


def test_a_server_that_does_not_answer_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "timed out" in complaint(client_of(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=1))


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


def test_through_a_unix_socket(unix_server):
    unix_server.script = (200, {"ok": True}, {})
    client = client_of("http://mlflow.example:5001", unix_socket=unix_server.server_address)
    assert client.get("/api/x") == {"ok": True}
    assert unix_server.requests[0]["headers"]["Host"] == "mlflow.example:5001"


def test_a_unix_socket_that_is_not_there(tmp_path):
    message = complaint(client_of("http://mlflow.example", unix_socket=str(tmp_path / "none")))
    assert "No such file or directory" in message


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


def test_a_certificate_that_is_not_trusted(tls_server):
    assert "CERTIFICATE_VERIFY_FAILED" in complaint(client_of(tls_server.uri))
    assert tls_server.requests == []


@pytest.mark.parametrize("trust", ["ca_path", "validate_certs"])
def test_a_certificate_that_is(tls_server, trust):
    options = {"ca_path": str(tls_server.certificate)} if trust == "ca_path" else {"validate_certs": False}
    assert client_of(tls_server.uri, **options).get("/api/x") == {}
