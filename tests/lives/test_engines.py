"""A team on two hosts whose PostgreSQL and whose S3 are on three: what people see when one of the three is lost."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import demo
import pytest
import testhosts
from e2e import stage
from e2e.stage import Stage, soon, write_private
from lives import lost_host, patroni_lab, replicated, seaweedfs_lab, through_proxy
from lives.replicated import ADMIN, DATABASE_PASSWORD, DAVE, DOMAIN, NEW, OLD, PORT

pytestmark = pytest.mark.on_request

NODES, SERVERS, PROXY = ("node1", "node2", "node3"), ("mlflow1", "mlflow2"), "proxy1"
# Whoever does not answer is given up, and the one that leads is looked for.
OPTIONS = (
    "target_session_attrs=read-write&connect_timeout=3&keepalives_idle=5&keepalives_interval=3&keepalives_count=3"
    "&tcp_user_timeout=10000"
)
REPOSITORY = "/srv/mlflow-backups"


@dataclass(frozen=True)
class Lab:
    """All of it: where the databases and artifacts are, who serves the team, and who stands before."""

    databases: patroni_lab.Databases
    store: seaweedfs_lab.Store
    servers: dict[str, Stage]
    proxy: Stage

    def declared(self, **changes: Any) -> dict[str, Any]:
        """Return the team as it is declared."""
        return {
            "name": "shared",
            "port": PORT,
            "servers": list(self.servers),
            "version": NEW,
            "admin_password": ADMIN,
            "backend_store_uri": f"postgresql+psycopg://shared:{DATABASE_PASSWORD}@{self.databases.place}/shared?{OPTIONS}",
            "artifacts": {"destination": "s3://shared"},
            "environment": {
                "MLFLOW_S3_ENDPOINT_URL": self.store.url,
                "AWS_ACCESS_KEY_ID": seaweedfs_lab.KEY,
                "AWS_SECRET_ACCESS_KEY": seaweedfs_lab.SECRET,
            },
            "users": [DAVE],
            "experiments": [{"name": "together", "grants": {"dave": "MANAGE"}}],
            **changes,
        }

    def play(self, name: str, *more: str, **changes: Any) -> demo.Play:
        """Run a playbook for all hosts."""
        servers = {
            name: {**testhosts.connection(it.host), "mlflow_server_address": it.host.address}
            for name, it in self.servers.items()
        }
        nodes = {
            name: {**testhosts.connection(it.host), "mlflow_database_uri_hosts": [it.host.address]}
            for name, it in self.databases.nodes.items()
        }
        given = {
            "mlflow_team_shared": self.declared(**changes),
            "mlflow_listen_address": "0.0.0.0",
            "mlflow_proxy_domain": DOMAIN,
            "mlflow_server_remove_unused": False,
            "mlflow_server_start_timeout": 300,
            "mlflow_backup_repository": REPOSITORY,
            "mlflow_backup_password": "canary of its backups",
        }
        groups = {
            "mlflow_servers": {"hosts": servers},
            "mlflow_databases": {"hosts": nodes},
            "mlflow_proxies": {"hosts": {PROXY: testhosts.connection(self.proxy.host)}},
        }
        inventory = stage.WORK / "engines.json"
        write_private(inventory, json.dumps({"all": {"vars": given, "children": groups}}))
        return demo.play(name, [inventory], *more)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Have the hosts, with PostgreSQL and an S3 on three of them."""
    names = (*NODES, *SERVERS, PROXY)
    testhosts.down(names)
    try:
        nodes = [Stage(testhosts.up(name)) for name in NODES]
        servers = {name: Stage(testhosts.up(name, uv=True)) for name in SERVERS}
        proxy = Stage(testhosts.up(PROXY))
        found = Lab(patroni_lab.Databases(nodes), seaweedfs_lab.Store(nodes, proxy), servers, proxy)
        found.databases.bring_up()
        found.store.bring_up(found.databases)
        found.store.make_bucket("shared")
        yield found
    finally:
        testhosts.down(names)


def serve(lab: Lab, version: str) -> None:
    """See both of them answer."""
    for host in lab.servers.values():
        assert host.answer(PORT, **DAVE, path="/version") == (200, version)
        assert host.login(PORT, "admin", ADMIN) == 200


def changes(run: demo.Play) -> set[int]:
    """Return how much was changed on any of the hosts."""
    return {int(count) for count in re.findall(r"^\w+\d +: ok=\d+ +changed=(\d+)", run.output, re.MULTILINE)}


def test_it_comes_up_in_one_run(lab: Lab) -> None:
    run = lab.play("site", version=OLD)
    assert run.code == 0, run.output[-5000:]
    serve(lab, OLD)
    again = lab.play("site", version=OLD)
    assert (again.code, changes(again)) == (0, {0}), again.output[-5000:]


