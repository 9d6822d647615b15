"""A server answers every request alike in a lean environment and in a full one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import project
import pytest
import servers

FILES = project.ROOT / "roles" / "mlflow_server" / "files"
VERSIONS = sorted(file.stem.partition("-")[2] for file in FILES.glob("lean-*.txt"))
EVERY_ROUTE = Path(__file__).parent / "every_route.py"
LEFT_OUT = ("matplotlib", "pyarrow", "scipy", "skops", "sklearn")


def environment(where: Path, version: str, kind: str) -> Path:
    """Make an environment as the role does, and return it."""
    uv = Path(sys.executable).parent / "uv"
    constraints = ["--constraint", str(FILES / f"constraints-{version}.txt")]
    wanted = {
        "full": [f"mlflow[auth]=={version}", *constraints],
        "lean": ["--no-deps", "--requirement", str(FILES / f"lean-{version}.txt")],
    }
    project.run([uv, "venv", "--quiet", "--python", "/usr/bin/python3", where], quiet=True)
    project.run([uv, "pip", "install", "--quiet", "--python", where / "bin/python", *wanted[kind]], quiet=True)
    return where


def answers(venv: Path, home: Path) -> list[list[object]]:
    """Return what a server answers, request by request."""
    password = "correct horse battery"
    with servers.serving(venv, home, password, gateway=True) as uri:
        # The program reads the server's routes from the code, which wants to know where its people are.
        settings = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "MLFLOW_AUTH_CONFIG_PATH": str(home / "basic_auth.ini"),
            "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{home}/mlflow.db",
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "only to read",
            "PYTHONWARNINGS": "ignore",
        }
        command = [venv / "bin/python", EVERY_ROUTE, uri, password]
        done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_route_answers_alike(tmp_path: Path, version: str) -> None:
    kinds = ("full", "lean")

    def of(kind: str) -> list[list[object]]:
        return answers(environment(tmp_path / f"{kind}-venv", version, kind), tmp_path / kind)

    with ThreadPoolExecutor(2) as pool:
        full, lean = pool.map(of, kinds)
    for one, other in zip(full, lean, strict=True):
        assert one == other
    # Many of them have found what they asked for, so that more was run than a look at what was sent.
    assert sum(status == 200 for *_request, status, _text in lean) > 150
    assert not [name for name in LEFT_OUT if list((tmp_path / "lean-venv").glob(f"lib/python3*/site-packages/{name}"))]
