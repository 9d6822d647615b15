"""A proxy is certified by ACME in the run that sets it up, and again when there is a name more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import testhosts
from e2e import authority, stage
from e2e.authority import Acme
from e2e.proxied import DOMAIN, NLP, VISION
from e2e.stage import Stage, soon

CHALLENGES = "/var/lib/mlflow-acme/.well-known/acme-challenge"
BOTH = ("vision", "nlp")


@pytest.fixture(scope="module")
def acme(alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acme]:
    """Start both hosts."""
    hosts = ["proxy", "acme"]
    testhosts.down(hosts)
    proxy, server = (Stage(testhosts.up(name)) for name in hosts)
    yield authority.start(proxy, server, tmp_path_factory.mktemp("acme") / "hosts.json")
    testhosts.down(hosts)


def test_check_mode_says_what_a_bare_host_would_get(acme: Acme) -> None:
    run = acme.play("--check")
    assert run.code == 0, run.output[-5000:]
    assert run.changed > 0
    assert f'14000/dir",\n        "/var/lib/mlflow-acme",\n        "{DOMAIN}",\n        "{VISION}"' in run.output
    assert acme.proxy.sh("ls -d /etc/letsencrypt /etc/nginx", check=False) == ""


def test_the_run_that_sets_it_up_brings_the_certificate(acme: Acme) -> None:
    run = acme.play()
    assert run.code == 0, run.output[-5000:]
    for name in (DOMAIN, VISION):
        found = acme.served(name)
        assert "Pebble Intermediate CA" in str(found["issuer"])
        assert acme.names(name) == {DOMAIN, VISION}
    page = acme.page()
    assert page.headers["strict-transport-security"].startswith("max-age=")
    assert "ca.pem" not in page.text
    acme.proxy.sh("systemctl is-active certbot.timer && systemctl is-enabled certbot.timer")
    # Where people work, the CA that the proxy began with is not trusted.
    acme.proxy.sh("test -e /etc/mlflow-proxy/ca.pem && test ! -e /usr/local/share/ca-certificates/mlflow.crt")


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_a_second_run_changes_nothing(acme: Acme, options: list[str]) -> None:
    run = acme.play(*options)
    assert (run.code, run.changed) == (0, 0), run.output[-5000:]


def test_a_challenge_is_answered_for_any_name(acme: Acme) -> None:
    acme.proxy.sh(f"mkdir -p {CHALLENGES} && echo answer > {CHALLENGES}/probe")
    curl = f"curl --silent --header 'Host: new.example.org' http://{acme.proxy.host.address}"
    assert acme.proxy.sh(f"{curl}/.well-known/acme-challenge/probe") == "answer\n"
    assert acme.proxy.sh(f"{curl}/ --output /dev/null --write-out '%{{http_code}}'") == "403"


def test_a_team_more_is_certified_in_the_run_that_declares_it(acme: Acme) -> None:
    assert acme.play(teams=BOTH).code == 0
    assert acme.names(NLP) == acme.names(VISION) == {DOMAIN, VISION, NLP}
    assert acme.play(teams=BOTH).changed == 0


def test_a_renewal_is_served(acme: Acme) -> None:
    before = acme.served(VISION)["serialNumber"]
    acme.proxy.sh("certbot renew --no-random-sleep-on-renew --force-renewal --cert-name mlflow")
    assert soon(lambda: acme.served(VISION)["serialNumber"] != before)
    assert acme.play(teams=BOTH).changed == 0


def test_what_cannot_be_meant_is_refused(acme: Acme) -> None:
    run = acme.play(mlflow_proxy_http_port=0, mlflow_proxy_tls_certificate="/a", mlflow_proxy_tls_key="/b")
    assert run.code == 2
    assert "mlflow_proxy_acme, mlflow_proxy_http_port: the ACME server" in run.output
    assert "mlflow_proxy_acme, mlflow_proxy_tls_certificate: certificates come" in run.output


def test_what_fails_is_told_and_the_former_certificate_stays(acme: Acme) -> None:
    before = acme.served(VISION)["serialNumber"]
    acme.authority.sh("systemctl stop pebble.service")
    run = acme.play(teams=(*BOTH, "audio"))
    assert run.code == 2, run.output[-5000:]
    assert "mlflow_proxy_acme: mlflow1 has no certificate of https://" in run.output
    assert f"audio.{DOMAIN}.\\nEach name has to lead to port 80" in run.output
    assert "Connection refused" in run.output
    assert acme.served(VISION)["serialNumber"] == before


def test_files_of_the_controller_take_its_place(acme: Acme, tmp_path: Path) -> None:
    before = acme.served(VISION)["serialNumber"]
    for name in ("fullchain", "privkey"):
        stage.write_private(tmp_path / name, acme.proxy.sh(f"cat /etc/letsencrypt/live/mlflow/{name}.pem"))
    files = {"mlflow_proxy_tls_certificate": f"{tmp_path}/fullchain", "mlflow_proxy_tls_key": f"{tmp_path}/privkey"}
    for changed in (True, False):
        run = acme.play(mlflow_proxy_acme=False, mlflow_proxy_tls_from_controller=True, **files)
        assert (run.code, run.changed > 0) == (0, changed), run.output[-5000:]
    assert acme.served(VISION)["serialNumber"] == before
    assert "/etc/letsencrypt" not in acme.proxy.sh("cat /etc/nginx/conf.d/mlflow.conf")
