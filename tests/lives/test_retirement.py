"""The end of a third team: what it deleted goes, its secrets change, it is retired, comes back, and goes for good."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import demo
import pytest
import yaml
from e2e import stage
from e2e.stage import Stage

PORT = 5009
ADMIN = "canary-of-the-opera"
TESS = {"name": "tess", "password": "tess-try-out-only"}
ARCHIVES = "/var/backups/mlflow"

Onboard = Callable[..., demo.Play]


def opera(**changes: Any) -> dict[str, Any]:
    team = {
        "name": "opera",
        "port": PORT,
        "admin_password": ADMIN,
        "gc_older_than": "1h",
        "users": [TESS],
        "experiments": [{"name": name, "grants": {"tess": "EDIT"}} for name in ("arias", "scrap")],
    }
    return {**team, **changes}


@pytest.fixture(scope="module")
def host(converged: Stage) -> Iterator[Stage]:
    found = converged.again()
    yield found
    stage.forget(found, "opera")
    found.sh(f"rm -rf {ARCHIVES} /var/lib/mlflow/.retired; userdel thief", check=False)
    (stage.WORK / "inventory" / stage.TEAMS / "team_opera.yml").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def onboard(host: Stage) -> Onboard:
    def run(team: dict[str, Any], *more: str, **variables: Any) -> demo.Play:
        there = dataclasses.replace(host, inventory=stage.with_team(team))
        done = there.play("onboard_team", "-e", "team=opera", *more, **variables)
        assert ADMIN not in done.output
        return done

    return run


@pytest.fixture(scope="module")
def logged(host: Stage, onboard: Onboard) -> str:
    """Set the team up and let it work; return the run that is to last."""
    run = onboard(opera(), mlflow_server_on_failure="/usr/bin/touch /run/told-of")
    assert run.code == 0, run.output[-5000:]
    return str(demo.person(host.url(PORT), TESS, "log", "arias")["run"])


def admin(host: Stage, path: str, body: Any, password: str = ADMIN) -> None:
    assert host.ask(PORT, "admin", password, f"/api/2.0/mlflow/{path}", body) == 200


SQL = """
import sqlite3, sys
with sqlite3.connect("/var/lib/mlflow/opera/mlflow.db") as connection:
    for row in connection.execute(sys.stdin.read()):
        print(*row)
"""


def sql(host: Stage, statement: str) -> list[str]:
    return host.sh(f"python3 -c '{SQL}'", feed=statement).splitlines()


def sleep(host: Stage) -> None:
    host.sh("systemctl stop mlflow-listen@opera.service mlflow@opera.service")


def collect(host: Stage) -> str:
    """Do what the timer does; return what it says."""
    host.sh("systemctl start mlflow-gc@opera.service")
    invocation = host.sh("systemctl show --value --property=InvocationID mlflow-gc@opera.service").strip()
    return host.sh(f"journalctl --no-pager --output cat _SYSTEMD_INVOCATION_ID={invocation}")


def test_what_was_deleted_goes_for_good_and_wakes_nobody_for_nothing(host: Stage, logged: str) -> None:
    assert host.sh("systemctl is-active mlflow-gc@opera.timer").strip() == "active"
    (scrap,) = sql(host, "SELECT experiment_id FROM experiments WHERE name = 'scrap'")
    old = demo.person(host.url(PORT), TESS, "log", "scrap")["run"]
    admin(host, "experiments/delete", {"experiment_id": scrap})
    young = demo.person(host.url(PORT), TESS, "write", "arias")["run"]
    # Two hours ago, all but what follows.
    sql(host, "UPDATE experiments SET last_update_time = last_update_time - 7200000")
    sql(host, "UPDATE runs SET deleted_time = deleted_time - 7200000")
    admin(host, "runs/delete", {"run_id": young})
    sleep(host)
    assert f"Experiment with ID {scrap} has been permanently deleted." in collect(host)
    assert set(sql(host, "SELECT run_uuid FROM runs")) == {logged, young}
    assert scrap not in sql(host, "SELECT resource_pattern FROM role_permissions")
    artifacts = host.sh("find /var/lib/mlflow/opera/artifacts")
    assert logged in artifacts
    assert old not in artifacts
    assert f"/artifacts/{scrap}" not in artifacts
    sleep(host)
    before = host.starts("opera")
    assert "nothing to remove" in collect(host)
    assert host.starts("opera") == before
    exposure = host.sh("systemd-analyze security --no-pager mlflow-gc@opera.service").splitlines()[-1]
    assert float(exposure.split(":")[1].split()[0]) <= 1.0, exposure


# Somebody else on the host who writes down what is sent.
EAR = """
import socket
with socket.create_server(("127.0.0.1", 9999)) as server:
    while True:
        connection, _address = server.accept()
        with connection:
            print(connection.recv(4096), flush=True)
            connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
