"""What a team or a package brings along runs as the team's account, and never as root."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from e2e.stage import ALICE, Stage

HOME = "/var/lib/mlflow/vision/taken-in"
ENVIRONMENT = "/etc/mlflow/vision/environment"
# A line that Python runs at each start, as a hundred packages have one, and what says whose process it was.
WITH_EACH_START = f'import os; open(f"{HOME}/pth-{{os.geteuid()}}", "a").close()'
# And one that would hold whoever reads what the team has.
PIPE = f'\nimport os; os.mkfifo("{HOME}/pipe")\n'
# The loader of each program says what it loads in a file of its own, which belongs to whose process it is.
VARIABLES = f"LD_DEBUG=libs\nLD_DEBUG_OUTPUT={HOME}/loader\nTRIED=1\n"


@pytest.fixture
def boarded(converged: Stage) -> Iterator[Stage]:
    """Have both in a team's environment, and a directory where everybody can leave a trace."""
    packages = converged.sh("ls -d /etc/mlflow/vision/venv/lib/python3*/site-packages").strip()
    kept = converged.sh(f"cat {ENVIRONMENT}")
    converged.sh(f"install --directory --owner=mlflow-vision --mode=0777 {HOME}")
    converged.sh(f"cat > {packages}/zz_each_start.pth", feed=WITH_EACH_START + PIPE)
    converged.sh(f"cat >> {ENVIRONMENT}", feed=VARIABLES)
    try:
        yield converged
    finally:
        converged.sh(f"rm -rf {packages}/zz_each_start.pth {HOME}")
        converged.sh(f"cat > {ENVIRONMENT}", feed=kept)
        converged.sh("systemctl restart mlflow@vision.service")


def test_neither_packages_nor_variables_of_a_team_reach_what_root_runs(boarded: Stage) -> None:
    boarded.sh("systemctl restart mlflow@vision.service")
    assert boarded.login(5001, **ALICE) == 200
    # What passes connections on is stopped, too: that drains the server.
    boarded.sh("systemctl restart mlflow@vision.service")
    assert boarded.login(5001, **ALICE) == 200
    owners = set(boarded.sh(f"find {HOME} -mindepth 1 -printf '%u\\n'").split())
    names = boarded.sh(f"ls {HOME}")
    # The server itself has them, so that they would have been seen.
    assert "loader." in names
    assert "pth-" in names
    assert "pipe" not in names
    assert owners == {"mlflow-vision"}
    process = boarded.sh("systemctl show --value --property=MainPID mlflow@vision.service").strip()
    assert "TRIED=1" in boarded.sh(f"tr '\\0' '\\n' < /proc/{process}/environ").splitlines()


def test_variables_are_left_in_no_file_that_the_server_reads(converged: Stage) -> None:
    assert converged.login(5001, **ALICE) == 200
    found = converged.sh("find /run/mlflow/vision -type f -size +0; cat /etc/mlflow/vision/secrets.env").splitlines()
    assert any("SECRET" in line for line in found)
    assert [line for line in found if line.startswith("/run")] == []
    assert converged.sh("stat --format=%a:%U /etc/mlflow/vision/secrets.env").strip() == "600:root"


def test_a_team_has_nothing_done_by_the_host_over_its_bus(converged: Stage) -> None:
    """It starts what an account has in its home, for one: outside of all that the unit is kept from."""
    assert converged.login(5001, **ALICE) == 200
    assert "org.freedesktop.systemd1" in converged.sh("runuser -u mlflow-vision -- busctl list")
    for unit in ("mlflow@vision", "mlflow-listen@vision"):
        process = converged.sh(f"systemctl show --value --property=MainPID {unit}.service").strip()
        account = "setpriv --reuid=mlflow-vision --regid=mlflow-vision --clear-groups"
        found = converged.sh(f"nsenter --target={process} --mount {account} busctl list 2>&1", check=False)
        assert found.strip() == "Failed to connect to bus: Permission denied"


def test_nobody_logs_in_as_a_team(converged: Stage) -> None:
    """Not by a key that its server writes to its home, either: sshd would pass connections on for whoever has it."""
    assert converged.sh("getent shadow mlflow-vision").strip().split(":")[7] == "1"


def test_a_team_fills_no_memory_that_all_need_to_start(converged: Stage) -> None:
    """Not what /run is made of; and a server of several processes ends as well as ever without it."""
    kept = converged.sh(f"cat {ENVIRONMENT}")
    try:
        converged.sh(f"echo 'MLFLOW_WORKERS=2' >> {ENVIRONMENT}; systemctl restart mlflow@vision.service")
        assert converged.login(5001, **ALICE) == 200
        process = converged.sh("systemctl show --value --property=MainPID mlflow@vision.service").strip()
        account = "setpriv --reuid=mlflow-vision --regid=mlflow-vision --clear-groups"
        write = f"nsenter --target={process} --mount {account} sh -c '>/run/mlflow/vision/more' 2>&1"
        assert "Permission denied" in converged.sh(write, check=False)
        write = f"nsenter --target={process} --mount {account} sh -c '>/dev/shm/more && ls /dev/shm'"
        assert converged.sh(write).strip() == "more"
        assert "more" not in converged.sh("ls /dev/shm").split()
        converged.sh("systemctl stop mlflow@vision.service; ! systemctl is-failed --quiet mlflow@vision.service")
    finally:
        converged.sh(f"cat > {ENVIRONMENT}", feed=kept)
        converged.sh("systemctl restart mlflow@vision.service")
    assert converged.login(5001, **ALICE) == 200


def test_who_ends_a_server_that_starts_is_named_by_the_signal(converged: Stage) -> None:
    converged.sh("systemctl restart --no-block mlflow@vision.service")
    # From the moment on at which there is a process, and before it answers.
    kill = (
        "for _ in $(seq 600); do systemctl show -P SubState mlflow@vision | grep -q start-post && break; "
        "sleep 0.1; done; "
        "systemctl kill --kill-who=main --signal=USR2 mlflow@vision"
    )
    since = converged.sh("date +%s").strip()
    converged.sh(kill)
    assert converged.login(5001, **ALICE) == 200
    said = converged.journal(f"--unit=mlflow@vision.service --since='@{since}'")
    assert "the server ended before it answered, by signal SIGUSR2" in said, said
