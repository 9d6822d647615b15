"""A real Prometheus watches the teams: it wakes nobody, and its alarms go off and out again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import project
import pytest
from ansible_collections.mlops.mlflow.plugins.plugin_utils.usage import usage_page
from e2e import alerts, history
from e2e.browser import Browser, browser
from e2e.stage import ALICE, Stage, forget_backups, soon
from unit.plugin_utils.usage_month import NOW, reports

FIGURES = "/var/lib/prometheus/node-exporter/mlflow.prom"
RULES = "/etc/prometheus/mlflow_rules.yml"
DASHBOARD = project.ROOT / "roles" / "mlflow_monitoring" / "files" / "dashboard.json"
# Every metric, as the program on the host knows it.
KINDS = """
import json, sys
sys.path.insert(0, "/usr/local/lib/mlflow")
from monitoring import exposition, kinds
found = [it for it in vars(kinds).values() if isinstance(it, exposition.Kind)]
print(json.dumps({it.name: "counter" if it.counter else "gauge" for it in found}))
"""
# A month that was, in a Prometheus of its own. Between two looks it has what the last one saw.
MONTH = "/srv/month"
PORT = 9091
LATER_PROMETHEUS = f"""
set -e
cd {MONTH}
promtool tsdb create-blocks-from --max-block-duration=1440h openmetrics history data >/dev/null
echo 'global: {{}}' > prometheus.yml
systemd-run --quiet --collect --unit=month prometheus --config.file={MONTH}/prometheus.yml \
  --storage.tsdb.path={MONTH}/data --storage.tsdb.retention.time=90d \
  --web.listen-address=127.0.0.1:{PORT} --query.lookback-delta=4h
