"""When a replica closes its port, and opens it again; by the lines of its unit, beside a systemd that only notes."""

import fcntl
import os
import re
import subprocess

import pytest

SYSTEMCTL = """#!/bin/sh
case $1 in
    list-jobs) cat HOME/jobs ;;
    *) echo "$*" >> HOME/told ;;
esac
"""
SOCKET, DOOR = "stop --no-block mlflow-listen@nlp.socket", "start --no-block mlflow-listen@nlp.service"


class Unit:
    """The unit of team nlp, on a host that is a directory."""

    def __init__(self, home, template):
        self.home = home
        self.text = template.read_text().replace("\\\n", " ").replace("$$", "$").replace("%i", "nlp")
        self.text = self.text.replace("{{ closed }}", f"{home}/closed/nlp").replace("/run/mlflow-changes", str(home))
        self.text = self.text.replace("{{ __mlflow_server_takes_run_dir }}", f"chmod 0750 {home}/run")
        (home / "run").mkdir(mode=0o700)
        (home / "systemctl").write_text(SYSTEMCTL.replace("HOME", str(home)))
        (home / "systemctl").chmod(0o755)
        (home / "jobs").touch()
        self.lock = home / "nlp.clients"
        self.lock.touch()

    def run(self, line, **ended):
        """Do what a line says; return what systemd was told."""
        (self.home / "told").write_text("")
        (command,) = re.findall(rf"^{line}=-\+/bin/sh -c '(.*)'$", self.text, re.MULTILINE)
        environment = {"PATH": f"{self.home}:{os.environ['PATH']}", **ended}
        subprocess.run(["sh", "-c", command], env=environment, check=False, timeout=60)
        return (self.home / "told").read_text().splitlines()

    def is_closed(self):
        return (self.home / "closed" / "nlp").exists()


@pytest.fixture
def unit(tmp_path, request):
    return Unit(tmp_path, request.config.rootpath / "roles/mlflow_server/templates/replica.conf.j2")


@pytest.mark.parametrize(
    "ended",
    [
        {"EXIT_CODE": "killed", "EXIT_STATUS": "KILL"},
        # As MLflow ends when its worker has died.
        {"EXIT_CODE": "exited", "EXIT_STATUS": "0"},
        # What is run before the server has failed.
        {},
    ],
)
def test_a_dead_server_closes_its_port_until_it_answers(unit, ended):
    (unit.home / "jobs").write_text("  7 mlflow@nlp.service start running\n" if not ended else "")
    assert unit.run("ExecStopPost", **ended) == [SOCKET]
    assert unit.is_closed()
    for told in ([DOOR], []):
        # As systemd leaves it for each command.
        (unit.home / "run").chmod(0o700)
        assert unit.run("ExecStartPost") == told
        assert not unit.is_closed()
        assert (unit.home / "run").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("job", ["stop running", "restart waiting"])
def test_who_comes_waits_while_a_server_is_stopped_or_restarted(unit, job):
    (unit.home / "jobs").write_text(f"  7 mlflow@nlp.service {job}\n")
    assert unit.run("ExecStopPost", EXIT_CODE="exited", EXIT_STATUS="0") == []
    assert not unit.is_closed()


def test_who_comes_waits_where_a_server_was_told_to_end(unit):
    """Nothing but the next who comes would start it again."""
    assert unit.run("ExecStopPost", EXIT_CODE="killed", EXIT_STATUS="TERM") == []


def test_who_comes_waits_while_a_change_is_tried_out_that_fails(unit):
    with unit.lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert unit.run("ExecStopPost", EXIT_CODE="exited", EXIT_STATUS="1") == []
    assert unit.run("ExecStopPost", EXIT_CODE="exited", EXIT_STATUS="1") == [SOCKET]
