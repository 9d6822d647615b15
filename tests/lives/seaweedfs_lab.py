"""An S3 on three hosts: SeaweedFS, whose names of objects are in a PostgreSQL, and nginx before its gateways.

Each host has a master, a volume server in a rack of its own, a filer and a gateway. What is written is on two of them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence

import project
import testhosts
from e2e.stage import Stage, soon
from lives import lost_host
from lives.patroni_lab import Databases

DATABASE, DATABASE_PASSWORD = "seaweedfs", "canary-of-the-names-of-objects"
KEY, SECRET = "canary-of-a-key-id", "canary-of-a-secret-key"
PORT = 9000
UNIT = """\
[Unit]
After=network-online.target

[Service]
Environment=HOME=/root PGTARGETSESSIONATTRS=read-write
ExecStart=/usr/local/bin/weed server {words}
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
"""
# What the filers ask a PostgreSQL whose host is gone they would wait for for a quarter of an hour, and a volume server
# for one to which it copies.
SYSCTL = """\
net.ipv4.tcp_retries2 = 5
net.ipv4.tcp_syn_retries = 2
"""
# Small volumes, so that there are always some to write to.
WORDS = (
    "-dir=/srv/weed -ip={address} -ip.bind=0.0.0.0 -rack={name} -dataCenter=here -master.peers={peers} "
    "-master.defaultReplication=010 -master.volumeSizeLimitMB=64 -master.electionTimeout=2s -master.telemetry=false "
    "-volume.max=100 -filer -filer.defaultReplicaPlacement=010 -s3 -s3.config=/etc/seaweedfs/s3.json "
    "-s3.port.iceberg=0 -s3.port.lance=0"
)
FILER = """\
[postgres2]
enabled = true
createTable = \"\"\"
  CREATE TABLE IF NOT EXISTS "%s" (
    dirhash BIGINT, name VARCHAR(65535), directory VARCHAR(65535), meta bytea, PRIMARY KEY (dirhash, name)
  );
\"\"\"
hostname = "{place}"
port = 5432
username = "{name}"
password = "{password}"
database = "{name}"
schema = ""
sslmode = "disable"
connection_max_idle = 5
connection_max_open = 20
connection_max_lifetime_seconds = 300
enableUpsert = true
upsertQuery = \"\"\"
  INSERT INTO "%[1]s" (dirhash, name, directory, meta) VALUES ($1, $2, $3, $4)
  ON CONFLICT (dirhash, name) DO UPDATE SET directory = EXCLUDED.directory, meta = EXCLUDED.meta
\"\"\"
"""
NGINX = """\
upstream s3 {{
    zone s3 64k;
{servers}}}
server {{
    listen {port};
    client_max_body_size 0;
    location / {{
        proxy_pass http://s3;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        # Known to be gone soon; what was sent whole is sent to the next one.
        proxy_connect_timeout 2s;
        proxy_socket_keepalive on;
        proxy_next_upstream error timeout http_500 http_502 http_503 http_504;
    }}
}}
"""


class Store:
    """The three of them, and who stands before them."""

    def __init__(self, nodes: Sequence[Stage], front: Stage) -> None:
        self.nodes, self.front = {node.host.name: node for node in nodes}, front

    @property
    def url(self) -> str:
        """Return where all of them are reached as one."""
        return f"http://{self.front.host.address}:{PORT}"

    def bring_up(self, databases: Databases) -> None:
        """Start all of it, with the names of objects in this PostgreSQL."""
        databases.sql(f"CREATE ROLE {DATABASE} LOGIN PASSWORD '{DATABASE_PASSWORD}'")
        databases.sql(f"CREATE DATABASE {DATABASE} OWNER {DATABASE}")
        may = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "team", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": may}
        addresses = {name: node.host.address for name, node in self.nodes.items()}
        peers = ",".join(f"{address}:9333" for address in addresses.values())
        for name, node in self.nodes.items():
            bring_weed(node)
            node.sh("mkdir -p /srv/weed; install -d -m 700 /etc/seaweedfs")
            node.sh("cat > /etc/seaweedfs/s3.json", json.dumps({"identities": [identity]}))
            filer = FILER.format(place=databases.place, name=DATABASE, password=DATABASE_PASSWORD)
            node.sh("cat > /etc/seaweedfs/filer.toml", filer)
            words = WORDS.format(address=addresses[name], name=name, peers=peers)
            node.sh("cat > /etc/systemd/system/weed.service", UNIT.format(words=words))
            node.sh("cat > /etc/sysctl.d/60-weed.conf", SYSCTL)
            lost_host.apply_kernel_settings(node)
        for node in self.nodes.values():
            node.sh("systemctl daemon-reload; systemctl enable --quiet --now weed")
        for node in self.nodes.values():
            assert soon(lambda node=node: self.answers(node), 180), node.sh("journalctl --no-pager -n 50 -u weed")

    def stand_before(self) -> None:
        """Have the nginx of a proxy pass requests on to all of them."""
        servers = "".join(
            f"    server {node.host.address}:8333 max_fails=1 fail_timeout=5s;\n" for node in self.nodes.values()
        )
        self.front.sh("cat > /etc/nginx/conf.d/s3.conf", NGINX.format(servers=servers, port=PORT))
        self.front.sh("nginx -t -q && systemctl reload-or-restart nginx")
        # Those of mlflow_proxy.
        lost_host.apply_kernel_settings(self.front)

    def make_bucket(self, name: str) -> None:
        """Make a bucket."""
        node = next(iter(self.nodes.values()))
        node.sh(f"echo 's3.bucket.create -name {name}' | /usr/local/bin/weed shell -master={node.host.address}:9333")

    @staticmethod
    def answers(node: Stage) -> bool:
        """Say whether a gateway answers."""
        return "200" in node.sh(
            "curl -s -m 5 --noproxy '*' -o /dev/null -w '%{http_code}' http://127.0.0.1:8333/healthz", check=False
        )


def bring_weed(node: Stage) -> None:
    """Put the program on a host."""
    weed = shutil.which("weed", path=str(project.VENV / "bin"))
    assert weed
    bring = [
        *testhosts.inside(node.host.container),
        "sh",
        "-c",
        "cat > /usr/local/bin/weed; chmod 755 /usr/local/bin/weed",
    ]
    with open(weed, "rb") as program:
        subprocess.run(bring, stdin=program, env=project.environment(), check=True)