"""
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
BACKUPS = {
    "mlflow_backup_repository": "/srv/backups-that-are-watched",
    "mlflow_backup_password": "of the repository that is watched",
    "mlflow_backup_max_age_hours": 24,
}
ADMIN = {"name": "admin", "password": "vision-admin-try-out"}
BOB = {"name": "bob", "password": "bob-try-out-only"}
ALARMS = {("MlflowTeamCannotStart", "vision"), ("MlflowTeamNotMeasured", "vision"), ("MlflowCertificateEnds", "")}


def certify(stage: Stage, days: int) -> None:
    stage.sh(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days {days} -subj /CN=x -keyout /dev/null -out {CERTIFICATE} 2>&1"
    )


def answer(stage: Stage, path: str, port: int = 9090) -> dict[str, Any]:
    """Return what Prometheus answers, an error among it; nothing while it starts."""
    said = stage.sh(f"curl --silent --max-time 30 'http://127.0.0.1:{port}/api/v1/{path}'", check=False)
    return dict(json.loads(said)) if said.startswith("{") else {}


def ask(stage: Stage, path: str) -> dict[str, Any]:
    """Return what it has to say."""
    return dict(answer(stage, path).get("data", {}))


def firing(stage: Stage) -> set[tuple[str, str]]:
    found = [it["labels"] for it in ask(stage, "alerts").get("alerts", []) if it["state"] == "firing"]
    # How often a server that cannot start was started is remembered for an hour, and depends on the machine.
    found = [labels for labels in found if labels["alertname"] != "MlflowTeamRestarts"]
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
    stage.sh("curl --silent --max-time 30 http://127.0.0.1:5001/health", check=False)
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
    # Not one that falls asleep meanwhile.
    watched.sh("systemctl stop mlflow-listen@nlp.service mlflow@nlp.service")
    run = watched.play("report_usage", mlflow_monitoring_report_dir=str(PICTURES))
    assert run.code == 0, run.output
    assert watched.sh("systemctl is-active mlflow@nlp.service", check=False).strip() == "inactive"
    told = json.loads((PICTURES / "usage.json").read_text())["mlflow1"]["teams"]
    assert next(it["runs"] for it in told["vision"]["experiments"] if it["name"] == "resnet") > 0
    assert told["vision"]["days"][-1]["artifacts_bytes"] > 0
    assert '"mlflow1","nlp","3.17.2"' in (PICTURES / "usage.csv").read_text()
    with browser(tmp_path, {}, "none") as page:
        open_whole(page, PICTURES / "usage.html")
        for size in ("desktop", "phone"):
            page.look(PICTURES / f"{size}.png", size)
            assert page.run("document.documentElement.scrollWidth <= innerWidth")
        page.look(PICTURES / "dark.png", dark=True)
        first = "document.querySelector('tbody th').textContent"
        assert page.run(first) == "nlp"
        for expected in ("vision", "nlp"):
            page.run("document.querySelector('thead button').click()")
            assert page.run(first) == expected


def open_whole(page: Browser, file: Path) -> None:
    """Go to a page of usage, and wait for what comes further down, too."""
    page.open(file.as_uri())
    page.wait_for("Every team")
    assert soon(lambda: page.run("document.readyState") == "complete")


def start(stage: Stage) -> None:
    """Let Prometheus look at the rules as they are, with nothing that would set one of them off."""
    stage.sh("systemctl restart prometheus prometheus-node-exporter")
    assert soon(lambda: holds(stage, 'mlflow_team_state{team="vision"}'))
    assert soon(lambda: firing(stage) == set()), firing(stage)


def test_a_grant_by_hand_is_told_until_the_next_run(watched: Stage) -> None:
    stage = watched
    start(stage)
    as_declared = 'mlflow_team_grants_as_declared{team="vision"} == 1'
    assert soon(lambda: holds(stage, as_declared))
    # What people make for themselves is no such thing.
    made = stage.answer(5001, *BOB.values(), "/api/2.0/mlflow/experiments/create", {"name": "of bob"})
    assert made[0] == 200, made
    assert soon(lambda: holds(stage, 'mlflow_team_access_as_declared{team="vision"} == 0')), made
    assert holds(stage, as_declared)

    found = stage.answer(5001, *ALICE.values(), "/api/2.0/mlflow/experiments/get-by-name?experiment_name=segmentation")
    grant = {
        "username": "carol",
        "resource_type": "experiment",
        "resource_id": json.loads(found[1])["experiment"]["experiment_id"],
        "permission": "MANAGE",
    }
    # She may read it, as one of a group.
    given = stage.answer(5001, *ADMIN.values(), "/api/3.0/mlflow/users/permissions/grant", grant)
    assert given[0] == 200, given
    assert soon(lambda: firing(stage) == {("MlflowAccessDrifted", "vision")}), firing(stage)

    run = stage.play("site", **QUICK)
    assert run.code == 0, run.output
    assert run.changed > 0, run.output
    assert soon(lambda: firing(stage) == set()), firing(stage)
    assert holds(stage, as_declared)


def test_a_backup_that_is_too_old_is_told_until_there_is_another(watched: Stage) -> None:
    stage, noted = watched, "/var/cache/mlflow-backup/noted"
    run = stage.play("site", **QUICK, **BACKUPS)
    assert run.code == 0, run.output
    start(stage)
    # The last that came of a host whose backups stood still for two days.
    restic = f"restic --repo {BACKUPS['mlflow_backup_repository']} --password-file /etc/mlflow-backup/password"
    made = '--time "$(date --date=-2days +%F\\ %T)" --host mlflow1 --tag mlflow --tag'
    for team in ("vision", "nlp"):
        stage.sh(f"{restic} backup {made} team={team} /var/lib/mlflow/{team}")
    stage.sh("systemctl start mlflow-backup-age.service", check=False)
    assert stage.sh("systemctl is-failed mlflow-backup-age.service").strip() == "failed"
    old = {("MlflowBackupTooOld", team) for team in ("vision", "nlp")}
    assert soon(lambda: firing(stage) == old), firing(stage)
    try:
        run = stage.play("backup_team", **BACKUPS)
        assert run.code == 0, run.output
        assert soon(lambda: firing(stage) == set()), firing(stage)
        assert soon(lambda: holds(stage, 'mlflow_team_backup_bytes{team="nlp"} > 0'))
    finally:
        forget_backups(stage, f"{BACKUPS['mlflow_backup_repository']} {noted}")
        stage.sh("systemctl reset-failed mlflow-backup-age.service", check=False)


def test_a_disk_that_is_nearly_full_is_told_until_there_is_room_again(watched: Stage) -> None:
    stage, home, kept = watched, "/var/lib/mlflow/vision", "/var/lib/of-vision"
    start(stage)
    socket = "mlflow-listen@vision.socket"
    units = f"{socket} mlflow-listen@vision.service mlflow@vision.service"
    stage.sh(f"systemctl stop {units}; mkdir {kept}; mount --bind {home} {kept}")
    try:
        # But for the artifacts, of which the other stories may have left more.
        stage.sh(
            f"mount -t tmpfs -o size=256m tmpfs {home} && chown --reference={kept} {home} && "
            f"chmod --reference={kept} {home} && "
            f"find {kept} -mindepth 1 -maxdepth 1 ! -name artifacts -exec cp -a -t {home} {{}} + && "
            f"runuser -u mlflow-vision -- mkdir {home}/artifacts && systemctl start {socket}"
        )
        assert stage.login(5001, **ALICE) == 200
        assert soon(lambda: holds(stage, 'mlflow_team_filesystem_size_bytes{team="vision"} < 3e8'))
        assert soon(lambda: firing(stage) == set()), firing(stage)
        room = f"$(( $(stat --file-system --format=%a {home}) * $(stat --file-system --format=%S {home}) * 95 / 100 ))"
        stage.sh(f"runuser -u mlflow-vision -- sh -c 'head -c {room} /dev/zero > {home}/artifacts/large'")
        assert soon(lambda: firing(stage) == {("MlflowDiskNearlyFull", "vision")}), firing(stage)
        # Who logs still can.
        assert stage.login(5001, **ALICE) == 200
        stage.sh(f"rm {home}/artifacts/large")
        assert soon(lambda: firing(stage) == set()), firing(stage)
    finally:
        stage.sh(f"systemctl stop {units}; umount --lazy {home} && umount {kept} && rmdir {kept}")
        stage.sh(f"systemctl start {socket}")


def test_a_page_of_thirty_teams_and_a_month_fits_a_desk_and_a_phone(tmp_path: Path) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / "month.html").write_text(usage_page(reports(30), NOW))
    with browser(tmp_path, {}, "none") as page:
        open_whole(page, PICTURES / "month.html")
        assert page.run("document.querySelectorAll('svg').length") == 30 * 4
        for size in ("desktop", "phone"):
            page.look(PICTURES / f"month-{size}.png", size)
            page.run("document.querySelectorAll('h2')[7].scrollIntoView()")
            page.look(PICTURES / f"month-{size}-team.png", size)
            assert page.run("document.documentElement.scrollWidth <= innerWidth")
            # No chart is wider than what it stands in.
            widest = "Math.max(...[...document.querySelectorAll('svg')].map(e => e.getBoundingClientRect().right))"
            assert page.run(f"{widest} <= innerWidth")
        page.look(PICTURES / "month-dark.png", dark=True)


@pytest.fixture
def month(watched: Stage) -> Iterator[tuple[str, int]]:
    """Give Prometheus a month of thirty teams; return that as text, and when it ended."""
    end = int(watched.sh("date +%s"))
    text = history.openmetrics(json.loads(watched.sh("/usr/bin/python3 -", feed=KINDS)), end)
    watched.sh(f"mkdir {MONTH} && cat > {MONTH}/history", feed=text)
    watched.sh(LATER_PROMETHEUS)
    yield text, end
    watched.sh(f"systemctl stop month; rm -rf {MONTH}", check=False)


def test_every_panel_of_the_dashboard_shows_something_of_a_month(watched: Stage, month: tuple[str, int]) -> None:
    text, end = month
    # It is made of what the host says of its teams.
    assert history.shapes(watched.sh(f"cat {FIGURES}")) <= history.shapes(text)
    assert soon(lambda: answer(watched, "query?query=1", PORT).get("status") == "success")
    board = json.loads(DASHBOARD.read_text())
    choices = {}
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            metric, label = history.LABEL_VALUES.fullmatch(variable["query"]["query"]).groups()
            wanted = quote(metric.replace("$instance", ".*"))
            choices[variable["name"]] = answer(watched, f"label/{label}/values?match%5B%5D={wanted}", PORT)["data"]
    assert {name: len(values) for name, values in choices.items()} == {"instance": 1, "team": history.TEAMS}

    begin, seen = end - history.DAYS * history.DAY, set()
    for title, question, of_one_moment in history.asked(board, instance=".*", team="team-07"):
        when = f"time={end}" if of_one_moment else f"start={begin}&end={end}&step=1800"
        path = f"{'query' if of_one_moment else 'query_range'}?query={quote(question)}&{when}"
        said = answer(watched, path, PORT)
        assert said["status"] == "success", (title, question, said)
        assert said["data"]["result"], (title, question)
        seen.add(title)
    assert seen == {it["title"] for it in board["panels"] if it["type"] != "row"}