"""


def test_a_members_words_lead_the_collection_nowhere(host: Stage, logged: str) -> None:
    places = ("file:///var/lib/mlflow/opera?x=/{n}", "mlflow-artifacts:/{arias}?x=/{n}", "http://127.0.0.1:9999/x/{n}")
    (arias,) = sql(host, "SELECT experiment_id FROM experiments WHERE name = 'arias'")
    (last,) = sql(host, "SELECT max(experiment_id) FROM experiments")
    host.sh("cat > /run/ear.py", feed=EAR)
    heard = "--property=StandardOutput=file:/run/heard"
    host.sh(f"systemd-run --quiet --unit=ear --property=User=nobody {heard} python3 /run/ear.py")
    host.sh("cat > /run/say.py", feed="import socket; socket.create_connection(('127.0.0.1', 9999)).send(b'hello')")
    host.sh("timeout 60 sh -c 'until test -s /run/heard; do python3 /run/say.py; sleep 0.5; done'")
    # It may take its time to wake, longer than a request waits.
    host.sh("systemctl start mlflow@opera.service")
    numbers = []
    for place in places:
        number = str(int(last) + 1 + len(numbers))
        body = {"name": f"odd {number}", "artifact_location": place.format(n=number, arias=arias)}
        took = host.ask(PORT, TESS["name"], TESS["password"], "/api/2.0/mlflow/experiments/create", body)
        if place.startswith("http"):
            # An older server took these too, and its rows are still there.
            assert took != 200
            admin(host, "experiments/create", {"name": body["name"]})
            location = body["artifact_location"]
            sql(host, f"UPDATE experiments SET artifact_location = '{location}' WHERE experiment_id = {number}")  # noqa: S608 - ours
        else:
            assert took == 200
        admin(host, "experiments/delete", {"experiment_id": number})
        numbers.append(number)
    sql(host, "UPDATE experiments SET last_update_time = last_update_time - 7200000")
    sleep(host)
    before = host.starts("opera")
    said = collect(host)
    assert all(f"left experiment {number}: " in said for number in numbers)
    assert "left 3 in all whose artifacts are not at their own place" in said
    # Nobody was woken for that.
    assert "nothing to remove" in said
    assert host.starts("opera") == before
    host.sh("test -s /var/lib/mlflow/opera/mlflow.db")
    assert logged in host.sh("find /var/lib/mlflow/opera/artifacts -type f")
    assert set(host.sh("cat /run/heard").splitlines()) == {"b'hello'"}
    assert host.sh("systemctl show --value --property=IPAddressAllow mlflow-gc@opera.service").split() == [
        "127.0.0.1/32"
    ]
    host.sh("systemctl stop ear.service; rm /run/ear.py /run/say.py /run/heard")


def test_the_teams_variables_reach_nothing_that_root_runs_for_it(host: Stage, logged: str) -> None:
    """The loader of every program says of what it was told to load first that it is not there."""
    host.sh(
        "cp -p /etc/mlflow/opera/environment /run/kept; cat >> /etc/mlflow/opera/environment",
        feed="LD_PRELOAD=/no.so\n",
    )
    try:
        assert "/no.so" in collect(host)
        invocation = host.sh("systemctl show --value --property=InvocationID mlflow-gc@opera.service").strip()
        said = host.sh(f"journalctl --no-pager --output cat _UID=0 _SYSTEMD_INVOCATION_ID={invocation}")
        assert "/no.so" not in said
    finally:
        host.sh("cp -p /run/kept /etc/mlflow/opera/environment; rm /run/kept")


def test_a_collection_that_fails_is_told_of(host: Stage, logged: str) -> None:
    run = demo.person(host.url(PORT), TESS, "log", "arias")["run"]
    admin(host, "runs/delete", {"run_id": run})
    sql(host, "UPDATE runs SET deleted_time = deleted_time - 7200000")
    place = host.sh(f"find /var/lib/mlflow/opera/artifacts -path '*/{run}/artifacts'").strip()
    host.sh(f"rm -f /run/told-of; chown root {place}; chmod 0700 {place}")
    host.sh("systemctl start mlflow-gc@opera.service", check=False)
    host.sh("timeout 60 sh -c 'until test -e /run/told-of; do sleep 0.2; done'")
    assert run in sql(host, "SELECT run_uuid FROM runs")
    host.sh(f"chown mlflow-opera {place}; rm /run/told-of")
    assert f"Run with ID {run} has been permanently deleted." in collect(host)
    assert host.sh(f"test -e {place} && echo there", check=False) == ""


def test_secrets_are_rotated_also_when_that_was_cut_off(host: Stage, onboard: Onboard, logged: str) -> None:
    dest = stage.WORK / "opera_admin.yml"
    given = ("-e", "team=opera", "-e", f"dest={dest}")
    there = dataclasses.replace(host, inventory=stage.with_team(opera()))
    before = host.sh("cat /etc/mlflow/opera/secrets.env").splitlines()
    run = there.play("rotate_secrets", "-v", "--diff", *given)
    assert run.code == 0, run.output[-5000:]
    assert dest.stat().st_mode & 0o777 == 0o600
    password = yaml.safe_load(dest.read_text())["admin"]
    after = host.sh("cat /etc/mlflow/opera/secrets.env").splitlines()
    assert {line.split("=")[0] for line in set(after) - set(before)} == {"MLFLOW_FLASK_SERVER_SECRET_KEY"}
    assert [secret for secret in (password, ADMIN, *(line.split("=")[1] for line in after if "=" in line))
            if secret in run.output] == []  # fmt: skip
    assert host.login(PORT, "admin", password) == 200
    assert host.login(PORT, "admin", ADMIN) == 401
    # As if it had ended after it told the server.
    host.sh("cat > /etc/mlflow/opera/admin_password", feed=ADMIN)
    assert there.play("rotate_secrets", *given).code == 0
    assert host.sh("cat /etc/mlflow/opera/admin_password") == password
    refused = there.play("rotate_secrets", *given)
    assert refused.code == 2
    assert "is no file of a rotation that was cut off" in refused.output
    assert host.login(PORT, "admin", password) == 200


@pytest.fixture(scope="module")
def secrets(host: Stage) -> str:
    """Return the team's secrets before it is retired."""
    return host.sh("cat /etc/mlflow/opera/secrets.env")


