"""An ACME server on a host of its own, and a proxy for it to certify."""

from __future__ import annotations

import contextlib
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import demo
from e2e import stage
from e2e.proxied import DOMAIN, Answer, Connection
from e2e.stage import Stage

PEBBLE = {
    "listenAddress": "0.0.0.0:14000",
    "managementListenAddress": "0.0.0.0:15000",
    "certificate": "/root/api.pem",
    "privateKey": "/root/api.key",
    "httpPort": 80,
    "tlsPort": 443,
}
# Debian's package has no certificate for the server's own interface.
PREPARE = """
exec 2>&1
export DEBIAN_FRONTEND=noninteractive
apt-get update -q && apt-get install -qy --no-install-recommends openssl pebble
cd /root
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=Try-out CA' -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=acme -keyout api.key -out api.csr
echo subjectAltName=IP:{address} > names
openssl x509 -req -in api.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out api.pem
cat > pebble.json
"""
# Every name leads to the proxy.
START = """
set -e
systemd-run --quiet --unit=names \
    pebble-challtestsrv -defaultIPv4 {proxy} -defaultIPv6 '' -http01 '' -https01 '' -tlsalpn01 ''
systemd-run --quiet --unit=pebble --setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_WFE_NONCEREJECT=0 \
    pebble -config /root/pebble.json -dnsserver 127.0.0.1:8053
curl --silent --show-error --retry 300 --retry-connrefused --retry-delay 1 \
    --cacert /root/ca.pem https://{address}:15000/roots/0
"""


@dataclass(frozen=True)
class Acme:
    """A proxy for teams that need not be up, and who certifies it."""

    proxy: Stage
    authority: Stage
    root: str

    def play(self, *more: str, teams: tuple[str, ...] = ("vision",), **changes: Any) -> demo.Play:
        """Run the playbook of proxies and clients for these teams."""
        declared = [
            {"name": name, "port": 5001 + number, "admin_password": "an-admin-try-out"}
            for number, name in enumerate(teams)
        ]
        given = {
            "mlflow_teams": declared,
            "mlflow_proxy_domain": DOMAIN,
            "mlflow_proxy_acme": True,
            "mlflow_proxy_acme_server": f"https://{self.authority.host.address}:14000/dir",
            **changes,
        }
        return self.proxy.play("configure_proxies", *more, **given)

    def served(self, name: str) -> dict[str, Any]:
        """Return the certificate for a name, with a chain to the authority's root."""
        trust = ssl.create_default_context(cadata=self.root)
        with contextlib.closing(Connection(self.proxy.host.address, name, trust)) as connection:
            connection.connect()
            return dict(connection.sock.getpeercert() or {})

    def page(self) -> Answer:
        """Return the start page."""
        trust = ssl.create_default_context(cadata=self.root)
        with contextlib.closing(Connection(self.proxy.host.address, DOMAIN, trust)) as connection:
            return connection.ask("/")

    def names(self, name: str) -> set[str]:
        """Return all names of the certificate for a name."""
        return {found for _kind, found in self.served(name)["subjectAltName"]}


def start(proxy: Stage, authority: Stage, inventory: Path) -> Acme:
    """Let a host certify another one that has nothing on it but trust in it."""
    address = authority.host.address
    authority.sh(PREPARE.format(address=address), json.dumps({"pebble": PEBBLE}))
    root = authority.sh(START.format(proxy=proxy.host.address, address=address))
    ca = authority.sh("cat /root/ca.pem")
    proxy.sh("cat > /usr/local/share/ca-certificates/acme.crt && update-ca-certificates 2>&1", ca)
    # One host is all: server, proxy, and where people would work.
    groups = ("mlflow_servers", "mlflow_proxies", "mlflow_clients")
    stage.write_private(inventory, json.dumps({group: {"hosts": {"mlflow1": {}}} for group in groups}))
    return Acme(Stage(proxy.host, inventory), authority, root)
