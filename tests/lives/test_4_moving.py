"""A team beside itself as it was, and a team that goes to another host, from snapshots that a third one keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import demo
import pytest
import testhosts
from e2e import stage
from e2e.stage import ALICE, Stage, example, write_private

DAVE = {"name": "dave", "password": "dave-try-out-only"}
PASSWORD = "canary of a shared repository"
KEY = "/root/.ssh/id_ed25519"
SCRATCH = {"name": "scratch", "port": 5008, "admin_password": "scratch-admin-try-out", "access_policy": "additive"}
OTHER = "lives2"


@dataclass(frozen=True)
class Pair:
    """Two hosts that run MLflow, and the store of their backups."""

    first: Stage
    second: Stage
    store: Stage

    def play(self, name: str, *more: str, vision: str = "mlflow1", nlp: str = "mlflow1", **others: Any) -> demo.Play:
        """Run a playbook for both, with each team on the host that is named."""
        hosts = {"mlflow1": self.first.host, "mlflow2": self.second.host}
        inventory, variables = stage.WORK / "pair.json", stage.WORK / "pair_variables.json"
        reached = {name: testhosts.connection(host) for name, host in hosts.items()}
        write_private(inventory, json.dumps({"mlflow_servers": {"hosts": reached}}))
        given = {
            "mlflow_backup_repository": f"sftp:keeper@{self.store.host.address}:mlflow",
            "mlflow_backup_password": PASSWORD,
            "mlflow_team_vision": example("vision", servers=[vision]),
            "mlflow_team_nlp": example("nlp", servers=[nlp]),
            **others,
        }
        write_private(variables, json.dumps(given))
        run = demo.play(name, [demo.EXAMPLE, inventory], f"--extra-vars=@{variables}", *more)
        assert PASSWORD not in run.output
        return run

    def let_in(self, host: Stage) -> None:
        """Let a host's root into the store, and have it know the store."""
        host.sh(f"mkdir -p -m 700 /root/.ssh; test -e {KEY} || ssh-keygen -q -t ed25519 -N '' -f {KEY}")
        self.store.sh("cat >> /home/keeper/.ssh/authorized_keys", host.sh(f"cat {KEY}.pub"))
        host.sh(f"ssh-keyscan {self.store.host.address} > /root/.ssh/known_hosts")


@pytest.fixture(scope="module")
def pair(converged: Stage) -> Iterator[Pair]:
    """Have a second host, and a store that only the first one gets into."""
    first = converged.again()
    store = Stage(testhosts.up("store"))
    second = Stage(testhosts.up(OTHER, uv=True))
    install = "apt-get update -q && apt-get install -qy --no-install-recommends"
    for host, package in ((first, "openssh-client"), (store, "openssh-server")):
        host.sh(f"DEBIAN_FRONTEND=noninteractive sh -c '{install} {package}' >/dev/null")
    store.sh("useradd -m keeper; install -d -o keeper -m 700 /home/keeper/.ssh")
    store.sh("install -o keeper -m 600 /dev/null /home/keeper/.ssh/authorized_keys")
    both = Pair(first, second, store)
    both.let_in(first)
    run = both.play("site", "--limit=mlflow1")
    assert run.code == 0, run.output[-5000:]
    yield both
    stage.forget_backups(first, "/nowhere")
    testhosts.down(["store", OTHER])


def test_a_team_is_restored_beside_itself(pair: Pair) -> None:
    run_id = demo.person(pair.first.url(5001), ALICE, "log", "resnet")["run"]
    made = pair.play("backup_team", "--limit=mlflow1", "-e", "team=vision")
    assert made.code == 0, made.output[-5000:]
    assert demo.person(pair.first.url(5001), ALICE, "lose", "resnet", "--run", run_id) == {"lost": True}
    before = pair.first.lives("vision")
    beside = ("--limit=mlflow1", "-e", "team=vision", "-e", "as=scratch")
    run = pair.play("restore_team", *beside, mlflow_team_scratch=SCRATCH)
    assert run.code == 0, run.output[-5000:]
    # It is what vision was, for the same people, and vision is what it is.
    found = demo.person(pair.first.url(5008), ALICE, "see", "resnet", "--run", run_id)
    assert found == {"seen": True}
    assert pair.first.login(5008, "admin", "vision-admin-try-out") == 200
    assert pair.first.lives("vision") == before
    stage.forget(pair.first, "scratch")


@pytest.fixture(scope="module")
def daves_run(pair: Pair) -> str:
    return str(demo.person(pair.first.url(5002), DAVE, "log", "sentiment")["run"])


def move(pair: Pair) -> demo.Play:
    """Let nlp go from the first host to the second."""
    return pair.play("move_team", "-e", "team=nlp", "-e", "source=mlflow1", "-e", "target=mlflow2", nlp="mlflow2")


def test_a_move_that_cannot_work_stops_nobody(pair: Pair, daves_run: str) -> None:
    before = pair.first.lives("nlp")
    run = move(pair)
    assert run.code == 2
    assert "Host key verification failed" in run.output
    assert pair.first.lives("nlp") == before


def test_a_move_that_fails_leaves_the_team_where_it_is(pair: Pair, daves_run: str) -> None:
    pair.let_in(pair.second)
    # Where restores keep what was there before.
    pair.second.sh("touch /var/lib/mlflow-restores")
    run = move(pair)
    assert run.code == 2
    assert "team nlp is still on mlflow1" in run.output
    assert demo.person(pair.first.url(5002), DAVE, "see", "sentiment", "--run", daves_run) == {"seen": True}
    pair.second.sh("rm /var/lib/mlflow-restores")


def test_a_team_moves_with_all_it_has(pair: Pair, daves_run: str) -> None:
    run = move(pair)
    assert run.code == 0, run.output[-5000:]
    assert demo.person(pair.second.url(5002), DAVE, "see", "sentiment", "--run", daves_run) == {"seen": True}
    # Nobody works any more where it was, also after a boot.
    assert pair.first.login(5002, **DAVE) == 0
    units = "mlflow-listen@nlp.socket mlflow-backup@nlp.timer"
    assert set(pair.first.sh(f"systemctl is-enabled {units}", check=False).split()) == {"disabled"}
    after = pair.play("site", nlp="mlflow2")
    assert after.code == 0, after.output[-5000:]
    assert demo.person(pair.second.url(5002), DAVE, "see", "sentiment", "--run", daves_run) == {"seen": True}
    assert pair.first.login(5002, **DAVE) == 0


def test_no_secret_was_ever_to_be_seen(pair: Pair) -> None:
    for host in (pair.first, pair.second):
        assert host.leaks(PASSWORD) == []
