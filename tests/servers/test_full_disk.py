"""A disk of its own that artifacts fill: uploads are refused before that, and the database beside them stays whole."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import sqlite3
import subprocess
import time
import typing as t
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import project
import pytest
import servers
from mlflow_reader import V2, Reader, reader_for

SERVE = project.ROOT / "roles" / "mlflow_server" / "files" / "mlflowctl" / "in_mlflow"
PASSWORD = "the admin's own word"
MEGABYTE = 1024**2
UPLOAD, RESERVE = 8 * MEGABYTE, 24 * MEGABYTE
# As small as it can be, and with nothing that only root may use.
FILE_SYSTEMS = {"ext4": (96, ["-q", "-m", "0"]), "xfs": (320, ["-q"])}


@contextlib.contextmanager
def mounted(kind: str, folder: Path) -> Iterator[Path]:
    """A file system of this kind in a file, where the machine has what makes and mounts one."""
    megabytes, options = FILE_SYSTEMS[kind]
    make = shutil.which(f"mkfs.{kind}", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if os.geteuid() or not make:
        pytest.skip(f"only root mounts, with mkfs.{kind}")
    image, place = folder / "image", folder / "disk"
    with image.open("wb") as file:
        file.truncate(megabytes * MEGABYTE)
    place.mkdir()
    subprocess.run([make, *options, str(image)], check=True, capture_output=True)
    done = subprocess.run(["mount", "-o", "loop", image, place], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine mounts no {kind}: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture(params=FILE_SYSTEMS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A disk that has everything of one team, and nothing else."""
    with mounted(request.param, tmp_path) as place:
        yield place


@pytest.fixture
def reader(disk: Path) -> Iterator[Reader]:
    """A server on that disk as a team's unit runs it, with room kept for its database."""
    home = disk / "home"
    home.mkdir(mode=0o700)
    room = {"artifacts": f"{home}/artifacts", "databases": [f"{home}/mlflow.db"], "most": None, "reserve": RESERVE}
    uri = f"http://127.0.0.1:{(port := servers.free_port())}"
    settings = servers.settings(home, PASSWORD, stock=False, auth_database="mlflow.db", gateway=False)
    settings |= {"MLFLOW_HOST": "127.0.0.1", "MLFLOW_PORT": str(port), "MLFLOW_WORKERS": "1"}
    settings |= {"RUNTIME_DIRECTORY": str(home), "MLOPS_MLFLOW_ROOM": json.dumps(room)}
    command = [str(project.MLFLOW / "bin" / "python"), str(SERVE), "serve", "server", "--app-name", "basic-auth"]
    # Its log is elsewhere, as the journal is.
    log = disk.parent / "server.log"
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=home, env=settings, stdout=file, stderr=file, start_new_session=True)
    try:
        servers.wait_until_healthy(process, uri, log)
        yield reader_for(uri, PASSWORD, (3, 17))
    finally:
        servers.stop(process)


def put(reader: Reader, name: str) -> tuple[int, str]:
    """Send one artifact as MLflow's client does, over a connection that is kept; return the answer."""
    word = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(reader.uri).netloc, timeout=300)
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{name}"
    try:
        connection.request("PUT", path, bytes(UPLOAD), {"Authorization": f"Basic {word}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def log(reader: Reader, run: str, number: int) -> int:
    """Log a metric; return the status."""
    return reader.status("POST", V2 + "runs/log-metric", run_id=run, key="loss", value=1, timestamp=1, step=number)


def kept(reader: Reader, run: str) -> list[int]:
    """The steps of the metrics that are kept."""
    found = reader.ask("GET", V2 + "metrics/get-history", run_id=run, metric_key="loss", max_results="25000")
    return sorted(int(it["step"]) for it in found.get("metrics", []))


def is_whole(disk: Path) -> bool:
    """Whether SQLite finds nothing wrong with the database."""
    with contextlib.closing(sqlite3.connect(f"file:{disk}/home/mlflow.db?mode=ro", uri=True)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)])


def free(disk: Path) -> int:
    """How many bytes of it are free."""
    facts = os.statvfs(disk)
    return facts.f_bavail * facts.f_frsize


def test_uploads_leave_the_database_room_whatever_the_file_system(reader: Reader, disk: Path) -> None:
    run = reader.ask("POST", V2 + "runs/create", experiment_id="0", start_time=1)["run"]["info"]["run_id"]
    answers = [put(reader, "first")]
    while answers[-1][0] == 200:
        assert len(answers) * UPLOAD < 400 * MEGABYTE
        answers.append(put(reader, f"{len(answers)}"))
    status, said = answers[-1]
    told: t.Any = json.loads(said)
    assert (status, told["error_code"]) == (507, "RESOURCE_LIMIT_EXCEEDED")
    assert "what is left is kept for its databases" in told["message"]
    assert RESERVE <= free(disk) < RESERVE + 2 * UPLOAD
    # What was refused is not there, not even a part of it, once MLflow has heard of it, too: that is after the answer.
    end = time.monotonic() + 300
    while (there := len(list((disk / "home" / "artifacts" / "0").iterdir()))) != len(answers) - 1:
        assert time.monotonic() < end, there
        time.sleep(0.1)
    assert [log(reader, run, number) for number in range(50)] == [200] * 50

    # Past the server, somebody takes the last block.
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    sent = {number: log(reader, run, number) for number in range(50, 90)}
    (disk / "filler").unlink()
    assert log(reader, run, 90) == 200
    assert kept(reader, run) == [*range(50), *(number for number, status in sent.items() if status == 200), 90]
    assert is_whole(disk)
