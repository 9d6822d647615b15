"""People reach their team by name, over TLS, from where they work, with nothing to look up."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from e2e import stage
from e2e.browser import browser
from e2e.proxied import (
    ADMIN,
    ALICE,
    ASKS,
    ASKS_NLP,
    DOMAIN,
    NEW_RUN,
    NLP,
    PICTURES,
    VENV,
    VISION,
    Connection,
    Doors,
    asleep,
    changed,
    sleeps,
)
from e2e.stage import WHO_AM_I, Stage, soon
from e2e.strangers import both_ways

LARGE = 600 * 1024**2
HALF = 8 * 1024**2
INTRANET = Path(__file__).parents[1] / "intranet.conf"
PROJECT = {
    "MLproject": "name: try-out\nentry_points:\n  main:\n    command: python train.py\n",
    "train.py": "import mlflow\nwith mlflow.start_run():\n    mlflow.log_metric('done', 1)\n",
}


def test_a_second_run_changes_nothing(doors: Doors) -> None:
    run = doors.play("site")
    assert (run.code, run.warnings) == (0, []), run.output[-5000:]
    assert changed(run) == {"mlflow1": 0, "notebook1": 0, "proxy1": 0}, run.output[-5000:]


def test_a_proxy_on_debian_12_beside_other_sites(doors: Doors, bare: Stage) -> None:
    # A host that is not fresh, with an nginx that is set up for what it serves.
    bare.sh("apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install nginx >/dev/null 2>&1")
    bare.sh("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=intranet -keyout /etc/ssl/site.pem -out /tmp/x 2>&1")
    bare.sh("cat /tmp/x >> /etc/ssl/site.pem; cat > /etc/nginx/conf.d/intranet.conf", INTRANET.read_text())
    bare.sh("rm /etc/nginx/sites-enabled/default; nginx -t -q && systemctl restart nginx")
    older = dataclasses.replace(doors, proxy=bare)
    # To this one, nlp is older as well.
    teams = {"mlflow_team_nlp": stage.example("nlp", version="3.13.0")}
    for again in (False, True):
        run = older.play("configure_proxies", "--limit=proxy1", **teams)
        assert run.code == 0, run.output[-5000:]
        assert (changed(run)["proxy1"] == 0) is again, run.output[-5000:]
    # More often than anybody may try who is not known.
    for _number in range(15):
        assert older.ask(WHO_AM_I, ALICE).status == 200
    gone = older.ask("/api/2.0/mlflow/experiments/get-by-name?experiment_name=none", ADMIN)
    assert (gone.status, "RESOURCE_DOES_NOT_EXIST" in gone.text, gone.headers.get("expires")) == (404, True, None)
    # What older versions hand to anybody; the other team's server says itself what it has against that.
    for path in ("mlflow-artifacts/presigned/1/x", "mlflow/artifacts/presigned-upload-url?run_id=1&path=x"):
        for user, name in (("dave:dave-try-out-only", NLP), (ALICE, VISION)):
            found = older.ask(f"/api/2.0/{path}", user, name=name)
            assert (path, name, "<center>nginx" in found.text) == (path, name, name == NLP), found.text
            assert found.status == 404 or name == VISION
    # Also where another site has an address of its own.
    near = f"{ASKS} --cacert /etc/mlflow-proxy/ca.pem --user {ALICE} --resolve {VISION}:443:127.0.0.7"
    assert bare.sh(f"{near} https://{VISION}{WHO_AM_I}") == "200"
    for scheme in ("http", "https"):
        assert bare.sh(f"curl --silent --insecure {scheme}://127.0.0.1/") == "the intranet\n"
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
    past_the_proxy = f"{ASKS} --user {ALICE} http://127.0.0.1:5001{WHO_AM_I}"
    assert doors.server.sh(past_the_proxy) == "200"
    assert doors.server.sh(f"{past_the_proxy} --header 'Host: evil.example.org'") == "403"
    experiment = json.loads(doors.ask("/api/2.0/mlflow/experiments/get-by-name?experiment_name=resnet", ALICE).text)
    body = json.dumps({"experiment_id": experiment["experiment"]["experiment_id"]}).encode()
    origins = {f"https://{VISION}": 200, "https://evil.example.org": 403, f"https://{NLP}": 403}
    for origin, status in origins.items():
        # A new one each time: who is refused before the body was read loses it.
        connection = Connection(doors.proxy.host.address, VISION, doors.trust())
        found = connection.ask(NEW_RUN, ALICE, body, Origin=origin, Content_Type="application/json")
        connection.close()
        assert (origin, found.status) == (origin, status), found.text


def test_a_server_answers_to_the_name_of_its_host_without_a_proxy(doors: Doors, run_id: str) -> None:
    doors.notebook.sh("cat >> /etc/hosts", f"{doors.server.host.address} mlflow1\n")
    name, password = ALICE.split(":")
    settings = f"MLFLOW_TRACKING_USERNAME={name} MLFLOW_TRACKING_PASSWORD={password} MLFLOW_DISABLE_TELEMETRY=true"
    said = doors.notebook.sh(f"{settings} {VENV}/bin/python /tmp/quickstart.py http://mlflow1:5001")
    assert said.split()[-1] == "http://mlflow1:5001"


def test_a_browser_may_ask_ahead_for_a_page_that_is_allowed(doors: Doors) -> None:
    page = f"https://{DOMAIN}"
    ahead = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}

    def granted(headers: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in headers.items() if name.startswith("access-control-")}

    given = " ".join(f"--header '{name}: {value}'" for name, value in {**ahead, "Origin": page}.items())
    itself = doors.server.sh(f"curl --silent --include --request OPTIONS {given} http://127.0.0.1:5001{NEW_RUN}")
    status, *lines = itself.strip().splitlines()
    theirs = granted({name.lower(): value for name, value in (line.split(": ", 1) for line in lines if ": " in line)})
    assert theirs["access-control-allow-origin"] == page
    assert soon(lambda: asleep(doors))
    for name, path in both_ways(NEW_RUN):
        found = doors.ask(path, name=name, method="OPTIONS", Origin=page, **ahead)
        assert (str(found.status) in status, granted(found.headers)) == (True, theirs)
        # What a page asks for itself, it may also read that it has to sign in for.
        refused = doors.ask(path, name=name, method="POST", Origin=page)
        assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, page)
        # The same for who is not known, or does not really ask ahead.
        for origin in ("https://evil.example.org", f"{page}.evil.example", f"https://{NLP}", "null"):
            found = doors.ask(path, name=name, method="OPTIONS", Origin=origin, **ahead)
            assert (found.status, granted(found.headers)) == (401, {})
        for method in ("OPTIONS", "PUT"):
            assert doors.ask(path, name=name, method=method, Origin=page).status == 401
    assert sleeps(doors)


def test_odd_names_that_the_client_sends_are_not_refused(doors: Doors) -> None:
    script = (Path(__file__).parents[1] / "names.py").read_text()
    doors.notebook.sh("cat > /tmp/names.py", script)
    for more in ("", f" https://{DOMAIN}/vision"):
        assert doors.person("alice", f"mlflow-team vision python /tmp/names.py{more}").splitlines()[-1] == "all kept"


@pytest.mark.parametrize("family", ["address", "address6"])
def test_each_door_is_open_over_each_family(doors: Doors, family: str) -> None:
    address = getattr(doors.proxy.host, family)
    if not address:
        pytest.skip("this machine has no IPv6 for hosts")
    there = dataclasses.replace(doors.proxy.host, address=address)
    over = dataclasses.replace(doors, proxy=dataclasses.replace(doors.proxy, host=there))
    for name, path in both_ways(WHO_AM_I):
        assert (path, over.ask(path, ALICE, name=name).status) == (path, 200)
        assert (path, over.ask(path, name=name).status) == (path, 401)
    assert "Connect from a notebook" in over.ask("/", name=DOMAIN).text
    assert over.ask("/", Host="evil.example.org").status == 403
    assert over.protocol() == "h2"
    # By name, from where people work.
    curl = f"curl --silent --{'ipv6' if ':' in address else 'ipv4'}"
    assert doors.notebook.sh(ASKS_NLP.replace("curl --silent", curl)) == "200"
    assert f"Location: https://{VISION}/x?y=1" in doors.notebook.sh(f"{curl} --head http://{VISION}/x?y=1")


def test_an_artifact_passes_through_without_staying(doors: Doors, large: str) -> None:
    before = doors.written()
    doors.notebook.sh(f"head -c {LARGE} /dev/zero > /home/large && {large} --upload-file /home/large; rm /home/large")
    times = "%{size_download} %{time_starttransfer} %{time_total}"

    def begins_early() -> bool:
        """Say whether the first of it comes long before the last."""
        size, begun, ended = map(float, doors.notebook.sh(f"{large} --output /dev/null --write-out '{times}'").split())
        assert size == LARGE
        return begun < ended / 3

    # Who gathers it first begins when there is little left to wait for, each time; a busy machine may do so once.
    assert any(begins_early() for _time in range(3))
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


def test_plain_http_leads_to_it(doors: Doors) -> None:
    headers = doors.notebook.sh(f"curl --silent --head http://{VISION}/x?y=1")
    assert f"Location: https://{VISION}/x?y=1" in headers
    found = doors.ask("/").headers
    assert found["referrer-policy"] == "same-origin"
    assert found["www-authenticate"].startswith("Basic")


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
