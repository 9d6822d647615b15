"""People reach their team by name, over TLS, from where they work, with nothing to look up."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e import stage
from e2e.browser import browser
from e2e.doors import DOMAIN, NLP, PEOPLE, PICTURES, VISION, Connection, Doors, tls_offered
from e2e.stage import Stage

ALICE = "alice:alice-try-out-only"
LARGE = 600 * 1024**2
NEW_RUN = "/api/2.0/mlflow/runs/create"
PROJECT = {
    "MLproject": "name: try-out\nentry_points:\n  main:\n    command: python train.py\n",
    "train.py": "import mlflow\nwith mlflow.start_run():\n    mlflow.log_metric('done', 1)\n",
}


@pytest.fixture(scope="module")
def doors(converged: Stage, bare: Stage) -> Iterator[Doors]:
    """Put a proxy in front of the demo's host, and people on it."""
    both = Doors(converged, bare)
    names = f"{bare.host.address} {DOMAIN} {VISION} {NLP}\n"
    converged.sh(
        f"cp /etc/hosts /root/hosts; cat >> /etc/hosts; for user in {' '.join(PEOPLE)}; do useradd -m $user; done",
        names,
    )
    run = both.play("site")
    assert run.code == 0, run.output[-5000:]
    yield both
    converged.sh(
        f"cat /root/hosts > /etc/hosts; for user in {' '.join(PEOPLE)}; do userdel -r $user; done", check=False
    )
    # Its servers answer to their address again.
    assert converged.play("site").code == 0


@pytest.fixture(scope="module")
def run_id(doors: Doors) -> str:
    """Log a run as Alice, with what the role has written for her and nothing else."""
    script = (Path(__file__).parent / "quickstart.py").read_text()
    doors.server.sh("cat > /tmp/quickstart.py", script)
    answer = doors.person("alice", "mlflow-team vision python /tmp/quickstart.py").splitlines()[-1]
    word, run, uri = answer.split()
    assert (word, uri) == ("run", f"https://{VISION}")
    return run


def test_a_second_run_changes_nothing(doors: Doors) -> None:
    run = doors.play("site")
    assert run.code == 0, run.output[-5000:]
    recaps = [line for line in run.output.splitlines() if "changed=" in line]
    assert len(recaps) == 3
    assert [line for line in recaps if "changed=0 " not in line] == [], run.output[-5000:]


def test_the_quickstart_works_by_name_and_by_path(doors: Doors, run_id: str) -> None:
    assert doors.ask(f"/api/2.0/mlflow/runs/get?run_id={run_id}", ALICE).status == 200
    by_path = doors.person("alice", f"mlflow-team vision python /tmp/quickstart.py https://{DOMAIN}/vision")
    assert by_path.splitlines()[-1].endswith(f"https://{DOMAIN}/vision")


def test_a_project_runs_as_its_user(doors: Doors) -> None:
    doors.person("bob", "mkdir -p project")
    for name, text in PROJECT.items():
        doors.server.sh(f"cat > /home/bob/project/{name}", text)
    doors.person("bob", "mlflow-team vision mlflow run --env-manager local --experiment-name resnet project 2>&1")


def test_only_the_user_can_read_what_was_written(doors: Doors) -> None:
    assert doors.person("alice", "cat /home/bob/.config/mlflow/vision.env", check=False) == ""
    assert "alice-try-out-only" in doors.person("alice", "cat ~/.mlflow/credentials")
    assert doors.person("dave", "mlflow-team").split() == ["*", "nlp"]
    assert [secret for secret in ("alice-try-out-only", "vision-admin-try-out") if doors.proxy.leaks(secret)] == []


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
    assert doors.ask("/metrics", "admin:vision-admin-try-out").status == 403
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


def test_an_artifact_passes_through_without_staying(doors: Doors, run_id: str) -> None:
    info = json.loads(doors.ask(f"/api/2.0/mlflow/runs/get?run_id={run_id}", ALICE).text)["run"]["info"]
    where = info["artifact_uri"].replace("mlflow-artifacts:", "api/2.0/mlflow-artifacts/artifacts")
    curl = f"curl --silent --show-error --fail --user {ALICE} https://{VISION}/{where}/large"
    before = doors.disk_used()
    doors.server.sh(f"head -c {LARGE} /dev/zero > /home/large; {curl} --upload-file /home/large; rm /home/large")
    received = doors.server.sh(f"{curl} | wc -c")
    assert int(received) == LARGE
    assert doors.disk_used() - before < LARGE / 20


def test_a_sleeping_team_wakes_behind_it(doors: Doors) -> None:
    doors.server.sh("systemctl stop mlflow-listen@vision.service")
    assert doors.ask("/api/2.0/mlflow/users/current", ALICE).status == 200


def test_only_new_tls_and_plain_http_leads_to_it(doors: Doors) -> None:
    offered = {
        version: tls_offered(doors.proxy.host.address, version) for version in ("tls1", "tls1_1", "tls1_2", "tls1_3")
    }
    assert offered == {"tls1": False, "tls1_1": False, "tls1_2": True, "tls1_3": True}
    headers = doors.server.sh(f"curl --silent --head http://{VISION}/x?y=1")
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


def test_a_team_is_onboarded_to_its_first_run(doors: Doors) -> None:
    team = {
        "name": "audio",
        "port": 5003,
        "description": "Listens",
        "admin_password": "audio-admin-try-out",
        "users": [{"name": "alice", "password": "alice-of-audio"}],
        "experiments": [{"name": "speech", "grants": {"alice": "EDIT"}}],
    }
    doors.server.sh(f"echo {doors.proxy.host.address} audio.{DOMAIN} >> /etc/hosts")
    run = doors.play("onboard_team", "-e", "team=audio", mlflow_team_audio=team)
    assert run.code == 0, run.output[-5000:]
    assert f"Team audio is at https://audio.{DOMAIN}" in run.output
    assert "alice-of-audio" not in run.output
    write = "import mlflow; mlflow.set_experiment('speech'); mlflow.log_metric('loss', 0.1); print('done')"
    assert "done" in doors.person("alice", f'mlflow-team audio python -c "{write}"').splitlines()
    assert "Listens" in doors.ask("/", name=DOMAIN).text
    stage.forget(doors.server, "audio")
