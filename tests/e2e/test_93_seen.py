"""A real Prometheus watches the teams: it wakes nobody, and its alarms go off and out again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import project
import pytest
from e2e import alerts
from e2e.browser import browser
from e2e.stage import ALICE, Stage, soon

FIGURES = "/var/lib/prometheus/node-exporter/mlflow.prom"
RULES = "/etc/prometheus/mlflow_rules.yml"
# Kept, to be looked at.
PICTURES = project.BUILD / "usage"
CERTIFICATE = "/etc/ssl/of-the-proxy.crt"
# Quicker than for people, so that nobody has to wait.
QUICK = {
    "mlflow_monitoring_state": "present",
    "mlflow_monitoring_schedule": "*:*:0/5",
    "mlflow_monitoring_read_seconds": 5,
    "mlflow_monitoring_for": "1s",
    "mlflow_monitoring_for_long": "1s",
    "mlflow_monitoring_certificates": [CERTIFICATE],
}
PROMETHEUS = f"""
global: {{scrape_interval: 2s, evaluation_interval: 2s}}
rule_files: [{RULES}]
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:9100"]}}]
"""
ALARMS = {("MlflowTeamCannotStart", "vision"), ("MlflowTeamNotMeasured", "vision"), ("MlflowCertificateEnds", "")}


def certify(stage: Stage, days: int) -> None:
    stage.sh(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days {days} -subj /CN=x -keyout /dev/null -out {CERTIFICATE} 2>&1"
    )


def ask(stage: Stage, path: str) -> dict[str, Any]:
    """Return what Prometheus answers; nothing while it starts."""
    answer = stage.sh(f"curl --silent --max-time 10 'http://127.0.0.1:9090/api/v1/{path}'", check=False)
    return dict(json.loads(answer)["data"]) if answer.startswith("{") else {}


def firing(stage: Stage) -> set[tuple[str, str]]:
    found = [it["labels"] for it in ask(stage, "alerts").get("alerts", []) if it["state"] == "firing"]
    return {(labels["alertname"], labels.get("team", "")) for labels in found}


def holds(stage: Stage, question: str) -> bool:
    return bool(ask(stage, f"query?query={quote(question)}").get("result"))


@pytest.fixture(scope="module")
def watched(converged: Stage) -> Iterator[Stage]:
    """Measure the teams, with Prometheus and node_exporter as Debian has them; both are left out afterwards."""
    certify(converged, 365)
    run = converged.play("site", **QUICK)
    assert run.code == 0, run.output
    install = "DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends"
    converged.sh(f"apt-get update -qq && {install} prometheus prometheus-node-exporter 2>&1")
    converged.sh("cat > /etc/prometheus/prometheus.yml", feed=PROMETHEUS)
    yield converged
    run = converged.play("site", mlflow_monitoring_state="absent")
    assert run.code == 0, run.output
    assert converged.sh(f"ls {FIGURES} /etc/systemd/system/mlflow-monitoring* 2>/dev/null", check=False) == ""
    converged.sh(f"apt-get purge -qq prometheus prometheus-node-exporter 2>&1; rm -f {CERTIFICATE}", check=False)


def test_rules_and_figures_are_as_prometheus_wants_them(watched: Stage) -> None:
    run = watched.play("watch_teams", **QUICK)
    assert run.code == 0, run.output
    rules = watched.sh(f"cat {RULES}")
    assert alerts.names(rules) == set(alerts.CASES)
    watched.sh("cat > /etc/prometheus/tests.yml", feed=alerts.promtool_tests(RULES))
    assert "SUCCESS" in watched.sh("promtool test rules /etc/prometheus/tests.yml")
    assert soon(lambda: watched.sh(f"ls {FIGURES}", check=False) != "")
    assert watched.sh(f"promtool check metrics < {FIGURES} 2>&1") == ""
    assert watched.sh(f"stat -c %a:%U {FIGURES}").strip() == "644:root"


def test_a_second_run_changes_nothing(watched: Stage) -> None:
    run = watched.play("site", **QUICK)
    assert (run.code, run.changed) == (0, 0), run.output


def test_alarms_go_off_and_out_again_while_others_sleep(watched: Stage) -> None:
    stage = watched
    stage.sh("systemctl restart prometheus prometheus-node-exporter")
    stage.sh("systemctl stop mlflow-listen@nlp.service mlflow-listen@vision.service")
    asleep = 'mlflow_team_state{team="nlp",state="asleep"} == 1'
    assert soon(lambda: holds(stage, asleep))
    before, life = stage.starts("nlp"), stage.sh("systemctl show --property=InvocationID,NRestarts mlflow@nlp.service")
    assert soon(lambda: firing(stage) == set()), firing(stage)

    certify(stage, 5)
    stage.sh("mv /etc/mlflow/vision/venv /etc/mlflow/vision/venv.gone; chmod 000 /var/lib/mlflow/vision/*.db")
    # So that there is something to read again.
    stage.sh("touch /var/lib/mlflow/vision/*.db")
    # Somebody comes, and waits.
    stage.sh("curl --silent --max-time 5 http://127.0.0.1:5001/health", check=False)
    assert soon(lambda: firing(stage) == ALARMS), firing(stage)
    # What is one team's fault leaves the other's figures alone.
    assert holds(stage, 'mlflow_team_scrape_error{team="nlp"} == 0 and mlflow_team_users{team="nlp"} == 4')

    certify(stage, 365)
    stage.sh("mv /etc/mlflow/vision/venv.gone /etc/mlflow/vision/venv; chmod 600 /var/lib/mlflow/vision/*.db")
    assert stage.login(5001, **ALICE) == 200
    assert soon(lambda: firing(stage) == set()), firing(stage)
    assert holds(stage, 'mlflow_team_starts_total{team="vision"} > 0')

    assert stage.login(5001, ALICE["name"], "a wrong one") == 401
    assert soon(lambda: holds(stage, 'mlflow_team_requests_refused_total{team="vision",status="401"} > 0'))

    assert holds(stage, asleep)
    assert stage.starts("nlp") == before
    assert stage.sh("systemctl show --property=InvocationID,NRestarts mlflow@nlp.service") == life


def test_a_page_says_what_the_teams_use(watched: Stage, tmp_path: Path) -> None:
    watched.sh("systemctl start mlflow-monitoring-walk.service")
    # Not one that had begun to look before the walk was over.
    watched.sh("systemctl restart mlflow-monitoring.service")
    awake = watched.sh("systemctl is-active mlflow@nlp.service", check=False)
    run = watched.play("report_usage", mlflow_monitoring_report_dir=str(PICTURES))
    assert run.code == 0, run.output
    assert watched.sh("systemctl is-active mlflow@nlp.service", check=False) == awake
    told = json.loads((PICTURES / "usage.json").read_text())["mlflow1"]["teams"]
    assert next(it["runs"] for it in told["vision"]["experiments"] if it["name"] == "resnet") > 0
    assert told["vision"]["days"][-1]["artifacts_bytes"] > 0
    assert '"mlflow1","nlp","3.17.2"' in (PICTURES / "usage.csv").read_text()
    with browser(tmp_path, {}, "none") as page:
        page.open((PICTURES / "usage.html").as_uri())
        page.wait_for("Every team")
        for size in ("desktop", "phone"):
            page.look(PICTURES / f"{size}.png", size)
            assert page.run("document.documentElement.scrollWidth <= innerWidth")
        page.look(PICTURES / "dark.png", dark=True)
        first = "document.querySelector('tbody th').textContent"
        assert page.run(first) == "nlp"
        for expected in ("vision", "nlp"):
            page.run("document.querySelector('thead button').click()")
            assert page.run(first) == expected
