"""Who may read what the teams use, and with which certificate it is served."""

from __future__ import annotations

import dataclasses
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import demo
import pytest
from e2e.proxied import ADMIN, ALICE, DOMAIN, NLP, VISION, Doors, asleep, certify, sleeps
from e2e.stage import soon
from e2e.strangers import ODD, both_ways, login, spelled, stranger

NLP_ADMIN = "admin:nlp-admin-try-out"
READERS = "/etc/nginx/mlflow-usage"
SITE = {"mlflow_proxy_tls_certificate": "/etc/ssl/site.pem", "mlflow_proxy_tls_key": "/etc/ssl/private/site.key"}
# With another certificate, the run that brought it, and its key here.
ChangedOver = tuple[Doors, demo.Play, Path]


def readers(doors: Doors) -> dict[str, object]:
    """Say who may read what the teams use."""
    addresses = list(doors.notebook.host.addresses)
    named = {"mlflow_proxy_usage_networks": addresses, "mlflow_proxy_usage_password_file": READERS}
    return {**named, "mlflow_proxy_usage_for_admins": True}


@pytest.fixture(scope="module")
def changed_over(doors: Doors, tmp_path_factory: pytest.TempPathFactory) -> ChangedOver:
    """Give the proxy a certificate from here, whom people trust, and let this machine ask, as Prometheus would."""
    certificate, key = certify(tmp_path_factory.mktemp("controller"), "site")
    with socket.create_connection((doors.proxy.host.address, 443), 20) as connection:
        here = connection.getsockname()[0]
    given = {
        "mlflow_proxy_tls_from_controller": True,
        "mlflow_proxy_tls_certificate": str(certificate),
        "mlflow_proxy_tls_key": str(key),
        "mlflow_client_ca_file": str(certificate),
        "mlflow_proxy_metrics_networks": [here],
        **readers(doors),
    }
    made = f"printf 'head:%s\\n' $(openssl passwd -6 seen-try-out) > {READERS}"
    doors.proxy.sh(f"{made}; chgrp www-data {READERS}; chmod 640 {READERS}")
    run = doors.play("configure_proxies", "--diff", "-vv", **given)
    assert run.code == 0, run.output[-5000:]
    assert doors.shows(certificate.read_text())
    return dataclasses.replace(doors, certificate=certificate.read_text()), run, key


def test_a_certificate_from_the_controller_is_served_and_its_key_not_shown(changed_over: ChangedOver) -> None:
    doors, run, key = changed_over
    assert doors.ask("/health").headers["strict-transport-security"].startswith("max-age=")
    secrets = [line for line in key.read_text().splitlines() if "PRIVATE KEY" not in line]
    assert [line for line in secrets if line in run.output] == []
    assert doors.proxy.leaks(*secrets) == []
    (kept,) = doors.proxy.sh(f"grep -rlFs {secrets[0]} /etc /root /tmp /var", check=False).splitlines()
    assert doors.proxy.sh(f"stat -c '%U %a' {kept}").split() == ["root", "600"]


def test_prometheus_asks_from_where_it_may(changed_over: ChangedOver) -> None:
    doors, _run, _key = changed_over
    assert doors.ask("/nginx_status", name=DOMAIN).text.startswith("Active connections")
    # Whatever MLflow says itself: it has no numbers without a package of its own.
    says = "curl --silent --output /dev/null --write-out %{http_code}"
    itself = doors.server.sh(f"{says} --user {ADMIN} http://127.0.0.1:5001/metrics")
    assert doors.ask("/metrics", ADMIN).status == int(itself) != 403
    assert doors.ask("/metrics").status == 401
    for url in (f"https://{DOMAIN}/nginx_status", f"https://{VISION}/metrics"):
        assert doors.notebook.sh(f"{says} --user {ADMIN} {url}") == "403"


@pytest.fixture(scope="module")
def reported(changed_over: ChangedOver, tmp_path_factory: pytest.TempPathFactory) -> tuple[Doors, Path]:
    """Report what the teams use, to a directory here and to the proxy."""
    doors, _run, _key = changed_over
    run = doors.play("site", "--limit=mlflow1", mlflow_monitoring_state="present")
    assert run.code == 0, run.output[-5000:]
    # So that there is something of this day.
    doors.server.sh("systemctl start mlflow-monitoring.service")
    folder = tmp_path_factory.mktemp("reported")
    run = doors.play("report_usage", mlflow_monitoring_report_dir=str(folder), **readers(doors))
    assert run.code == 0, run.output[-5000:]
    return doors, folder


def test_what_the_teams_use_is_read_by_whom_the_operator_names(reported: tuple[Doors, Path]) -> None:
    doors, folder = reported
    for kind in ("html", "csv", "json"):
        page = f"/mlflow_usage/usage.{kind}"
        assert doors.ask(page, name=DOMAIN).status == 401
        assert doors.ask(page, "head:guessed", name=DOMAIN).status == 401
        # A log-in of the team's is none here.
        assert doors.ask(page, ADMIN, name=DOMAIN).status == 401
        assert doors.ask(page, "head:seen-try-out", name=DOMAIN).text == (folder / f"usage.{kind}").read_text()
    assert "Every team" in doors.ask("/mlflow_usage/", "head:seen-try-out", name=DOMAIN).text
    assert doors.ask("/mlflow_usage/..%2fmlflow/index.html", "head:seen-try-out", name=DOMAIN).status == 400
    says = f"curl --silent --output /dev/null --write-out %{{http_code}} https://{DOMAIN}/mlflow_usage/"
    assert doors.notebook.sh(says) == "200"
    # Nobody tries one password after the other. At once: one by one, a slow machine asks no faster than it is let.
    who, given = stranger(doors), login("head:guessed")
    with ThreadPoolExecutor(30) as pool:
        told = list(pool.map(lambda _number: who.ask("/mlflow_usage/", given, name=DOMAIN)[0], range(90)))
    assert set(told) == {401, 429}


