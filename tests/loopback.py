"""Servers of the tests' own on loopback, and a certificate for them that nobody knows."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import socketserver
import ssl
import sys
import threading
import typing as t
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Write a certificate; return it, and the file with its key that a server needs."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    # Also on Python 3.10, which a controller of the oldest ansible-core has.
    now, hour = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(hours=1)  # noqa: UP017
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - hour).not_valid_after(now + hour)
    builder = builder.add_extension(address, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    public = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate, both = folder / "certificate.pem", folder / "server.pem"
    certificate.write_bytes(public)
    both.write_bytes(private + public)
    return certificate, both


@contextlib.contextmanager
def listening(server: socketserver.BaseServer) -> Iterator[t.Any]:
    """Serve in a thread, until the end of the block."""
    # After half a second, the default, each test would end late; who looks all the time keeps a processor busy.
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    leave_out_who_is_gone(server)
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def leave_out_who_is_gone(server: socketserver.BaseServer) -> None:
    """Let a server say nothing of clients that are gone before they are answered."""
    complain = server.handle_error

    def handle_error(request: t.Any, client_address: t.Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            complain(request, client_address)

    server.handle_error = handle_error  # type: ignore[method-assign]


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    """Give an address at which nobody listens, with a port that nobody else is given meanwhile."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{kept.getsockname()[1]}"


def speak_tls(server: socketserver.TCPServer, both: str | Path) -> None:
    """Put a server behind TLS, with the file of its certificate and key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    # Not at accept, where a client that turns away would end the thread that accepts.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