def seen_during(lab: Lab, what: Callable[[], dict[str, float]]) -> through_proxy.Seen:
    """Let eight people log and upload through the proxy while something happens; four with the client as it is."""
    first = lab.servers[SERVERS[0]]
    variables = replicated.people(lab.proxy, first)
    python, half = f"/opt/mlflow/{NEW}/bin/python", through_proxy.PEOPLE // 2
    return through_proxy.seen_by_many(first, python, variables, "together", what, half, "files")


def test_an_upgrade_finds_the_one_that_leads(lab: Lab) -> None:
    lab.databases.lead(NODES[1])
    run = lab.play("upgrade_team", "-e", "team=shared")
    assert run.code == 0, run.output[-5000:]
    said = re.findall(rf"shared: {OLD} -> {NEW}, ([a-z ]*)", run.output)
    assert list(dict.fromkeys(said)) == ["migrated", "the same schemas"]
    serve(lab, NEW)


def test_so_do_a_backup_a_restore_and_a_drill(lab: Lab) -> None:
    first = lab.servers[SERVERS[0]]
    assert lab.databases.leader() != NODES[0]

    def is_there(name: str) -> bool:
        path = f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={name}"
        return first.ask(PORT, "admin", ADMIN, path) == 200

    made = lab.play("backup_team", "-e", "team=shared")
    assert made.code == 0, made.output[-5000:]
    assert first.ask(PORT, "admin", ADMIN, "/api/2.0/mlflow/experiments/create", {"name": "later"}) == 200
    assert is_there("later")
    drilled = lab.play("drill_backup", "-e", "team=shared")
    assert drilled.code == 0, drilled.output[-5000:]
    restored = lab.play("restore_team", "-e", "team=shared")
    assert restored.code == 0, restored.output[-5000:]
    assert (is_there("together"), is_there("later")) == (True, False)
    serve(lab, NEW)


@pytest.fixture(scope="module")
def without_primary(lab: Lab) -> through_proxy.Seen:
    """Lose the host of the PostgreSQL that leads, once another one follows at once, and have it back."""
    lab.store.stand_before()
    databases = lab.databases

    def lose() -> dict[str, float]:
        assert soon(databases.whole, 300), databases.members()
        first = databases.leader()
        databases.lost.add(first)
        found = {"lost": time.time()}
        back = lost_host.lose(databases.nodes[first])
        found["is lost"] = time.time()
        assert soon(lambda: databases.leader() not in ("", first), 120), databases.members()
        found["is led"] = time.time()
        time.sleep(45)
        found["back"] = time.time()
        databases.nodes[first].sh(back)
        databases.lost.clear()
        assert soon(databases.whole, 300), databases.members()
        found["is whole"] = time.time()
        time.sleep(20)
        return found

    return seen_during(lab, lambda: through_proxy.repeatedly(lose))


@pytest.fixture(scope="module")
def without_node(lab: Lab) -> through_proxy.Seen:
    """Lose the host of an S3 node, on which PostgreSQL does not rely, and have it back."""
    lab.store.stand_before()

    def happen() -> dict[str, float]:
        assert soon(lab.databases.whole, 300), lab.databases.members()
        node = lab.store.nodes[lab.databases.idle()]
        found = {"lost": time.time()}
        back = lost_host.lose(node)
        found["is lost"] = time.time()
        time.sleep(60)
        found["back"] = time.time()
        node.sh(back)
        assert soon(lambda: lab.store.answers(node), 120)
        found["is whole"] = time.time()
        time.sleep(20)
        return found

    return seen_during(lab, happen)


def test_who_repeats_sees_no_error_when_the_primary_is_lost(without_primary: through_proxy.Seen) -> None:
    refuse_what_failed(without_primary, "is led")


def test_nothing_is_lost_with_the_primary(without_primary: through_proxy.Seen) -> None:
    assert (without_primary.lost, without_primary.of(repeating=False).twice) == ([], [])


def test_who_repeats_sees_no_error_when_an_s3_node_is_lost(without_node: through_proxy.Seen) -> None:
    refuse_what_failed(without_node, "is lost")


def test_nothing_is_lost_with_an_s3_node(without_node: through_proxy.Seen) -> None:
    assert (without_node.lost, without_node.of(repeating=False).twice) == ([], [])


def refuse_what_failed(seen: through_proxy.Seen, last: str) -> None:
    """Complain of what failed for who repeats, and of what began long after something or when the host came back."""
    assert seen.of(repeating=True).failed(seen.spans("lost")[0][0], "end") == []
    for (lost, _back), (_again, until) in zip(seen.spans("lost"), seen.spans("back"), strict=True):
        since, end = seen.moments[lost.replace("lost", last)] + 15, seen.moments[until]
        # Without those that were being answered when the next one was lost.
        assert [it for it in seen.failed(lost, until) if it.began > since and it.end < end] == []
