"""People reach their team by name, over TLS, from where they work, with nothing to look up."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import demo
import project
import pytest
import testhosts
from e2e import stage
from e2e.browser import browser
from e2e.doors import (
    DOMAIN,
    NLP,
    PEOPLE,
    PICTURES,
    VISION,
    Connection,
    Doors,
    certify,
    changed,
    compressed,
    scanned,
    soon,
)
from e2e.stage import Stage

ALICE = "alice:alice-try-out-only"
ADMIN = "admin:vision-admin-try-out"
HOSTS = ["proxy", "notebook"]
LARGE = 600 * 1024**2
HALF = 8 * 1024**2
SITE = {"mlflow_proxy_tls_certificate": "/etc/ssl/site.pem", "mlflow_proxy_tls_key": "/etc/ssl/private/site.key"}
NEW_RUN = "/api/2.0/mlflow/runs/create"
PROJECT = {
    "MLproject": "name: try-out\nentry_points:\n  main:\n    command: python train.py\n",
    "train.py": "import mlflow\nwith mlflow.start_run():\n    mlflow.log_metric('done', 1)\n",
}

# With another certificate, the run that brought it, and its key here.
ChangedOver = tuple[Doors, demo.Play, Path]


@pytest.fixture(scope="module")
def doors(converged: Stage) -> Iterator[Doors]:
    """Put a proxy in front of the demo's host, and people on a host of their own."""
    testhosts.down(HOSTS)
    all_three = Doors(converged, Stage(testhosts.up("proxy", "trixie")), Stage(testhosts.up("notebook", uv=True)))
    names = f"{all_three.proxy.host.address} {DOMAIN} {VISION} {NLP} audio.{DOMAIN}\n"
    all_three.notebook.sh(f"cat >> /etc/hosts; for user in {' '.join(PEOPLE)}; do useradd -m $user; done", names)
    with ThreadPoolExecutor(1) as pool:
        equipped = pool.submit(all_three.equip)
        run = all_three.play("site")
        equipped.result()
    assert run.code == 0, run.output[-5000:]
    yield all_three
    testhosts.down(HOSTS)
    # Its servers answer to their address again.
    assert converged.play("site").code == 0


@pytest.fixture(scope="module")
def run_id(doors: Doors) -> str:
    """Log a run as Alice, with what the role has written for her and nothing else."""
    script = (Path(__file__).parent / "quickstart.py").read_text()
    doors.notebook.sh("cat > /tmp/quickstart.py", script)
    answer = doors.person("alice", "mlflow-team vision python /tmp/quickstart.py").splitlines()[-1]
    word, run, uri = answer.split()
    assert (word, uri) == ("run", f"https://{VISION}")
    return run


@pytest.fixture(scope="module")
def large(doors: Doors, run_id: str) -> str:
    """Return how Alice's curl begins, to send an artifact of her run or to get it."""
    info = json.loads(doors.ask(f"/api/2.0/mlflow/runs/get?run_id={run_id}", ALICE).text)["run"]["info"]
    where = info["artifact_uri"].replace("mlflow-artifacts:", "api/2.0/mlflow-artifacts/artifacts")
    return f"curl --silent --show-error --fail --user {ALICE} https://{VISION}/{where}/large"


def test_a_second_run_changes_nothing(doors: Doors) -> None:
    run = doors.play("site")
    assert run.code == 0, run.output[-5000:]
    assert changed(run) == {"mlflow1": 0, "notebook1": 0, "proxy1": 0}, run.output[-5000:]


def test_a_proxy_on_debian_12_works_too(doors: Doors, bare: Stage) -> None:
    older = dataclasses.replace(doors, proxy=bare)
    for again in (False, True):
        run = older.play("open_doors", "--limit=proxy1")
        assert run.code == 0, run.output[-5000:]
        assert (changed(run)["proxy1"] == 0) is again, run.output[-5000:]
    assert older.ask("/api/2.0/mlflow/users/current", ALICE).status == 200
    for proxy in (older, doors):
        assert proxy.protocol() == "h2"
        # Neither takes it for an old way to say something.
        assert "warn" not in proxy.proxy.sh("nginx -t 2>&1")


def test_the_quickstart_works_by_name_and_by_path(doors: Doors, run_id: str) -> None:
    assert doors.ask(f"/api/2.0/mlflow/runs/get?run_id={run_id}", ALICE).status == 200
    by_path = doors.person("alice", f"mlflow-team vision python /tmp/quickstart.py https://{DOMAIN}/vision")
    assert by_path.splitlines()[-1].endswith(f"https://{DOMAIN}/vision")


