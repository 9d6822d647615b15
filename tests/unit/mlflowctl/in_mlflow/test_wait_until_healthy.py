"""Whoever waits for a server that ended lets its unit say how, by what systemd has seen."""

import re
import subprocess
import sys

import pytest
from mlflowctl.in_mlflow import wait_until_healthy


@pytest.fixture
def wait(tmp_path):
    """Wait for a server that has ended; return how that went."""

    def wait():
        ended = subprocess.Popen(["true"])
        ended.wait()
        command = [sys.executable, "-I", wait_until_healthy.__file__, f"{tmp_path}/vision/http.sock", "60"]
        return subprocess.run(command, env={"MAINPID": str(ended.pid)}, capture_output=True, text=True, check=False)

    return wait


@pytest.fixture
def stop_post(tmp_path, request):
    """Do what the unit does then; return what it says."""
    template = request.config.rootpath / "roles" / "mlflow_server" / "templates" / "mlflow@.service.j2"
    text = template.read_text().replace("\\\n", " ").replace("$$", "$").replace("%i", "vision")
    (command,) = re.findall(r"^ExecStopPost=-\+/bin/sh -c '(.*)'$", text, re.MULTILINE)
    command = command.replace("{{ __mlflow_server_run_dir }}", str(tmp_path))

    def run(**ended):
        return subprocess.run(
            ["/bin/sh", "-c", command], env=ended, stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    return run


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("exited", "3", "with exit code 3"),
        ("killed", "KILL", "by signal SIGKILL"),
        ("dumped", "SEGV", "by signal SIGSEGV"),
        ("killed", "RTMIN+1", "by signal SIGRTMIN+1"),
    ],
)
def test_the_end_of_a_server_is_told_by_its_code_or_signal(tmp_path, wait, stop_post, code, status, said):
    (tmp_path / "vision").mkdir()
    done = wait()
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    told = stop_post(EXIT_CODE=code, EXIT_STATUS=status)
    assert told == f"the server ended before it answered, {said}\n"


def test_nothing_is_said_of_one_that_answered(tmp_path, stop_post):
    (tmp_path / "vision").mkdir()
    assert stop_post(EXIT_CODE="killed", EXIT_STATUS="KILL") == ""


def test_where_there_is_no_room_it_is_said_without_how(wait):
    done = wait()
    assert (done.returncode, done.stderr) == (1, "the server ended before it answered\n")
