"""Holds requests that never end, as somebody would who takes a server's connections; also runs by itself on a host."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

# Well below what nginx waits for a part of a body, or for its answer to be taken.
BEATS = 5


@contextlib.contextmanager
def held(
    connect: Callable[[], ssl.SSLSocket], number: int, begins: bytes, more: bytes
) -> Iterator[list[ssl.SSLSocket]]:
    """Begin a number of requests, and say more on each now and then: however long that takes, all are held."""
    connections: list[ssl.SSLSocket] = []
    ended = threading.Event()

    def begun() -> ssl.SSLSocket:
        connection = connect()
        connection.sendall(begins)
        return connection

    def begin(_number: int) -> None:
        connections.append(begun())

    def keep() -> None:
        while not ended.wait(BEATS):
            for number, connection in enumerate(list(connections)):
                try:
                    connection.sendall(more)
                except OSError:
                    # Whoever was refused is cut off, and tries again: on a busy machine that may be a log-in's fault.
                    with contextlib.suppress(OSError):
                        connections[number] = begun()
                    connection.close()

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(begin, range(number)))
        yield connections
    finally:
        ended.set()
        keeper.join()
        for connection in connections:
            connection.close()


def main() -> None:
    """Hold requests to this host's own proxy until the input ends."""
    name, number, begins, more, speaks, source = sys.argv[1:]
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([speaks])

    def connect() -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", 443), 60, (source, 0))
        return context.wrap_socket(plain, server_hostname=name)

    with held(connect, int(number), bytes.fromhex(begins), bytes.fromhex(more)):
        sys.stdout.write("held\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