def test_a_project_runs_as_its_user(doors: Doors) -> None:
    doors.person("bob", "mkdir -p project")
    for name, text in PROJECT.items():
        doors.notebook.sh(f"cat > /home/bob/project/{name}", text)
    doors.person("bob", "mlflow-team vision mlflow run --env-manager local --experiment-name resnet project 2>&1")


def test_only_the_user_can_read_what_was_written(doors: Doors) -> None:
    assert doors.person("alice", "cat /home/bob/.config/mlflow/vision.env", check=False) == ""
    assert "alice-try-out-only" in doors.person("alice", "cat ~/.mlflow/credentials")
    assert doors.person("dave", "mlflow-team").split() == ["*", "nlp"]
    for host in (doors.proxy, doors.notebook):
        assert host.leaks("alice-try-out-only", "vision-admin-try-out") == []


def test_names_and_origins_that_are_not_ours_are_refused(doors: Doors) -> None:
    assert doors.ask("/", Host="evil.example.org").status == 403
    assert doors.server.ask(5001, *ALICE.split(":")) == 403  # by its address, past the proxy
    experiment = json.loads(doors.ask("/api/2.0/mlflow/experiments/get-by-name?experiment_name=resnet", ALICE).text)
    body = json.dumps({"experiment_id": experiment["experiment"]["experiment_id"]}).encode()
    origins = {f"https://{VISION}": 200, "https://evil.example.org": 403, f"https://{NLP}": 403}
    for origin, status in origins.items():
        # A new one each time: who is refused before the body was read loses it.
        connection = Connection(doors.proxy.host.address, VISION, doors.trust())
        found = connection.ask(NEW_RUN, ALICE, body, Origin=origin, Content_Type="application/json")
        connection.close()
        assert (origin, found.status) == (origin, status), found.text


def test_closed_routes_are_not_found_however_they_are_spelled(doors: Doors) -> None:
    for path in (
        "/ajax-api/3.0/mlflow/assistant/config",
        "/ajax-api/3.0/jobs/x",
        "/%61jax-api/3.0/mlflow/demo/generate",
    ):
        assert doors.ask(path, ALICE).status == 404
        assert doors.ask(f"/vision{path}", ALICE, name=DOMAIN).status == 404
        assert (
            doors.server.sh(f"journalctl -u mlflow@vision --output cat | grep -cF '{path}'", check=False).strip() == "0"
        )
    assert doors.ask("/metrics", ADMIN).status == 403
    assert doors.ask("/nginx_status", name=DOMAIN).status == 404


def test_a_guesser_is_slowed_and_who_logs_beside_them_is_not(doors: Doors, run_id: str) -> None:
    answers: list[int] = []

    def guess(number: int) -> None:
        answers.append(doors.ask("/api/2.0/mlflow/users/current", f"alice:wrong guess number {number}").status)

    guessers = [threading.Thread(target=guess, args=(number,), daemon=True) for number in range(20)]
    mine = Connection(doors.proxy.host.address, VISION, doors.trust())
    assert mine.ask("/api/2.0/mlflow/users/current", ALICE).status == 200
    for guesser in guessers:
        guesser.start()
    seconds = []
    for step in range(100):
        body = json.dumps({"run_id": run_id, "key": "beside", "value": step, "timestamp": step, "step": step}).encode()
        logged = mine.ask("/api/2.0/mlflow/runs/log-metric", ALICE, body, Content_Type="application/json")
        assert logged.status == 200
        seconds.append(logged.seconds)
    mine.close()
    # Five are tried at once and four wait for ten seconds each; the rest is not even asked about.
    assert set(answers) <= {401, 429}
    assert answers.count(401) <= 6
    assert answers.count(429) >= 10
    assert sorted(seconds)[90] < 1


def test_an_artifact_passes_through_without_staying(doors: Doors, large: str) -> None:
    before = doors.written()
    doors.notebook.sh(f"head -c {LARGE} /dev/zero > /home/large && {large} --upload-file /home/large; rm /home/large")
    times = "%{size_download} %{time_starttransfer} %{time_total}"
    size, begun, ended = map(float, doors.notebook.sh(f"{large} --output /dev/null --write-out '{times}'").split())
    assert size == LARGE
    # Who gathers it first begins when there is little left to wait for.
    assert begun < ended / 3
    assert doors.written() - before < LARGE / 20


