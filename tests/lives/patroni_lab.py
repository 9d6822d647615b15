"""PostgreSQL on three hosts under Patroni and etcd, as Debian has them: one leads, another follows at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from e2e.stage import Stage, soon

# Not those of a team; nobody but these hosts is to know them.
OWN = {"superuser": ("postgres", "canary-of-its-superuser"), "replication": ("replicator", "canary-of-its-replicas")}
PACKAGES = "postgresql patroni etcd-server etcd-client python3-etcd"
CONFIGURATION = "/etc/patroni/config.yml"


class Databases:
    """The three of them, whichever leads now."""

    def __init__(self, nodes: Sequence[Stage]) -> None:
        self.nodes = {node.host.name: node for node in nodes}
        # Whom nobody can ask.
        self.lost: set[str] = set()

    @property
    def place(self) -> str:
        """Return what a URI calls all of them, the first one first."""
        return ",".join(node.host.address for node in self.nodes.values())

    def bring_up(self) -> None:
        """Install and start all of it; nothing of Debian's own cluster."""
        members = ",".join(f"{name}=http://{node.host.address}:2380" for name, node in self.nodes.items())
        with ThreadPoolExecutor() as pool:
            list(pool.map(install, self.nodes.values()))
            list(pool.map(lambda node: start_etcd(node, members), self.nodes.values()))
        first, *others = self.nodes.values()
        for group in ([first], others):
            for node in group:
                node.sh(f"install -o postgres -m 600 /dev/null {CONFIGURATION}; cat > {CONFIGURATION}", self.of(node))
                node.sh("systemctl enable --quiet --now patroni")
            assert soon(lambda: bool(self.leader()), 300), first.sh("journalctl --no-pager -n 50 -u patroni")
        assert soon(lambda: len(self.streaming()) == len(others), 300), self.members()

    def of(self, node: Stage) -> str:
        """Return Patroni's settings for one of them."""
        local, here = "127.0.0.1/32", f"{node.host.address.rpartition('.')[0]}.0/24"
        parameters = {"max_connections": 200, "unix_socket_directories": "/run/postgresql", "fsync": "off"}
        said = {
            "scope": "teams",
            "name": node.host.name,
            "restapi": {"listen": "0.0.0.0:8008", "connect_address": f"{node.host.address}:8008"},
            # By etcd's former interface: by the newer one, Patroni 3.0.2 writes who leads without a look. One that came
            # back took it from the one that led meanwhile, and all that this one had been told was lost.
            "etcd": {"hosts": [f"{it.host.address}:2379" for it in self.nodes.values()]},
            "bootstrap": {
                "dcs": {
                    # An election of etcd, of up to 5 s here, is no reason to lead no more.
                    "ttl": 20,
                    "loop_wait": 5,
                    "retry_timeout": 7,
                    # What is acknowledged is on two hosts.
                    "synchronous_mode": True,
                    "postgresql": {"use_pg_rewind": True, "parameters": parameters},
                },
                "initdb": [{"encoding": "UTF8"}, "data-checksums"],
            },
            "postgresql": {
                "listen": "0.0.0.0:5432",
                "connect_address": f"{node.host.address}:5432",
                "data_dir": "/var/lib/postgresql/patroni",
                "bin_dir": node.sh("ls -d /usr/lib/postgresql/*/bin").strip(),
                "authentication": {
                    kind: {"username": name, "password": password} for kind, (name, password) in OWN.items()
                },
                "pg_hba": [
                    "local all all peer",
                    *(f"host all all {network} scram-sha-256" for network in (local, here)),
                    *(f"host replication replicator {network} scram-sha-256" for network in (local, here)),
                ],
            },
        }
        return json.dumps(said, indent=1)

    def members(self) -> list[dict[str, str]]:
        """Return what C(patronictl list) says where anybody is asked who answers."""
        for node in (it for name, it in self.nodes.items() if name not in self.lost):
            said = node.sh(f"timeout 30 patronictl -c {CONFIGURATION} list -f json", check=False)
            if said.startswith("["):
                found = json.loads(said)
                if any(it["Role"] == "Leader" for it in found):
                    return list(found)
        return []

    def leader(self) -> str:
        """Return who leads; nothing where nobody does."""
        return next((it["Member"] for it in self.members() if it["Role"] == "Leader"), "")

    def streaming(self) -> list[str]:
        """Return who follows the one that leads, once one of them does so at once."""
        found = self.members()
        well = [it for it in found if it["Role"] != "Leader" and it["State"] in ("running", "streaming")]
        # One of another time line does not follow.
        lines = {it.get("TL") for it in found}
        at_once = any(it["Role"] == "Sync Standby" for it in well)
        return [it["Member"] for it in well] if at_once and len(lines) == 1 else []

    def whole(self) -> bool:
        """Say whether one leads and all others follow it."""
        return len(self.streaming()) == len(self.nodes) - 1

    def idle(self) -> str:
        """Return one that neither leads nor has to have what is acknowledged."""
        return next(it["Member"] for it in self.members() if it["Role"] == "Replica")

    def lead(self, name: str) -> None:
        """Let another one lead, as somebody does by hand."""
        node = self.nodes[name]

        def is_its_turn() -> bool:
            """Let the one lead that follows at once, which is who can; another one may follow so afterwards."""
            if self.leader() != name and self.whole():
                near = next((it["Member"] for it in self.members() if it["Role"] == "Sync Standby"), name)
                node.sh(f"patronictl -c {CONFIGURATION} switchover --force --candidate {near} teams", check=False)
            return self.leader() == name

        assert soon(is_its_turn), self.members()
        assert soon(self.whole, 300), self.members()

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Return what the one that leads says to a statement."""
        do = f"runuser -u postgres -- psql -h /run/postgresql -XAtq --set=ON_ERROR_STOP=1 {database}"
        return self.nodes[self.leader()].sh(do, feed=statement).strip()


def install(node: Stage) -> None:
    """Install the packages, and make no cluster of Debian's."""
    node.sh("mkdir -p /etc/postgresql-common")
    node.sh("echo create_main_cluster = false > /etc/postgresql-common/createcluster.conf")
    get = f"apt-get update -q && apt-get install -qy --no-install-recommends {PACKAGES}"
    # Neither before it knows the others.
    node.sh("ln -sfn /dev/null /etc/systemd/system/etcd.service")
    node.sh(f"DEBIAN_FRONTEND=noninteractive sh -c '{get}' >/dev/null")


def start_etcd(node: Stage, members: str) -> None:
    """Start one of those that know who leads."""
    address = node.host.address
    settings = {
        "NAME": node.host.name,
        "DATA_DIR": "/var/lib/etcd/teams",
        "LISTEN_PEER_URLS": f"http://{address}:2380",
        "LISTEN_CLIENT_URLS": f"http://{address}:2379,http://127.0.0.1:2379",
        "INITIAL_ADVERTISE_PEER_URLS": f"http://{address}:2380",
        "ADVERTISE_CLIENT_URLS": f"http://{address}:2379",
        "INITIAL_CLUSTER": members,
        "INITIAL_CLUSTER_STATE": "new",
        # For a busy machine.
        "HEARTBEAT_INTERVAL": "250",
        "ELECTION_TIMEOUT": "2500",
        # Else one that comes back makes the others elect anew, and Patroni end the PostgreSQL that leads.
        "PRE_VOTE": "true",
        "ENABLE_V2": "true",
    }
    node.sh("cat > /etc/default/etcd", "".join(f"ETCD_{name}={value}\n" for name, value in settings.items()))
    node.sh("rm -f /etc/systemd/system/etcd.service; systemctl daemon-reload; systemctl enable --quiet --now etcd")
