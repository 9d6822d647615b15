"""A team whose server cannot run keeps no other from what it is to have, and is named at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import demo
import pytest
from e2e import stage
from e2e.stage import Stage, example, last_words

SQUATTED = 5055
SECRET = "canary-of-a-store"

# What is declared of a team, and what is said of it.
NEW: dict[str, tuple[dict[str, Any], str]] = {
    "squatted": ({"port": SQUATTED}, f"port: {SQUATTED} is in use at 0.0.0.0; choose another"),
    "homeless": (
        {"artifacts": {"destination": "/srv/taken/homeless"}},
        "'/srv/taken/homeless' belongs to root; name a directory that is not there yet",
    ),
    "futuristic": ({"version": "3.99.9"}, "MLflow 3.99.9 could not be installed."),
    "broken": (
        {"backend_store_uri": "sqlite:////srv/broken/mlflow.db"},
        "upgrade to 3.17.2 failed at step 'check', so nothing was changed: the databases cannot be read:",
    ),
}
VISION = (
    {"backend_store_uri": f"postgresql+psycopg://someone:{SECRET}@127.0.0.1/x?plugin=nosuch"},
    "mlflow@vision.service did not start. Its last lines in the journal:",
)
LIMIT = 321


@pytest.fixture(scope="module")
def obstructed(converged: Stage) -> Iterator[Stage]:
    """Put things in the way of five teams."""
    converged.sh(f"systemd-run --quiet --unit squatter python3 -m http.server {SQUATTED}")
    account = 'systemd-sysusers --inline "u mlflow-broken - - /var/lib/mlflow/broken /usr/sbin/nologin" 2>/dev/null'
    converged.sh(f"{account}; install -d -o mlflow-broken -m 700 /srv/broken; echo broken > /srv/broken/mlflow.db")
    converged.sh("chown mlflow-broken /srv/broken/mlflow.db; install -d /srv/taken/homeless")
    yield converged
    converged.sh("systemctl stop squatter; rm -r /srv/broken /srv/taken")
    for name in NEW:
        stage.forget(converged, name)


@pytest.fixture(scope="module")
def run(obstructed: Stage) -> demo.Play:
    """Run the playbook for five teams that cannot be, and one that can and has changed."""
    teams = [
        {"name": name, "port": 5201 + number, "admin_password": "never logs in at all", **changes}
        for number, (name, (changes, _reason)) in enumerate(NEW.items())
    ]
    return obstructed.play(
        "site",
        mlflow_teams=teams,
        mlflow_team_vision=example("vision", **VISION[0]),
        mlflow_team_nlp=example("nlp", tasks_max=LIMIT),
    )


def test_the_run_ends_failed_with_each_team_and_why(run: demo.Play) -> None:
    assert run.code == 2
    said = last_words(run)
    for name, (_changes, reason) in {**NEW, "vision": VISION}.items():
        assert f"{name}: {reason}" in said, said
    assert "nlp: " not in said
    assert SECRET not in run.output


def test_the_others_have_what_they_are_to_have(run: demo.Play, obstructed: Stage) -> None:
    assert obstructed.sh("systemctl show --value --property=TasksMax mlflow@nlp").strip() == str(LIMIT)
    assert obstructed.login(5002, "dave", "dave-try-out-only") == 200


def test_what_was_found_in_the_way_was_not_touched(run: demo.Play, obstructed: Stage) -> None:
    assert obstructed.sh("ls -d /etc/mlflow/squatted /etc/mlflow/homeless", check=False) == ""
    assert obstructed.sh("stat -c %U /etc/systemd").strip() == "root"
    assert obstructed.sh("cat /srv/broken/mlflow.db").strip() == "broken"


def test_who_cannot_start_is_not_tried_for_ever(run: demo.Play, obstructed: Stage) -> None:
    assert obstructed.sh("systemctl is-active mlflow@vision.service", check=False).strip() in ("inactive", "failed")


def test_the_team_is_back_as_soon_as_it_is_declared_well(run: demo.Play, obstructed: Stage) -> None:
    again = obstructed.play("site")
    assert again.code == 0, again.output
    assert obstructed.login(5001, "alice", "alice-try-out-only") == 200


def test_another_admin_is_refused(converged: Stage) -> None:
    run = converged.play("site", "--check", mlflow_team_vision=example("vision", admin_username="boss"))
    assert run.code == 2
    assert last_words(run).startswith("vision: admin_username: the team was set up with 'admin'")
