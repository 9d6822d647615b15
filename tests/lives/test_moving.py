"""A team beside itself as it was, and one that goes to another host, from snapshots on a third one; and one on both."""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import demo
import pytest
import testhosts
from e2e import stage
from e2e.stage import ALICE, Stage, example, soon, write_private
from lives import replicated, through_proxy
from lives.replicated import ADMIN, DATABASE_PASSWORD, DAVE, NEW, OLD, changes
from lives.replicated import PORT as SHARED

PASSWORD = "canary of a shared repository"
# Longer than any answer takes.
RESTART_SECONDS = 40
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
    # It has moved away; `converged` has it here again for whoever comes next.
    stage.forget(first, "nlp")


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
    assert "mlflow_backup_repository: root does not get into sftp:" in run.output
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


@pytest.fixture(scope="module")
def shared(pair: Pair) -> Iterator[dict[str, Any]]:
    """Declare a team for both hosts, with its database on the third one. Nobody gets to its artifacts here."""
    replicated.install_postgresql(pair.store)
    replicated.sql(pair.store, f"CREATE ROLE shared LOGIN PASSWORD '{DATABASE_PASSWORD}'")
    replicated.sql(pair.store, "CREATE DATABASE shared OWNER shared")
    yield replicated.declaration(pair.store)
    for host in (pair.first, pair.second):
        stage.forget(host, "shared")
    for host in (pair.first, pair.second):
        stage.forget(host, "shared")


def play_shared(pair: Pair, declared: dict[str, Any], *more: str, **changes: Any) -> demo.Play:
    """Run all of the roles for the team on both hosts; nothing of its secrets is to be seen, however much is shown."""
    given = {"mlflow_team_shared": {**declared, **changes}, "mlflow_server_remove_unused": False}
    run = pair.play("onboard_team", "-e", "team=shared", "-vv", "--diff", *more, **given)
    keys = pair.first.sh("sed -n 's/^MLFLOW_[A-Z_]*=//p' /etc/mlflow/shared/secrets.env").split()
    assert len(keys) == 3
    secrets = [*keys, DATABASE_PASSWORD, declared["admin_password"], DAVE["password"]]
    assert [secret for secret in secrets if secret in run.output] == []
    return run


def both_serve(pair: Pair, version: str) -> None:
    """See that both hosts know the same people, and are of one version."""
    replicated.all_serve((pair.first, pair.second), version)


def test_a_team_of_two_hosts_comes_up_in_one_run(pair: Pair, shared: dict[str, Any]) -> None:
    run = play_shared(pair, shared)
    assert run.code == 0, run.output[-5000:]
    both_serve(pair, OLD)
    files = "sha256sum /etc/mlflow/shared/secrets.env /etc/mlflow/shared/admin_password"
    assert pair.first.sh(files) == pair.second.sh(files)
    timers = "systemctl is-enabled mlflow-gc@shared.timer mlflow-backup@shared.timer"
    assert pair.first.sh(timers, check=False).split() == ["enabled", "enabled"]
    assert "enabled" not in pair.second.sh(timers, check=False).split()
    again = play_shared(pair, shared)
    assert (again.code, changes(again)) == (0, {"mlflow1": 0, "mlflow2": 0}), again.output[-5000:]


def test_an_upgrade_migrates_once_and_brings_the_other_host_along(pair: Pair, shared: dict[str, Any]) -> None:
    run = play_shared(pair, shared, version=NEW)
    assert run.code == 0, run.output[-5000:]
    said = re.findall(rf"shared: {OLD} -> {NEW}, ([a-z ]*)", run.output)
    assert list(dict.fromkeys(said)) == ["migrated", "the same schemas"]
    both_serve(pair, NEW)


def test_a_host_that_was_away_during_it_does_not_serve_until_the_next_run(pair: Pair, shared: dict[str, Any]) -> None:
    units = "mlflow-listen@shared.service mlflow@shared.service"
    pair.second.sh(f"systemctl stop mlflow-listen@shared.socket {units}")
    pair.second.sh(
        f"ln -sfn /opt/mlflow/{OLD} /etc/mlflow/shared/venv; systemctl start --no-block mlflow@shared.service"
    )
    journal = "journalctl --no-pager --output=cat --unit=mlflow@shared.service"
    why = f"The server is not started: the tracking database is of a newer MLflow than {OLD}"
    assert soon(lambda: why in pair.second.sh(journal))
    assert pair.first.login(SHARED, **DAVE) == 200
    # And not the one alone that follows.
    alone = play_shared(pair, shared, "--limit=mlflow2", version=NEW)
    assert alone.code == 2
    assert "shared: leader: mlflow1, which leads this team, is not in this run" in alone.output
    run = play_shared(pair, shared, version=NEW)
    assert run.code == 0, run.output[-5000:]
    both_serve(pair, NEW)


def test_a_replica_that_is_woken_during_a_change_waits_for_its_end(pair: Pair, shared: dict[str, Any]) -> None:
    said = functools.partial(replicated.said, pair.store)
    assert said() == ""
    # As where the leader is killed before it has noted how to undo it.
    assert said("COMMENT ON TABLE alembic_version IS 'mlops.mlflow: mlflow1: upgrade to 4.0.0';")
    pair.second.sh("systemctl restart --no-block mlflow@shared.service")
    journal = "journalctl --no-pager --output=cat --unit=mlflow@shared.service"
    why = "The server is not started: mlflow1 changes the databases (upgrade to 4.0.0), or was cut off while it did"
    assert soon(lambda: why in pair.second.sh(journal), 600)
    pair.first.sh("systemctl restart mlflow@shared.service")
    assert said() == ""
    # Its port is closed until it answers.
    assert soon(lambda: pair.second.login(SHARED, **DAVE) == 200, 600)
    both_serve(pair, NEW)


