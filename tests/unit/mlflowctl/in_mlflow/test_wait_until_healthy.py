"""Whoever waits for a server that ended says how, by what systemd has seen."""

import subprocess
import sys

import pytest
from mlflowctl.in_mlflow import wait_until_healthy


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("ExecMainCode=1\nExecMainStatus=3\n", ", with exit code 3"),
        ("ExecMainCode=2\nExecMainStatus=9\n", ", by signal 9 (SIGKILL)"),
        ("ExecMainCode=3\nExecMainStatus=11\n", ", by signal 11 (SIGSEGV)"),
        ("ExecMainCode=2\nExecMainStatus=34\n", ", by signal 34 (SIGRTMIN)"),
        ("ExecMainCode=2\nExecMainStatus=35\n", ", by signal 35 (SIGRTMIN+1)"),
        ("ExecMainCode=2\nExecMainStatus=63\n", ", by signal 63 (SIGRTMIN+29)"),
        ("ExecMainCode=0\nExecMainStatus=0\n", "; how, systemd does not say"),
        ("", "; how, systemd does not say"),
    ],
)
def test_the_end_of_a_server_is_told_by_its_code_or_signal(tmp_path, shown, said):
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / "shown").write_text(shown)
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\ncat {tmp_path / 'shown'}\n")
    (tmp_path / "systemctl").chmod(0o755)
    words = ["mlflow@vision.service", f"{tmp_path}/http.sock", "60"]
    command = [sys.executable, "-I", wait_until_healthy.__file__, *words]
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "MAINPID": str(ended.pid)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, f"the server ended before it answered{said}\n")
