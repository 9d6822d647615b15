"""Waits until this unit's MLflow server answers on its Unix socket, so that "active" means "ready".

systemd runs it after each start, with the socket and for how many seconds at most. It ends with an error as soon as the
server is gone, since systemd only then looks at the server again. How that ended is for the unit to say, which finds a
file beside the socket: it takes somebody who may ask systemd.
"""

import contextlib
import http.client
import os
import socket
import sys
import time

SECONDS_BETWEEN_TRIES = 0.25
# As the unit knows it.
ENDED = "ended"


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket, which the standard library does not bring."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.host)


def is_healthy(path: str) -> bool:
    connection = UnixConnection(path, timeout=10)
    try:
        connection.request("GET", "/health", headers={"Host": "localhost"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> None:
    path, seconds, server = sys.argv[1], int(sys.argv[2]), int(os.environ["MAINPID"])
    end = time.monotonic() + seconds
    while not is_healthy(path):
        if time.monotonic() > end:
            sys.exit(f"the server did not answer within {seconds} s (mlflow_server_start_timeout)")
        try:
            os.kill(server, 0)
        except ProcessLookupError:
            with contextlib.suppress(OSError), open(f"{os.path.dirname(path)}/{ENDED}", "w", encoding="utf-8"):
                sys.exit(1)
            sys.exit("the server ended before it answered")
        time.sleep(SECONDS_BETWEEN_TRIES)


if __name__ == "__main__":
    main()