def test_the_server_receives_an_upload_while_it_is_sent(doors: Doors, large: str) -> None:
    half = f"head -c {HALF} /dev/zero"
    waits = f"{half}; until test -e /tmp/go; do sleep 0.1; done; {half}"
    before = doors.kept()
    with ThreadPoolExecutor(1) as pool:
        sent = f"{large}-too --header 'Content-Length: {2 * HALF}' --upload-file -"
        sending = pool.submit(doors.notebook.sh, f"({waits}) | {sent}")
        begun = soon(lambda: doors.kept() - before > HALF / 2)
        doors.notebook.sh("touch /tmp/go")
        sending.result()
    assert begun
    assert doors.kept() - before >= 2 * HALF


def test_a_sleeping_team_wakes_behind_it(doors: Doors) -> None:
    doors.server.sh("systemctl stop mlflow-listen@vision.service")
    assert doors.ask("/api/2.0/mlflow/users/current", ALICE).status == 200


def test_a_scanner_finds_only_new_and_strong_tls(doors: Doors) -> None:
    found = scanned(doors.proxy.host.address)
    protocols = {f"{each.get('type')} {each.get('version')}": each.get("enabled") for each in found.iter("protocol")}
    assert len(protocols) == 6
    assert {name for name, enabled in protocols.items() if enabled != "0"} == {"tls 1.2", "tls 1.3"}
    ciphers = list(found.iter("cipher"))
    # The others are weak, medium, null and anonymous.
    assert {cipher.get("strength") for cipher in ciphers} <= {"strong", "acceptable"}
    # No CBC, and no past traffic for who gets the key later.
    names = {str(cipher.get("cipher")) for cipher in ciphers}
    assert [name for name in names if not re.fullmatch(r"(TLS_|ECDHE-).*(GCM|POLY1305).*", name)] == []
    assert not compressed(doors.proxy.host.address)
    assert [each.attrib for each in found.iter("renegotiation") if each.get("supported") != "0"] == []
    assert {each.get("vulnerable") for each in found.iter("heartbleed")} == {"0"}


def test_plain_http_leads_to_it(doors: Doors) -> None:
    headers = doors.notebook.sh(f"curl --silent --head http://{VISION}/x?y=1")
    assert f"Location: https://{VISION}/x?y=1" in headers
    found = doors.ask("/").headers
    assert found["referrer-policy"] == "same-origin"
    assert found["www-authenticate"].startswith("Basic")


def test_a_configuration_that_nginx_refuses_does_not_replace_the_one_that_runs(doors: Doors) -> None:
    before = doors.proxy.sh("sha256sum /etc/nginx/conf.d/mlflow.conf")
    run = doors.play("open_doors", "--limit=proxy1", mlflow_proxy_max_body_size="many")
    assert run.code == 2
    assert "directive invalid value in /etc/nginx/conf.d/mlflow.conf" in run.output
    assert doors.proxy.sh("sha256sum /etc/nginx/conf.d/mlflow.conf; nginx -t -q") == before
    assert doors.ask("/health").status == 200


def test_a_browser_signs_in_and_sees_what_it_may(doors: Doors, run_id: str, tmp_path: Path) -> None:
    address = doors.proxy.host.address
    with browser(tmp_path / "profile", {DOMAIN: address, f"*.{DOMAIN}": address}, doors.pin()) as page:
        page.open(f"https://{DOMAIN}/")
        text = page.wait_for("Connect from a notebook")
        assert "Finds defects in photographs" in text
        assert "try-out" not in text
        for size in ("desktop", "phone"):
            for dark in (False, True):
                page.look(PICTURES / f"start-{size}-{'dark' if dark else 'light'}.png", size, dark)
            assert page.run("document.documentElement.scrollWidth <= window.innerWidth")
        page.resize("desktop")
        page.open(f"https://{VISION}/#/experiments", *ALICE.split(":"))
        assert "segmentation" in page.wait_for("resnet")
        page.look(PICTURES / "experiments.png")
        found = json.loads(doors.ask(f"/api/2.0/mlflow/runs/get?run_id={run_id}", ALICE).text)["run"]["info"]
        where = f"https://{VISION}/#/experiments/{found['experiment_id']}/runs/{run_id}"
        page.open(where)
        page.wait_for("accuracy")
        page.look(PICTURES / "run.png")
        page.open(f"{where}/artifacts/notes.txt")
        page.wait_for("what the picture shows")
        page.look(PICTURES / "artifact.png")
        asked = page.asked_to_sign_in
        page.open(f"https://{NLP}/", *ALICE.split(":"))
        page.wait_for("401")
        assert page.asked_to_sign_in > asked
        assert "sentiment" not in page.text()


