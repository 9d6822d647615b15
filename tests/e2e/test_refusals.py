"""Each thing that cannot work ends with one clear line, before anything is changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import demo
import images
import pytest
import testhosts
from e2e.stage import Stage, example

OLD_PYTHON = '#!/bin/sh\ncase "$2" in *version_info*) echo 3.8 ;; esac\n'


def vision(**changes: Any) -> dict[str, Any]:
    return {"mlflow_team_vision": example("vision", **changes)}


def nlp(**changes: Any) -> dict[str, Any]:
    return {"mlflow_team_nlp": example("nlp", **changes)}


def without(team: str, key: str) -> dict[str, Any]:
    return {f"mlflow_team_{team}": {name: value for name, value in example(team).items() if name != key}}


def user(name: str = "zoe", password: str = "long enough for it") -> list[dict[str, str]]:
    return [*example("vision")["users"], {"name": name, "password": password}]


def resnet(**grants: str) -> list[dict[str, Any]]:
    return [{"name": "resnet", "grants": grants}]


# What is declared, and what the one line of the error says.
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "team name": (vision(name="Vision_1"), "mlflow_teams: Vision_1: name: 'Vision_1' is not a valid name"),
    "no label": (vision(name="vision-"), "mlflow_teams: vision-: name: 'vision-' ends with a hyphen"),
    "well-known password": (
        vision(users=user(password="password1234")),
        "mlflow_teams: vision: users: zoe: password: is the one that MLflow came with",
    ),
    "no driver": (
        vision(backend_store_uri="postgresql://zoe:try-out@127.0.0.1/x"),
        "mlflow_teams: vision: backend_store_uri: names no driver; write postgresql+psycopg:// instead",
    ),
    "own variable": (
        vision(environment={"MLFLOW_ARTIFACTS_DESTINATION": "/srv/x"}),
        "mlflow_teams: vision: environment: MLFLOW_ARTIFACTS_DESTINATION is set by the role; use",
    ),
    "misspelt": (
        {"mlflow_server_wheel_dirs": "/srv/wheels"},
        "mlflow_server_wheel_dirs: is read by nothing; mlflow_server_wheel_dir is what it is called",
    ),
    "open path, health": (vision(name="health-x"), "mlflow_teams: health-x: name: 'health-x' begins with health"),
    "open path, static": (vision(name="static"), "mlflow_teams: static: name: 'static' begins with health or static"),
    "one port twice": (vision(port=5002), "mlflow_teams: port: 'nlp' and 'vision' both want 5002"),
    "one name twice": (nlp(name="vision"), "mlflow_teams: name: two teams are called 'vision'"),
    "port too low": (vision(port=1023), "mlflow_teams: vision: port: 1023 is outside 1024-65535"),
    "port too high": (vision(port=65536), "mlflow_teams: vision: port: 65536 is outside 1024-65535"),
    "short password": (vision(admin_password="elevenchars"), "mlflow_teams: vision: admin_password: has under 12"),
    "foreign password": (
        vision(users=user(password="bärenstark-und-lang")),
        "mlflow_teams: vision: users: zoe: password: it has characters outside printable ASCII",
    ),
    "colon": (vision(users=user("a:b")), "mlflow_teams: vision: users: 'a:b' has a colon"),
    "grant to nobody": (
        vision(experiments=resnet(zoe="READ")),
        "mlflow_teams: vision: experiments: resnet: grants: 'zoe' is not among the users",
    ),
    "level": (
        vision(experiments=resnet(alice="WRITE")),
        "mlflow_teams: vision: experiments: resnet: grants: alice: 'WRITE' is not a valid level; use one of READ",
    ),
    "key": (vision(prot=5001), "mlflow_teams: vision: unknown key: prot"),
    "key below": (vision(users=[{**user()[0], "pasword": "x"}]), "mlflow_teams: vision: unknown key: users.pasword"),
    "no port": (without("vision", "port"), "mlflow_teams: vision: missing required arguments: port"),
    "version": (vision(version="3.17"), "mlflow_teams: vision: version: '3.17' is not pinned"),
    "old Python": (
        {"mlflow_server_python": "/usr/local/bin/old-python"},
        "mlflow1 has Python 3.8; 3.10 is the oldest that works. Name a newer interpreter in mlflow_server_python.",
    ),
    "no Python": (
        {"mlflow_server_python": "/usr/local/bin/no-python"},
        "mlflow1 has Python 0; 3.10 is the oldest that works. Name a newer interpreter in mlflow_server_python.",
    ),
    "no denial": (
        vision(version="3.16.1", experiments=resnet(alice="DENY")),
        "mlflow_teams: vision: experiments: resnet: grants: DENY needs MLflow 3.17 or later; this team has 3.16.1",
    ),
}


@pytest.fixture(scope="module")
def runs(converged: Stage) -> Iterator[dict[str, Future[demo.Play]]]:
    """Start all refusals, two at a time: most of each is waiting for Ansible to begin."""
    path = "/usr/local/bin/old-python"
    converged.sh(f"cat > {path}; chmod 755 {path}", feed=OLD_PYTHON)
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(converged.play, "site", **overrides) for name, (overrides, _message) in CASES.items()}
    converged.sh(f"rm {path}")


def one_error(run: demo.Play) -> str:
    """Return the message of the run's only error."""
    assert (run.code, run.changed) == (2, 0), run.output
    (fatal,) = re.findall(r"^(?:fatal|failed): \[mlflow1\].*", run.output, re.MULTILINE)
    (message,) = re.findall(r'"msg": "((?:[^"\\]|\\.)*)"', fatal)
    assert "\\n" not in message, message
    return str(message)


@pytest.mark.parametrize("case", CASES)
def test_is_refused_by_name(runs: dict[str, Future[demo.Play]], case: str) -> None:
    run = runs[case].result()
    assert CASES[case][1] in one_error(run)
    # The admin's and Alice's are in each of these declarations, one way or the other.
    assert "try-out" not in run.output


@pytest.fixture
def without_systemd() -> Iterator[Stage]:
    name = testhosts.container_of("plain")
    testhosts.remove_container("plain")
    first = f"--pidfile={testhosts.pidfile(name)}"
    testhosts.podman("run", "-d", "--name", name, first, images.ensure("bookworm"), "sleep", "infinity")
    yield Stage(testhosts.Host("plain", name, "bookworm", uv=False, running=True, address=""))
    testhosts.remove_container("plain")


def test_a_host_without_systemd_is_refused(without_systemd: Stage) -> None:
    message = one_error(without_systemd.play("site"))
    assert re.search("mlflow1 runs .* and not systemd, which this role needs", message)
    assert without_systemd.sh("ls -d /etc/mlflow /opt/mlflow", check=False) == ""


def test_nothing_of_all_this_reached_the_host(converged: Stage) -> None:
    found = converged.sh("ls /etc/mlflow").split()
    assert set(found) == {"nlp", "vision"}
    assert converged.login(5001, "alice", "alice-try-out-only") == 200