def test_a_retired_team_is_gone_and_its_data_are_roots(host: Stage, onboard: Onboard, secrets: str) -> None:
    uid = host.sh("id -u mlflow-opera").strip()
    predicted = onboard(opera(state="absent"), "--check")
    assert predicted.code == 0, predicted.output
    assert "remove /etc/mlflow/opera" in predicted.output
    assert host.login(PORT, **TESS) == 200

    run = onboard(opera(state="absent"))
    assert run.code == 0, run.output[-5000:]
    (archive,) = host.sh(f"ls {ARCHIVES}/opera-*").split()
    assert archive in run.output
    assert host.sh(f"stat -c '%a %U' {archive} {ARCHIVES}").splitlines() == ["600 root", "700 root"]
    assert host.login(PORT, **TESS) == 0
    left = "ls -d /etc/mlflow/opera /etc/systemd/system/*@opera.* /etc/systemd/system/*/*@opera.*; id mlflow-opera"
    assert host.sh(left, check=False) == ""
    assert host.sh("systemctl list-units --no-legend '*@opera.*'") == ""
    # Whoever gets the number next.
    host.sh(f"useradd --system --uid {uid} thief")
    assert host.sh("setpriv --reuid=thief --clear-groups ls /var/lib/mlflow/opera", check=False) == ""

    # One that only went from the inventory, and goes on running.
    host.sh("mkdir /etc/mlflow/phantom && echo unknown > /etc/mlflow/phantom/admin_password")
    again = onboard(opera(state="absent"))
    host.sh("rm -r /etc/mlflow/phantom")
    assert (again.code, again.changed) == (0, 0), again.output
    assert "phantom" in again.output
    assert "To retire a team, declare it with state: absent; one that has moved away" in again.output


def test_a_team_that_is_declared_again_has_all_it_had(host: Stage, onboard: Onboard, secrets: str, logged: str) -> None:
    predicted = onboard(opera(), "--check")
    assert predicted.code == 0, predicted.output
    assert "opera was retired, and would be given its data and secrets again" in predicted.output
    run = onboard(opera())
    assert run.code == 0, run.output[-5000:]
    assert host.sh("cat /etc/mlflow/opera/secrets.env") == secrets
    # The password of before the rotation, which only who knew the rotated one could set.
    assert host.login(PORT, "admin", ADMIN) == 200
    assert demo.person(host.url(PORT), TESS, "see", "arias", "--run", logged) == {"seen": True}
    again = onboard(opera())
    assert (again.code, again.changed) == (0, 0), again.output


def test_data_go_when_that_is_asked_for(host: Stage, onboard: Onboard, logged: str) -> None:
    run = onboard(opera(state="absent"), mlflow_server_remove_data=True)
    assert run.code == 0, run.output[-5000:]
    assert host.sh("ls -d /var/lib/mlflow/opera /var/lib/mlflow/.retired/*", check=False) == ""
    found = host.sh(f"for file in {ARCHIVES}/opera-*; do tar tzf $file; done")
    assert f"{logged}/artifacts/notes/first.txt" in found
    assert "databases/mlflow.db" in found