def test_who_is_offboarded_has_nothing_left(doors: Doors) -> None:
    doors.person("bob", "printf '[databricks]\\nhost = x\\n' >> ~/.mlflow/credentials")
    run = doors.play("offboard_user", "-e", "user=bob")
    assert run.code == 0, run.output[-5000:]
    assert doors.ask("/api/2.0/mlflow/users/current", "bob:bob-try-out-only").status == 401
    assert doors.person("bob", "ls ~/.config/mlflow; cat ~/.mlflow/credentials").splitlines()[-2:] == [
        "[databricks]",
        "host = x",
    ]
    assert doors.person("bob", "grep -r bob-try-out-only . ", check=False) == ""
    assert "alice" in doors.person("alice", "cat ~/.mlflow/credentials")


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
    }
    run = doors.play("open_doors", "--diff", "-vv", **given)
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


def test_files_on_the_proxy_are_served_and_renewed(doors: Doors, tmp_path: Path) -> None:
    for name in ("first", "renewed"):
        certificate, key = certify(tmp_path, name)
        for file, place in zip((certificate, key), SITE.values(), strict=True):
            # What renews them may keep their time, which is before nginx read the former ones.
            doors.proxy.sh(f"cat > {place}; touch --date '1 week ago' {place}", file.read_text())
        run = doors.play("open_doors", "--limit=proxy1", **SITE)
        assert run.code == 0, run.output[-5000:]
        assert doors.shows(certificate.read_text())
    # Nothing stays of what came from the controller before.
    assert sorted(doors.proxy.sh("ls /etc/mlflow-proxy").split()) == ["ca.key", "ca.pem", "server.key", "server.pem"]
    doors.proxy.sh(f"rm {' '.join(SITE.values())}")
    run = doors.play("open_doors", "--limit=proxy1", **SITE)
    assert run.code == 2
    assert f"mlflow_proxy_tls_key: proxy1 has no {' and no '.join(SITE.values())};" in run.output
    assert doors.shows(certificate.read_text())


def test_a_team_is_onboarded_to_its_first_run(doors: Doors) -> None:
    made = "lookup('ansible.builtin.password', inventory_dir ~ '/.passwords/audio_alice', length=24)"
    team = {
        "name": "audio",
        "port": 5003,
        "description": "Listens",
        "admin_password": "audio-admin-try-out",
        "users": [{"name": "alice", "password": f"{{{{ {made} }}}}"}],
        "experiments": [{"name": "speech", "grants": {"alice": "EDIT"}}],
    }
    inventory = stage.with_team(team, "doors")
    run = dataclasses.replace(doors, inventory=inventory).play("onboard_team", "-e", "team=audio")
    assert run.code == 0, run.output[-5000:]
    assert f"Team audio is at https://audio.{DOMAIN}" in run.output
    write = "import mlflow; mlflow.set_experiment('speech'); mlflow.log_metric('loss', 0.1); print('done')"
    assert "done" in doors.person("alice", f'mlflow-team audio python -c "{write}"').splitlines()
    assert "Listens" in doors.ask("/", name=DOMAIN).text
    file = inventory / ".passwords" / "audio_alice"
    password = file.read_text().split()[0]
    assert (len(password), file.stat().st_mode & 0o777) == (24, 0o600)
    assert password not in run.output
    # Nor does the next run take the file for one of hosts.
    listed = project.run(["ansible-inventory", *demo.sources([inventory]), "--list"], quiet=True).stdout
    assert "mlflow1" in listed
    assert password not in listed
    files = [each for each in stage.WORK.rglob("*") if each.is_file()]
    assert [each for each in files if password.encode() in each.read_bytes()] == [file]
    look = f"grep -rlFs --devices=skip --exclude-dir=site-packages -f - {stage.TREES}"
    hosts = (doors.server, doors.proxy, doors.notebook)
    found = [sorted(host.sh(look, feed=password, check=False).split()) for host in hosts]
    # It is the first of her teams.
    assert found == [[], [], ["/home/alice/.config/mlflow/audio.env", "/home/alice/.mlflow/credentials"]]
    stage.forget(doors.server, "audio")
