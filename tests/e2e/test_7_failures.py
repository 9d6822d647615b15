"""A team whose server cannot run keeps no other from what it is to have, and is named at the end."""

from __future__ import annotations

import re
from typing import Any

import demo
import pytest
from e2e.stage import Stage, example

SQUATTED = 5055
SECRET = "canary-of-a-store"

# What is declared of the team vision, and what is said of it.
OBSTACLES: dict[str, tuple[dict[str, Any], str]] = {
    "a port in use": ({"port": SQUATTED}, f"port: {SQUATTED} is in use at 0.0.0.0; choose another"),
    "somebody's directory": (
        {"artifacts": {"destination": "/etc/systemd"}},
        "'/etc/systemd' belongs to root; name a directory that is not there yet",
    ),
    "another admin": ({"admin_username": "boss"}, "admin_username: the team was set up with 'admin'"),
    "no such version": ({"version": "3.99.9"}, "MLflow 3.99.9 could not be installed."),
    "a bad URI": (
        {"backend_store_uri": f"postgresql+nosuch://someone:{SECRET}@127.0.0.1/x"},
        "mlflow@vision.service did not start. Its last lines in the journal:",
    ),
    "a broken database": (
        {"backend_store_uri": "sqlite:////srv/broken/mlflow.db"},
        "mlflow@vision.service did not start. Its last lines in the journal:",
    ),
}


def last_words(run: demo.Play) -> str:
    """Return the message that the run ends with."""
    (fatal,) = re.findall(r"^(?:fatal|failed): \[mlflow1\].*", run.output, re.MULTILINE)
    (message,) = re.findall(r'"msg": "((?:[^"\\]|\\.)*)"', fatal)
    return str(message)


@pytest.fixture(scope="module")
def obstructed(converged: Stage) -> Any:
    converged.sh(f"systemd-run --quiet --unit squatter python3 -m http.server {SQUATTED}")
    converged.sh("install -d -o mlflow-vision -m 700 /srv/broken; echo broken > /srv/broken/mlflow.db")
    converged.sh("chown mlflow-vision /srv/broken/mlflow.db")
    yield converged
    converged.sh("systemctl stop squatter; rm -r /srv/broken")


@pytest.mark.parametrize("case", OBSTACLES)
def test_the_others_get_what_they_are_to_have(obstructed: Stage, case: str) -> None:
    changes, reason = OBSTACLES[case]
    limit = 300 + list(OBSTACLES).index(case)
    run = obstructed.play(
        "site",
        mlflow_team_vision=example("vision", **changes),
        mlflow_team_nlp=example("nlp", tasks_max=limit),
    )
    assert run.code == 2
    assert last_words(run).startswith(f"vision: {reason}"), run.output[-3000:]
    assert SECRET not in run.output
    assert obstructed.sh("systemctl show --value --property=TasksMax mlflow@nlp").strip() == str(limit)
    assert obstructed.login(5002, "dave", "dave-try-out-only") == 200


def test_the_team_is_back_as_soon_as_it_is_declared_well(obstructed: Stage) -> None:
    run = obstructed.play("site")
    assert run.code == 0, run.output
    assert obstructed.login(5001, "alice", "alice-try-out-only") == 200
    assert obstructed.sh("systemctl is-system-running").strip() == "running"
