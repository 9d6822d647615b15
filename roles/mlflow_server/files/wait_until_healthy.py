"""Waits until this unit's MLflow server answers on its Unix socket, so that "active" means "ready".

systemd runs it after each start, with the socket and for how many seconds at most. It ends with an error as soon as
the server is gone, since systemd only then looks at the server again.
"""

import http.client
import os
import socket
import sys
import time

SECONDS_BETWEEN_TRIES = 0.25


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket, which the standard library does not bring."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.host)


def is_healthy(path):
    connection = UnixConnection(path, timeout=10)
    try:
        connection.request("GET", "/health", headers={"Host": "localhost"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main():
    path, seconds, server = sys.argv[1], int(sys.argv[2]), int(os.environ["MAINPID"])
    end = time.monotonic() + seconds
    while not is_healthy(path):
        if time.monotonic() > end:
            sys.exit(f"the server did not answer within {seconds} s (mlflow_server_start_timeout)")
        try:
            os.kill(server, 0)
        except ProcessLookupError:
            sys.exit("the server ended before it answered")
        time.sleep(SECONDS_BETWEEN_TRIES)


if __name__ == "__main__":
    main()
