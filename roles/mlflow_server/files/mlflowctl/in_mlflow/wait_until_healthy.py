"""Waits until this unit's MLflow server answers on its Unix socket, so that "active" means "ready".

systemd runs it after each start, with the unit, the socket and for how many seconds at most. It ends with an error as
soon as the server is gone, since systemd only then looks at the server again.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time

SECONDS_BETWEEN_TRIES = 0.25


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


def how_it_ended(unit: str) -> str:
    """What systemd saw of the end of the server's main process: its exit code, or the signal that ended it."""
    command = ["systemctl", "show", "--property=ExecMainCode,ExecMainStatus", unit]
    try:
        shown = subprocess.run(command, text=True, check=False, capture_output=True, timeout=10).stdout
        found = dict(line.split("=", 1) for line in shown.splitlines())
        code, status = int(found["ExecMainCode"]), int(found["ExecMainStatus"])
    except (OSError, subprocess.TimeoutExpired, KeyError, ValueError):
        return "; how, systemd does not say"
    if code == os.CLD_EXITED:
        return f", with exit code {status}"
    if code in (os.CLD_KILLED, os.CLD_DUMPED):
        return f", by signal {status} ({name_of(status)})"
    return "; how, systemd does not say"


def name_of(number: int) -> str:
    """What a signal is called; of those for real time Python names the first and the last."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


def main() -> None:
    unit, path, seconds, server = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(os.environ["MAINPID"])
    end = time.monotonic() + seconds
    while not is_healthy(path):
        if time.monotonic() > end:
            sys.exit(f"the server did not answer within {seconds} s (mlflow_server_start_timeout)")
        try:
            os.kill(server, 0)
        except ProcessLookupError:
            sys.exit(f"the server ended before it answered{how_it_ended(unit)}")
        time.sleep(SECONDS_BETWEEN_TRIES)


if __name__ == "__main__":
    main()
