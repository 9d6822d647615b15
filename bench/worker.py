"""Runs on the measured host: what one server takes, by how its only worker is started. Prints JSON.

The last way sets what MLflow's own command would set, by the names that MLflow keeps for itself; it is
here to show what they would gain, and nothing else uses them.
"""

import glob
import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

PATIENCE = 120
PRIVATE = {"FILE_STORE": "MLFLOW_BACKEND_STORE_URI", "ARTIFACT_DESTINATION": "MLFLOW_ARTIFACTS_DESTINATION"}


def settings(home):
    """The environment that the role gives a server, for one that keeps all it has in a directory."""
    with open(f"{home}/basic_auth.ini", "w") as file:
        file.write("[mlflow]\nadmin_username = admin\ndefault_permission = NO_PERMISSIONS\n")
        file.write(f"database_uri = sqlite:///{home}/mlflow.db\nauth_cache_ttl_seconds = 60\n")
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": home,
        "MLFLOW_WORKERS": "1",
        "MLFLOW_UVICORN_OPTS": f"--uds {home}/http.sock --timeout-graceful-shutdown 2",
        "MLFLOW_AUTH_CONFIG_PATH": f"{home}/basic_auth.ini",
        "MLFLOW_AUTH_ADMIN_PASSWORD": os.urandom(16).hex(),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": os.urandom(16).hex(),
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{home}/mlflow.db",
        "MLFLOW_ARTIFACTS_DESTINATION": f"{home}/artifacts",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        "MLFLOW_MODEL_CATALOG_URI": "",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def is_up(path):
    """Whether somebody answers at a Unix socket."""
    connection = http.client.HTTPConnection("localhost")
    try:
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.connect(path)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def memory(session):
    """Processes and MiB of PSS of all that a command has started."""
    found = []
    for process in glob.glob("/proc/[0-9]*"):
        try:
            if os.getsid(int(process[6:])) == session:
                with open(f"{process}/smaps_rollup") as file:
                    found.append(int(re.search(r"^Pss:\s+(\d+) kB", file.read(), re.MULTILINE)[1]) / 1024)
        except OSError:
            continue
    return len(found), sum(found)


def run(command, environment, home):
    """Start a server; return the seconds to its first answer, its processes and their memory."""
    started = time.monotonic()
    with open(f"{home}/log", "w") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=home, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        while not is_up(f"{home}/http.sock"):
            if process.poll() is not None or time.monotonic() - started > PATIENCE:
                with open(f"{home}/log") as log:
                    raise SystemExit(f"{command}: did not come up:\n{log.read()[-2000:]}")
            time.sleep(0.05)
        return (time.monotonic() - started, *memory(process.pid))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if os.path.exists(f"{home}/http.sock"):
            os.unlink(f"{home}/http.sock")


def main():
    python, serve, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with tempfile.TemporaryDirectory() as home:
        environment = settings(home)
        direct = {**environment, **{f"_MLFLOW_SERVER_{name}": environment[of] for name, of in PRIVATE.items()}}
        direct.update(_MLFLOW_SERVER_SERVE_ARTIFACTS="true", _MLFLOW_SERVER_ARTIFACT_ROOT="mlflow-artifacts:/")
        direct["_MLFLOW_SGI_NAME"] = "uvicorn"
        options = environment["MLFLOW_UVICORN_OPTS"].split()
        server = ["server", "--app-name", "basic-auth"]
        ways = {
            "mlflow server": ([python, "-m", "mlflow", *server], environment),
            "serve.py": ([python, serve, "serve", *server], environment),
            "uvicorn": ([python, "-m", "uvicorn", *options, "--factory", "mlflow.server.auth:create_app"], direct),
        }
        # Makes the databases, which is no part of a wake.
        run(*ways["mlflow server"], home)
        found = {name: [] for name in ways}
        for _time in range(times):
            for name, way in ways.items():
                found[name].append(run(*way, home))
    names = ("seconds", "processes", "pss")
    print(
        json.dumps(
            {
                name: dict(zip(names, map(statistics.median, zip(*runs, strict=True)), strict=True))
                for name, runs in found.items()
            }
        )
    )


main()
