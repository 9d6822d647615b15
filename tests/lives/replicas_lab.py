"""Two hosts that serve a team, the second one leading; a third one has its PostgreSQL, its S3 and the proxy."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import demo
import testhosts
from e2e import stage
from e2e.stage import Stage, soon
from lives import lost_host, replicated, through_proxy
from lives.replicated import DAVE, EXPERIMENT, OLD, PORT, TEAM

HOSTS = {"mlflow1": "replica1", "mlflow2": "replica2", "store1": "store"}
LEADER, FOLLOWER = "mlflow2", "mlflow1"
S3_KEY, BACKUPS = "canary of a shared key", "canary of shared backups"
S3 = {"AWS_ACCESS_KEY_ID": TEAM, "AWS_SECRET_ACCESS_KEY": S3_KEY}
DUMP = "/root/old.dump"
# Nobody answers there, not even with a refusal of the log-in.
CUT_OFF = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}


class Told(NamedTuple):
    """What a host was asked for, from when to when."""

    began: float
    ended: float
    host: str
    what: str


@dataclass
class Replicas:
    """The three hosts, and what is declared of the team now."""

    declared: dict[str, Any] = field(default_factory=dict)
    # Other teams of both hosts.
    more: list[dict[str, Any]] = field(default_factory=list)
    # More of what the inventory says of a host, such as that nobody gets to it.
    other: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Stage:
        """Return a host where it is now."""
        return Stage(testhosts.running()[HOSTS[name]])

    def servers(self) -> list[Stage]:
        """Return both that serve the team."""
        return [self[LEADER], self[FOLLOWER]]

    def command(self, name: str, *more: str) -> list[str]:
        """Return what runs a playbook for all of them."""
        running = testhosts.running()
        known = {name: running[host] for name, host in HOSTS.items()}
        reach = {name: testhosts.connection(host) | self.other.get(name, {}) for name, host in known.items()}
        servers = {name: reach[name] | {"mlflow_server_address": known[name].address} for name in (FOLLOWER, LEADER)}
        store = {"hosts": {"store1": reach["store1"] | {"mlflow_proxy_address": known["store1"].address}}}
        given = {
            "mlflow_teams": [self.declared, *self.more],
            "mlflow_listen_address": "0.0.0.0",
            "mlflow_proxy_domain": replicated.DOMAIN,
            "mlflow_database_uri_hosts": [known["store1"].address],
            "mlflow_backup_repository": f"s3:http://{known['store1'].address}:9000/backups",
            "mlflow_backup_password": BACKUPS,
            "mlflow_backup_environment": S3,
            "mlflow_server_remove_unused": False,
            "mlflow_server_start_timeout": 120,
        }
        children = {"mlflow_servers": {"hosts": servers}, "mlflow_proxies": store, "mlflow_databases": store}
        inventory = stage.WORK / "replicas.json"
        stage.write_private(inventory, json.dumps({"all": {"vars": given, "children": children}}))
        return ["ansible-playbook", f"--inventory={inventory}", *more, f"mlops.mlflow.{name}"]

    def play(self, name: str, *more: str, **changes: Any) -> demo.Play:
        """Run a playbook for all of them, with the team changed from now on."""
        self.declared.update(changes)
        _program, inventory, *words, _name = self.command(name, *more)
        run = demo.play(name, [], inventory, *words)
        lost_host.apply_kernel_settings(self["store1"])
        secrets = (S3_KEY, BACKUPS, replicated.ADMIN, replicated.DATABASE_PASSWORD, DAVE["password"])
        assert [secret for secret in secrets if secret in run.output] == []
        return run

    def logged(self, happen: Callable[[], dict[str, float]]) -> through_proxy.Seen:
        """Let eight people log through the proxy while something happens; half of them repeat what they post."""
        variables = replicated.people(self["store1"], self[FOLLOWER])
        # Of the older version, which is there all the time.
        python, half = f"/opt/mlflow/{OLD}/bin/python", through_proxy.PEOPLE // 2
        return through_proxy.seen_by_many(self[FOLLOWER], python, variables, EXPERIMENT, happen, half, "files")

    def executions(self) -> dict[str, int]:
        """Return how often a run that changes nothing goes to each host that serves teams."""
        run = self.play("site", "-vvv")
        assert (run.code, replicated.changes(run)) == (0, {FOLLOWER: 0, LEADER: 0}), run.output[-5000:]
        wanted = {name: self[name].host.container for name in (FOLLOWER, LEADER)}
        went = re.findall(r"^<([^>]+)> (?:RUN|PUT|FETCH) ", run.output, re.MULTILINE)
        return {name: went.count(container) for name, container in wanted.items()}

    @contextlib.contextmanager
    def watched(self, ask: Callable[[Stage], str]) -> Iterator[list[Told]]:
        """Ask each host past the proxy, again and again, while something happens."""
        told: list[Told] = []
        over = threading.Event()

        def watch(name: str) -> None:
            host = self[name]
            while not over.is_set():
                began, what = time.time(), "none"
                with contextlib.suppress(http.client.HTTPException, ValueError):
                    what = ask(host)
                told.append(Told(began, time.time(), name, what))
                if over.wait(0.2) or not what.startswith("none 0"):
                    continue
                # Perhaps it has another address since it was switched off.
                if (there := testhosts.running().get(HOSTS[name])) is not None:
                    host = Stage(there)
                over.wait(1)

        threads = [threading.Thread(target=watch, args=[name]) for name in (LEADER, FOLLOWER)]
        for thread in threads:
            thread.start()
        try:
            yield told
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def back_to_old(self) -> None:
        """Have the team as it was before it was ever upgraded, by hand."""
        units = f"mlflow-listen@{TEAM}.socket mlflow-listen@{TEAM}.service mlflow@{TEAM}.service"
        for host in self.servers():
            host.sh(f"systemctl stop {units}; ln -sfn /opt/mlflow/{OLD} /etc/mlflow/{TEAM}/venv")
        store = self["store1"]
        replicated.sql(store, f"DROP DATABASE {TEAM} WITH (FORCE)")
        replicated.sql(store, f"CREATE DATABASE {TEAM} OWNER {TEAM}")
        store.sh(f"runuser -u postgres -- psql -Xq --set=ON_ERROR_STOP=1 {TEAM} < {DUMP}")
        run = self.play("site", version=OLD)
        assert run.code == 0, run.output[-5000:]
        replicated.all_serve(self.servers(), OLD)


def version(host: Stage) -> str:
    """Return of which version a host is, and how it answers a search."""
    number = host.answer(PORT, **DAVE, path="/version")[1]
    body = {"experiment_ids": ["0", "1"], "max_results": 1}
    return f"{number or 'none'} {host.ask(PORT, **DAVE, path='/api/2.0/mlflow/runs/search', body=body)}"


def state(host: Stage) -> str:
    """Return what the experiment is marked with on a host, and of which version that is."""
    path = f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={EXPERIMENT}"
    status, text = host.answer(PORT, **DAVE, path=path)
    if status != 200:
        return f"none {status}"
    tags = {tag["key"]: tag["value"] for tag in json.loads(text)["experiment"].get("tags", [])}
    return f"{tags.get('state')} {host.answer(PORT, **DAVE, path='/version')[1]}"


def mark(host: Stage, value: str) -> None:
    """Mark the experiment."""
    path = f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={EXPERIMENT}"
    found = json.loads(host.answer(PORT, **DAVE, path=path)[1])["experiment"]["experiment_id"]
    body = {"experiment_id": found, "key": "state", "value": value}
    assert host.ask(PORT, **DAVE, path="/api/2.0/mlflow/experiments/set-experiment-tag", body=body) == 200


def mixed(told: list[Told], before: str, after: str) -> list[Told]:
    """Return what a host said as before, when it or another one had already said as after."""
    first = min((it.ended for it in told if after in it.what), default=float("inf"))
    return [it for it in told if before in it.what and it.began > first]


def start_store(store: Stage) -> None:
    """Have a PostgreSQL, and an S3 with the team's bucket."""
    replicated.install_postgresql(store)
    store.bring("weed")
    may = ["Admin", "Read", "Write", "List", "Tagging"]
    keys = [{"accessKey": TEAM, "secretKey": S3_KEY}]
    store.sh("cat > /etc/s3.json", json.dumps({"identities": [{"name": TEAM, "credentials": keys, "actions": may}]}))
    words = f"-dir=/srv/weed -ip={store.host.address} -ip.bind=0.0.0.0 -filer -s3 -s3.port=9000 -s3.config=/etc/s3.json"
    more = "-master.volumeSizeLimitMB=64 -volume.max=100 -s3.port.iceberg=0 -s3.port.lance=0 -master.telemetry=false"
    store.sh("mkdir -p /srv/weed")
    store.sh(f"systemd-run --quiet --unit=weed --working-directory=/srv/weed weed server {words} {more}")

    def has_bucket() -> bool:
        asked = f"printf 's3.bucket.create -name {TEAM}\\ns3.bucket.list\\n'"
        return TEAM in store.sh(f"{asked} | weed shell -master={store.host.address}:9333", check=False).split()

    assert soon(has_bucket)


@contextlib.contextmanager
def deployed() -> Iterator[Replicas]:
    """Have all of it, with the team on both hosts, of the older version."""
    testhosts.down(list(HOSTS.values()))
    try:
        for name in HOSTS.values():
            testhosts.up(name, uv=name != HOSTS["store1"])
        replicas = Replicas()
        store = replicas["store1"]
        start_store(store)
        declared = replicated.declaration(
            store,
            leader=LEADER,
            # Beside those of others.
            artifacts={"destination": f"s3://{TEAM}/{TEAM}"},
            idle_timeout="never",
            direct_clients=["0.0.0.0/0"],
            access_policy="exclusive",
        )
        replicas.declared.update(declared, environment=declared["environment"] | S3)
        yield replicas
    finally:
        testhosts.down(list(HOSTS.values()))