@pytest.fixture(scope="module")
def seen(pair: Pair, shared: dict[str, Any]) -> through_proxy.Seen:
    """Let eight people log through a proxy while a server restarts, dies, stays dead, and is drained later."""
    addresses = {
        name: {"mlflow_server_address": it.host.address}
        for name, it in (("mlflow1", pair.first), ("mlflow2", pair.second))
    }
    proxies = {"hosts": {"proxy1": testhosts.connection(pair.store.host)}}
    inventory = stage.WORK / "proxies.json"
    write_private(inventory, json.dumps({"mlflow_servers": {"hosts": addresses}, "mlflow_proxies": proxies}))
    given = {"mlflow_proxy_domain": replicated.DOMAIN, "mlflow_proxy_teams": ["shared"], "mlflow_team_shared": shared}
    run = pair.play("configure_proxies", f"--inventory={inventory}", nlp="mlflow2", **given)
    assert run.code == 0, run.output[-5000:]
    variables = replicated.people(pair.store, pair.first)
    host, link = pair.second, "/etc/mlflow/shared/venv"
    slowly = "/run/systemd/system/mlflow@shared.service.d/slowly.conf"

    def happen() -> dict[str, float]:
        host.sh(f"install -D /dev/stdin {slowly}", f"[Service]\nExecStartPre=/bin/sleep {RESTART_SECONDS}\n")
        found = {"restarted": time.time()}
        host.sh("systemctl daemon-reload; systemctl restart mlflow@shared.service")
        host.sh(f"rm {slowly}; systemctl daemon-reload")
        assert soon(lambda: host.login(SHARED, **DAVE) == 200)
        time.sleep(10)
        found["killed"] = time.time()
        host.sh(f"ln -sfn /nowhere {link}; systemctl kill --signal=KILL mlflow@shared.service")
        # However long it takes a busy machine to do that.
        found["is dead"] = time.time()
        time.sleep(20)
        assert host.login(SHARED, **DAVE) == 0
        found["mended"] = time.time()
        host.sh(f"ln -sfn /opt/mlflow/{NEW} {link}")
        assert soon(lambda: host.login(SHARED, **DAVE) == 200)
        time.sleep(10)
        found["drained"] = time.time()
        host.sh("mlflowctl drain shared")
        assert host.login(SHARED, **DAVE) == 0
        time.sleep(10)
        found["undrained"] = time.time()
        host.sh("mlflowctl undrain shared")
        assert host.login(SHARED, **DAVE) == 200
        time.sleep(10)
        return found

    return through_proxy.seen_by_many(pair.first, f"/opt/mlflow/{NEW}/bin/python", variables, "together", happen)


def test_most_are_answered_by_the_other_host_while_one_restarts(seen: through_proxy.Seen) -> None:
    during = [it for it in seen.between("restarted", "killed") if it.end < seen.moments["killed"]]
    assert [it for it in during if it.ended != "well"] == []
    waited = [it for it in during if it.took > RESTART_SECONDS / 2]
    assert len(waited) <= through_proxy.PEOPLE // 2, waited
    assert len(during) > 10 * through_proxy.PEOPLE


def test_only_what_a_dead_server_was_answering_is_an_error(seen: through_proxy.Seen) -> None:
    failed = seen.failed("killed", "mended")
    assert len(failed) <= through_proxy.PEOPLE, failed
    assert all(it.began < seen.moments["is dead"] + 3 for it in failed), failed
    # It comes back without one.
    assert seen.failed("mended", "drained") == []


def test_nobody_sees_an_error_when_a_host_is_drained_and_comes_back(seen: through_proxy.Seen) -> None:
    assert seen.failed("drained", "end") == []


def test_nothing_that_was_acknowledged_is_lost_and_nothing_is_there_twice(seen: through_proxy.Seen) -> None:
    assert (seen.lost, seen.twice) == ([], [])


def test_a_run_leaves_what_is_drained_as_it_is(pair: Pair, shared: dict[str, Any]) -> None:
    pair.second.sh("mlflowctl drain shared")
    run = play_shared(pair, shared, version=NEW)
    assert (run.code, changes(run)) == (0, {"mlflow1": 0, "mlflow2": 0}), run.output[-5000:]
    assert "shared is drained on mlflow2 and stays so" in run.output
    # Nor does it come back with the host.
    units = "mlflow-listen@shared.socket mlflow@shared.service"
    assert set(pair.second.sh(f"systemctl is-enabled {units}; systemctl is-active {units}", check=False).split()) == {
        "disabled",
        "inactive",
    }
    assert json.loads(pair.second.sh("mlflowctl list --json shared"))[0]["state"] == "drained"
    assert "mlflowctl undrain shared" in pair.second.sh("mlflowctl doctor shared", check=False)
    pair.second.sh("mlflowctl undrain shared")
    both_serve(pair, NEW)


def test_a_host_that_leaves_keeps_no_secret(pair: Pair, shared: dict[str, Any]) -> None:
    run = play_shared(pair, shared, version=NEW, servers=["mlflow1"])
    assert run.code == 0, run.output[-5000:]
    assert pair.first.login(SHARED, **DAVE) == 200
    assert pair.second.login(SHARED, **DAVE) == 0
    assert pair.second.sh("ls -d /etc/mlflow/shared /var/lib/mlflow/shared 2>/dev/null", check=False) == ""


def test_no_secret_was_ever_to_be_seen(pair: Pair) -> None:
    for host in (pair.first, pair.second):
        assert host.leaks(PASSWORD, DATABASE_PASSWORD, ADMIN) == []