def test_what_a_team_uses_is_read_by_its_own_admins(reported: tuple[Doors, Path]) -> None:
    doors, folder = reported
    assert {"vision", "nlp"} <= set(json.loads((folder / "usage.json").read_text())["mlflow1"]["teams"])
    assert soon(lambda: asleep(doors))
    for name, path in both_ways("/mlflow_usage/usage.json"):
        assert doors.ask(path, name=name).status == 401
    # Nobody is woken for who has no log-in.
    assert sleeps(doors)
    for kind in ("", "usage.html", "usage.csv", "usage.json"):
        for name, path in both_ways(f"/mlflow_usage/{kind}"):
            found = doors.ask(path, ADMIN, name=name)
            assert (path, found.status, "vision" in found.text) == (path, 200, True), found.text
            assert "nlp" not in found.text
            for user, status in ((ALICE, 403), (NLP_ADMIN, 401), ("", 401)):
                refused = doors.ask(path, user, name=name)
                assert (path, user, refused.status) == (path, user, status), refused.text
                # Who is known is not asked to be somebody else.
                assert ("www-authenticate" in refused.headers) is (status == 401)
    assert "default-src 'none'" in doors.ask("/mlflow_usage/", ADMIN).headers["content-security-policy"]
    theirs = doors.ask("/mlflow_usage/usage.json", NLP_ADMIN, name=NLP)
    assert (theirs.status, list(json.loads(theirs.text)["mlflow1"]["teams"])) == (200, ["nlp"])


def test_what_a_team_uses_is_kept_from_others_however_it_is_spelled(reported: tuple[Doors, Path]) -> None:
    doors, _folder = reported
    who = stranger(doors)
    place = "/mlflow_usage/usage.json"
    for name, path in (way for form in spelled(place, ODD) for way in both_ways(form)):
        for user in (ADMIN, ALICE):
            status, answer = who.ask(path, login(user), name=name)
            # 403 is for names of hosts that are not this one's.
            assert (path, user, status in (0, 400, 403, 414)) == (path, user, True), answer
    # As nginx reads it, it is judged.
    others = ("/%6dlflow_usage/usage.json", "/mlflow%5Fusage/%75sage.json", f"{place}?x=/health")
    for name, path in (way for form in others for way in both_ways(form)):
        for user, status in ((ADMIN, 200), (ALICE, 403), (NLP_ADMIN, 401)):
            assert (path, user, who.ask(path, login(user), name=name)[0]) == (path, user, status)
        assert who.ask(path, name=name)[0] == 401
    nowhere = [f"/mlflow_usage/{rest}" for rest in ("nlp/usage.json", "vision/usage.json", "x")]
    for name, path in (way for form in nowhere for way in both_ways(form)):
        assert (path, who.ask(path, login(ADMIN), name=name)[0]) == (path, 404)
    # Another spelling of the team is nobody's.
    assert who.ask(f"/%76ision{place}", login(ADMIN), name=DOMAIN)[0] == 400
    for method in ("POST", "PUT", "DELETE", "PATCH", "PROPFIND"):
        assert (method, who.ask(place, login(ADMIN), method=method)[0]) == (method, 403)
    # Five are tried at once, and one more in each ten seconds that these take; a slow machine takes many of those.
    with ThreadPoolExecutor(30) as pool:
        wrong = [login(f"admin:a wrong one {number}") for number in range(60)]
        guesses = list(pool.map(lambda guess: who.ask(place, guess)[0], wrong))
    assert set(guesses) == {401, 429}, guesses
    assert doors.ask(place, ADMIN).status == 200


def test_files_on_the_proxy_are_served_and_renewed(doors: Doors, tmp_path: Path) -> None:
    for name in ("first", "renewed"):
        certificate, key = certify(tmp_path, name)
        for file, place in zip((certificate, key), SITE.values(), strict=True):
            # What renews them may keep their time, which is before nginx read the former ones.
            doors.proxy.sh(f"cat > {place}; touch --date '1 week ago' {place}", file.read_text())
        run = doors.play("configure_proxies", "--limit=proxy1", **SITE)
        assert run.code == 0, run.output[-5000:]
        assert doors.shows(certificate.read_text())
    # Without readers, nothing is there to be read.
    assert doors.proxy.sh("ls -A /var/www/mlflow-usage /var/www/mlflow-usage-of-teams | grep -v :", check=False) == "\n"
    # Nothing stays of what came from the controller before.
    assert sorted(doors.proxy.sh("ls /etc/mlflow-proxy").split()) == ["ca.key", "ca.pem", "server.key", "server.pem"]
    doors.proxy.sh(f"rm {' '.join(SITE.values())}")
    run = doors.play("configure_proxies", "--limit=proxy1", **SITE)
    assert run.code == 2
    assert f"mlflow_proxy_tls_key: proxy1 has no {' and no '.join(SITE.values())};" in run.output
    assert doors.shows(certificate.read_text())
