"""Two proxies that share an address, and what people see when one of them is lost."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import demo
import pytest
import testhosts
from e2e import stage
from e2e.proxied import DOMAIN, VERSION, VISION, Connection, certify, changed
from e2e.stage import WHO_AM_I, Stage, soon
from lives import lost_host, through_proxy

pytestmark = pytest.mark.on_request

ALICE = "alice:alice-try-out-only"
CONFIGURATION = "/etc/keepalived/keepalived.conf"
NAMES = ("proxy1", "proxy2")


@dataclass(frozen=True)
class Pair:
    """mlflow1, and two proxies in front of it."""

    server: Stage
    proxies: dict[str, Stage]
    shared: str
    certificate: Path
    key: Path

    def play(self, name: str, *more: str, **overrides: Any) -> demo.Play:
        """Run a playbook for all three."""
        given = {
            "mlflow_proxy_domain": DOMAIN,
            "mlflow_proxy_shared_address": f"{self.shared}/24",
            "mlflow_proxy_tls_from_controller": True,
            "mlflow_proxy_tls_certificate": str(self.certificate),
            "mlflow_proxy_tls_key": str(self.key),
            **overrides,
        }
        proxies = {
            name: {**testhosts.connection(proxy.host), "mlflow_proxy_address": proxy.host.address}
            for name, proxy in self.proxies.items()
        }
        server = {**testhosts.connection(self.server.host), "mlflow_server_address": self.server.host.address}
        inventory = {
            "all": {
                "vars": given,
                "hosts": {"mlflow1": server},
                "children": {"mlflow_proxies": {"hosts": proxies}},
            }
        }
        file = stage.WORK / "two_proxies.json"
        stage.write_private(file, json.dumps(inventory))
        return demo.play(name, [demo.EXAMPLE, file], *more)

    def holders(self) -> list[str]:
        """Return which of them have the address."""
        look = f"ip -oneline address show to {self.shared}"
        return [name for name, proxy in self.proxies.items() if proxy.sh(look)]

    def status(self) -> int:
        """Return what Alice is answered at the shared address."""
        trust = ssl.create_default_context(cadata=self.certificate.read_text())
        connection = Connection(self.shared, VISION, trust)
        try:
            return connection.ask(WHO_AM_I, ALICE).status
        except OSError:
            return 0
        finally:
            connection.close()


@pytest.fixture(scope="module")
def pair(converged: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Put both in front of the demo's host."""
    testhosts.down(NAMES)
    proxies = {name: Stage(testhosts.up(name, "trixie")) for name in NAMES}
    # Far above what hosts are given one after the other.
    shared = f"{converged.host.address.rpartition('.')[0]}.250"
    found = Pair(converged, proxies, shared, *certify(tmp_path_factory.mktemp("controller"), "site"))
    run = found.play("site")
    assert run.code == 0, run.output[-5000:]
    yield found
    testhosts.down(NAMES)
    # Its servers answer to their address again.
    assert converged.play("site").code == 0


def test_one_of_them_has_the_address(pair: Pair) -> None:
    assert soon(lambda: len(pair.holders()) == 1)
    assert soon(lambda: pair.status() == 200)


@pytest.mark.parametrize("how", [(), ("--check", "--diff")])
def test_a_second_run_changes_nothing(pair: Pair, how: tuple[str, ...]) -> None:
    run = pair.play("configure_proxies", *how)
    assert (run.code, changed(run)) == (0, dict.fromkeys(NAMES, 0)), run.output[-5000:]


@pytest.fixture(scope="module")
def seen(pair: Pair) -> through_proxy.Seen:
    """Lose nginx, and then the host, of the proxy that has the address, while people log."""
    pair.server.sh("cat >> /etc/hosts", f"{pair.shared} {VISION}\n")
    pair.server.sh("cat > /root/site.pem", pair.certificate.read_text())
    variables = {
        "MLFLOW_TRACKING_URI": f"https://{VISION}",
        "MLFLOW_TRACKING_USERNAME": "alice",
        "MLFLOW_TRACKING_PASSWORD": "alice-try-out-only",
        "MLFLOW_TRACKING_SERVER_CERT_PATH": "/root/site.pem",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "NO_PROXY": "*",
    }

    def happen() -> dict[str, float]:
        (first,) = pair.holders()
        (second,) = set(NAMES) - {first}
        found = {"stopped": time.time()}
        pair.proxies[first].sh("systemctl kill --signal=KILL nginx; systemctl stop nginx")
        found["is stopped"] = time.time()
        assert soon(lambda: pair.holders() == [second] and pair.status() == 200)
        time.sleep(10)
        found["started"] = time.time()
        pair.proxies[first].sh("systemctl start nginx")
        time.sleep(15)
        # Who has it keeps it.
        assert pair.holders() == [second]
        found["lost"] = time.time()
        back = lost_host.lose(pair.proxies[second])
        found["is lost"] = time.time()
        assert soon(lambda: pair.holders() == [first] and pair.status() == 200)
        time.sleep(10)
        found["back"] = time.time()
        pair.proxies[second].sh(back)
        time.sleep(15)
        assert pair.holders() == [first]
        return found

    return through_proxy.seen_by_many(pair.server, f"/opt/mlflow/{VERSION}/bin/python", variables, "resnet", happen)


def test_who_was_not_being_answered_sees_no_error(seen: through_proxy.Seen) -> None:
    for what, then in (("stopped", "started"), ("lost", "back")):
        failed = seen.failed(what, then)
        # Each was in one call at most, and what makes something is not repeated by the client.
        assert len(failed) <= through_proxy.PEOPLE, failed
        assert all(it.began < seen.moments[f"is {what}"] + 15 for it in failed), failed


def test_nobody_sees_an_error_when_one_comes_back(seen: through_proxy.Seen) -> None:
    for what, then in (("started", "lost"), ("back", "end")):
        failed = seen.failed_within(what, then)
        assert failed == [], (what, failed)


def test_nothing_is_lost_and_nothing_is_there_twice(seen: through_proxy.Seen) -> None:
    assert (seen.lost, seen.twice) == ([], [])


def test_it_is_given_up_by_a_run(pair: Pair) -> None:
    run = pair.play("configure_proxies", mlflow_proxy_shared_address="")
    assert run.code == 0, run.output[-5000:]
    assert pair.holders() == []
    for proxy in pair.proxies.values():
        left = proxy.sh(
            f"ls {CONFIGURATION}; systemctl is-active keepalived; systemctl is-enabled keepalived", check=False
        )
        assert left.split() == ["inactive", "disabled"]
    again = pair.play("configure_proxies", mlflow_proxy_shared_address="")
    assert (again.code, changed(again)) == (0, dict.fromkeys(NAMES, 0)), again.output[-5000:]


def test_a_configuration_of_somebody_else_is_left(pair: Pair) -> None:
    theirs = "vrrp_instance theirs {\n}\n"
    pair.proxies["proxy1"].sh(f"cat > {CONFIGURATION}", theirs)
    run = pair.play("configure_proxies", "--limit=proxy1")
    assert (run.code, "of somebody else's" in run.output) == (2, True), run.output[-5000:]
    assert pair.proxies["proxy1"].sh(f"cat {CONFIGURATION}") == theirs
