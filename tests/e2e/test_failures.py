"""A team whose server cannot run keeps no other from what it is to have, and is named at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import demo
import pytest
from e2e import stage
from e2e.stage import Stage, example, last_words, soon

SQUATTED = 5055
# Where somebody listens who never says anything.
SILENT = 5056
SECRET = "canary-of-a-store"
UNREADABLE = "upgrade to 3.17.2 failed at step 'check', so nothing was changed: the databases cannot be read: "


def postgresql(where: str) -> dict[str, Any]:
    """Return a store with a password that is not to be seen, not even decoded."""
    return {"backend_store_uri": f"postgresql+psycopg://someone:{SECRET}%40x@{where}"}


# What is declared of a team, and what is said of it.
NEW: dict[str, tuple[dict[str, Any], str]] = {
    "squatted": ({"port": SQUATTED}, f"port: {SQUATTED} is in use at 0.0.0.0; choose another"),
    "homeless": (
        {"artifacts": {"destination": "/srv/taken/homeless"}},
        "'/srv/taken/homeless' belongs to root; name a directory that is not there yet",
    ),
    "barred": (
        {"artifacts": {"destination": "/srv/barred/inner/artifacts"}},
        "'/srv/barred/inner/artifacts': mlflow-barred may not pass '/srv/barred'; let others pass it (chmod o+x)",
    ),
    "futuristic": ({"version": "3.99.9"}, "MLflow 3.99.9 could not be installed."),
    "broken": (
        {"backend_store_uri": "sqlite:////srv/broken/mlflow.db"},
        f"{UNREADABLE}sqlite:////srv/broken/mlflow.db: file is not a database",
    ),
    "denied": (
        {"backend_store_uri": "sqlite:////srv/denied/mlflow.db"},
        f"{UNREADABLE}sqlite:////srv/denied/mlflow.db: Permission denied",
    ),
    "stranger": (postgresql("127.0.0.1/known"), 'FATAL: password authentication failed for user \\"someone\\"'),
    "unknown": (
        {"backend_store_uri": "postgresql+psycopg://known:known@127.0.0.1/x"},
        'database \\"x\\" does not exist',
    ),
    "nowhere": (postgresql("no-such-host.invalid/x"), "failed to resolve host 'no-such-host.invalid'"),
    "refused": (postgresql("127.0.0.1:1/x"), "port 1 failed: Connection refused"),
    "silent": (postgresql(f"127.0.0.1:{SILENT}/x"), f"{UNREADABLE}postgresql+psycopg://127.0.0.1:{SILENT}/x: "),
}
# Comes last, and has nothing to wait for.
FAULTLESS: dict[str, Any] = {"name": "faultless", "port": 5250, "admin_password": "of the faultless team"}
VISION = (
    {"backend_store_uri": f"postgresql+psycopg://someone:{SECRET}@127.0.0.1/y?plugin=nosuch"},
    "mlflow@vision.service did not start: ",
)
LIMIT = 321


@pytest.fixture(scope="module")
def obstructed(converged: Stage) -> Iterator[Stage]:
    """Put things in the way of teams, each in its own way."""
    converged.sh(f"systemd-run --quiet --unit squatter python3 -m http.server {SQUATTED}")
    account = 'systemd-sysusers --inline "u mlflow-broken - - /var/lib/mlflow/broken /usr/sbin/nologin" 2>/dev/null'
    converged.sh(f"{account}; install -d -o mlflow-broken -m 700 /srv/broken; echo broken > /srv/broken/mlflow.db")
    converged.sh("chown mlflow-broken /srv/broken/mlflow.db; install -d /srv/taken/homeless")
    converged.sh("install -d -m 700 /srv/barred")
    converged.sh(f"{account.replace('broken', 'denied')}; install -d -o mlflow-denied -m 700 /srv/denied")
    converged.sh("echo denied > /srv/denied/mlflow.db; chmod 600 /srv/denied/mlflow.db")
    silent = f"import socket, time; s = socket.create_server(('127.0.0.1', {SILENT})); time.sleep(3600)"
    converged.sh(f'systemd-run --quiet --unit silent python3 -c "{silent}"')
    install = "apt-get update -q && apt-get install -qy --no-install-recommends postgresql"
    converged.sh(f"DEBIAN_FRONTEND=noninteractive sh -c '{install}' >/dev/null")
    sql = "CREATE ROLE known LOGIN PASSWORD 'known'; CREATE ROLE someone LOGIN PASSWORD 'x'; CREATE DATABASE known;"
    converged.sh("runuser -u postgres -- psql --quiet --set=ON_ERROR_STOP=1", feed=sql)
    yield converged
    converged.sh("systemctl stop squatter silent postgresql; rm -r /srv/broken /srv/denied /srv/taken /srv/barred")
    for name in (*NEW, FAULTLESS["name"]):
        stage.forget(converged, name)


@pytest.fixture(scope="module")
def run(obstructed: Stage) -> demo.Play:
    """Run the playbook for teams that cannot be, one without fault, and one that can and has changed."""
    teams = [
        {"name": name, "port": 5201 + number, "admin_password": "never logs in at all", **changes}
        for number, (name, (changes, _reason)) in enumerate(NEW.items())
    ]
    # It would begin anew, which takes that what the team has is put aside.
    units, put = "mlflow-listen@vision.socket mlflow@vision.service", "cd /var/lib/mlflow/vision && mv"
    obstructed.sh(f"systemctl stop {units} && {put} mlflow.db aside.db")
    try:
        return obstructed.play(
            "site",
            mlflow_teams=[*teams, FAULTLESS],
            mlflow_team_vision=example("vision", **VISION[0]),
            mlflow_team_nlp=example("nlp", tasks_max=LIMIT),
        )
    finally:
        obstructed.sh(f"{put} aside.db mlflow.db")


def test_the_run_ends_failed_with_each_team_and_why(run: demo.Play) -> None:
    assert run.code == 2
    said = last_words(run)
    lines = said.replace("\\n", "\n").splitlines()
    for name, (_changes, reason) in {**NEW, "vision": VISION}.items():
        assert [line for line in lines if line.startswith(f"{name}: ") and reason in line], said
    assert "nlp: " not in said
    assert SECRET not in run.output
    assert "Traceback" not in said
    assert "was not begun" not in said


def test_why_a_store_cannot_be_used_is_a_line_and_the_journal_has_the_rest(run: demo.Play, obstructed: Stage) -> None:
    lines = last_words(run).replace("\\n", "\n").splitlines()
    for name in ("broken", "stranger", "silent"):
        (line,) = [line for line in lines if line.startswith(f"{name}: ")]
        assert line.endswith(f"(more: journalctl -u mlflow@{name}.service)")
        journal = obstructed.journal(f"--unit=mlflow@{name}.service")
        assert "Traceback (most recent call last):" in journal
        assert SECRET not in journal


def test_a_new_team_without_fault_is_served_all_the_same(run: demo.Play, obstructed: Stage) -> None:
    assert obstructed.login(FAULTLESS["port"], "admin", FAULTLESS["admin_password"]) == 200


def test_the_others_have_what_they_are_to_have(run: demo.Play, obstructed: Stage) -> None:
    assert obstructed.sh("systemctl show --value --property=TasksMax mlflow@nlp").strip() == str(LIMIT)
    assert obstructed.login(5002, "dave", "dave-try-out-only") == 200


def test_what_was_found_in_the_way_was_not_touched(run: demo.Play, obstructed: Stage) -> None:
    assert obstructed.sh("ls -d /etc/mlflow/squatted /etc/mlflow/homeless", check=False) == ""
    assert obstructed.sh("stat -c %U /etc/systemd").strip() == "root"
    assert obstructed.sh("cat /srv/broken/mlflow.db").strip() == "broken"


def test_who_cannot_start_is_not_tried_for_ever(run: demo.Play, obstructed: Stage) -> None:
    asked = "systemctl is-active mlflow@vision.service"
    assert soon(lambda: obstructed.sh(asked, check=False).strip() in ("inactive", "failed"))


def test_the_team_is_back_as_soon_as_it_is_declared_well(run: demo.Play, obstructed: Stage) -> None:
    again = obstructed.play("site")
    assert again.code == 0, again.output
    assert obstructed.login(5001, "alice", "alice-try-out-only") == 200


def test_another_admin_is_refused(converged: Stage) -> None:
    run = converged.play("site", "--check", mlflow_team_vision=example("vision", admin_username="boss"))
    assert run.code == 2
    assert last_words(run).startswith("vision: admin_username: the team was set up with 'admin'")
