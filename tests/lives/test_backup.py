"""Backups of a host with two teams: made while people work, tried out, and restored, also of a team that is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import demo
import pytest
from e2e import stage
from e2e.stage import ALICE, Stage, soon

DAVE = {"name": "dave", "password": "dave-try-out-only"}
PASSWORD, CREDENTIAL = "canary-repository-'1'", "canary-credential-$2"
BACKUPS = {
    "mlflow_backup_repository": "/srv/backups",
    "mlflow_backup_password": PASSWORD,
    "mlflow_backup_environment": {"AWS_SECRET_ACCESS_KEY": CREDENTIAL},
    "mlflow_backup_on_failure": "/usr/bin/touch /run/told-of",
}
RESTORE = "/usr/local/sbin/mlflowctl restore"
WRITERS, SECONDS = 16, 3600


def play(host: Stage, name: str, *more: str) -> demo.Play:
    """Run a playbook on a host with backups."""
    return host.play(name, *more, **BACKUPS)


def look(host: Stage, team: str) -> dict[str, Any]:
    """Return what the team's last snapshot says."""
    return dict(json.loads(host.sh(f"{RESTORE} {team} --dry-run")))


@pytest.fixture(scope="module")
def host(converged: Stage) -> Iterator[Stage]:
    """Give the host its backups."""
    host = converged.again()
    run = play(host, "site", "--diff", "-vv")
    assert run.code == 0, run.output[-5000:]
    assert [secret for secret in (PASSWORD, CREDENTIAL) if secret in run.output] == []
    yield host
    stage.forget_backups(host, "/srv/backups")


def notes(host: Stage) -> int:
    """Return how many artifacts of those clients a team has."""
    return int(host.sh("find /var/lib/mlflow/vision -name note.txt | wc -l"))


@pytest.fixture(scope="module")
def daves_run(host: Stage) -> str:
    """Let Dave log a run, and his team's server go to sleep."""
    run = demo.person(host.url(5002), DAVE, "log", "sentiment")["run"]
    host.sh("systemctl stop mlflow-listen@nlp.service")
    return str(run)


@pytest.fixture(scope="module")
def told(host: Stage, daves_run: str, tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """Back both teams up while one has sixteen clients; return what those were told is there, and when."""
    over = tmp_path_factory.mktemp("pour") / "over"
    arguments = ["pour", "resnet", "--seconds", str(SECONDS), "--writers", str(WRITERS), "--until", str(over)]
    with ThreadPoolExecutor(1) as pool:
        clients = pool.submit(demo.person, host.url(5001), ALICE, *arguments)
        try:
            # Somebody begins a second run, having been told of the first.
            assert soon(lambda: notes(host) > WRITERS)
            starts = host.starts("nlp")
            run = play(host, "backup_team")
            told = notes(host)
            assert soon(lambda: notes(host) > told + WRITERS)
        finally:
            over.touch()
        answer = clients.result()
    assert run.code == 0, run.output[-5000:]
    assert host.starts("nlp") == starts
    return list(answer["runs"])


def test_a_second_run_changes_nothing_and_timers_wait(host: Stage) -> None:
    run = play(host, "site")
    assert (run.code, run.changed, run.warnings) == (0, 0, []), run.output[-5000:]
    for timer in ("mlflow-backup@vision", "mlflow-backup@nlp", "mlflow-backup-prune", "mlflow-backup-age"):
        assert host.sh(f"systemctl is-active {timer}.timer && systemctl is-enabled {timer}.timer").split() == [
            "active",
            "enabled",
        ]


def test_the_unit_may_do_little(host: Stage) -> None:
    verdict = host.sh("systemd-analyze security --no-pager mlflow-backup@vision.service").splitlines()[-1]
    assert float(verdict.split(":")[1].split()[0]) < 3, verdict


def test_the_drill_finds_each_snapshot_as_it_says(host: Stage, told: list[list[Any]]) -> None:
    before = host.starts("vision"), host.starts("nlp")
    run = play(host, "drill_backup")
    assert run.code == 0, run.output[-5000:]
    assert run.output.count('"served": "yes"') == 2
    assert (host.starts("vision"), host.starts("nlp")) == before
    assert (
        host.sh("ls -A /var/lib/private/mlflow-drill; systemctl list-units --plain --no-legend 'mlflow-drill*'") == ""
    )


def test_a_restore_that_is_killed_leaves_the_team_as_it_is(host: Stage, told: list[list[Any]]) -> None:
    later = demo.person(host.url(5001), ALICE, "log", "resnet")["run"]
    noted = "/var/lib/mlflow-changes/vision.json"
    until_noted = f"while ! test -e {noted}; do kill -0 $it || exit 1; sleep 0.01; done"
    host.sh(f"{RESTORE} vision >/dev/null 2>&1 & it=$!; {until_noted}; kill -9 $it")
    # Whoever starts the server undoes it.
    assert demo.person(host.url(5001), ALICE, "see", "resnet", "--run", str(later)) == {"seen": True}
    assert host.sh(f"ls {noted}", check=False) == ""


def test_a_restore_brings_back_all_that_was_acknowledged(host: Stage, told: list[list[Any]]) -> None:
    snapshot = look(host, "vision")
    began = snapshot["began"] / 1e9
    before = [run for when, run in told if when < began]
    assert before
    assert len(before) < len(told)
    lost = demo.person(host.url(5001), ALICE, "lose", "resnet", "--run", before[0])
    assert lost == {"lost": True}
    run = play(host, "restore_team", "-e", "team=vision")
    assert run.code == 0, run.output[-5000:]
    assert "/var/lib/mlflow/.vision.restore/former" in run.output
    host.sh("test -s /var/lib/mlflow/.vision.restore/former/var/lib/mlflow/vision/mlflow.db")
    found = demo.person(host.url(5001), ALICE, "poured", "resnet")["runs"]
    assert set(before) <= set(found)
    again = play(host, "site")
    assert (again.code, again.changed) == (0, 0), again.output[-5000:]


def test_a_team_that_is_gone_comes_back(host: Stage, told: list[list[Any]], daves_run: str) -> None:
    stage.forget(host, "nlp")
    run = play(host, "restore_team", "-e", "team=nlp")
    assert run.code == 0, run.output[-5000:]
    assert demo.person(host.url(5002), DAVE, "see", "sentiment", "--run", daves_run) == {"seen": True}


def test_a_backup_that_fails_is_told(host: Stage, told: list[list[Any]]) -> None:
    host.sh("mv /srv/backups /srv/elsewhere")
    run = play(host, "backup_team", "-e", "team=vision")
    host.sh("mv /srv/elsewhere /srv/backups")
    assert run.code == 2
    assert "vision: " in run.output
    assert "mlflow_backup_repository: there is none at /srv/backups" in run.output
    # The command is given the unit's name, and works in /.
    assert soon(lambda: host.sh("ls /run/told-of /mlflow-backup@vision.service", check=False).count("\n") == 2)
    host.sh("rm /mlflow-backup@vision.service")


def test_a_snapshot_that_is_too_old_is_told(host: Stage, told: list[list[Any]]) -> None:
    look = "systemctl start mlflow-backup-age.service"
    host.sh(look)
    settings = "/etc/mlflow-backup/settings.json"
    host.sh(f"cp -p {settings} /root/settings.json; sed -Ei 's/(\"max_age\": )[0-9]+/\\10/' {settings}")
    try:
        host.sh(look, check=False)
        assert host.sh("systemctl is-failed mlflow-backup-age.service").strip() == "failed"
        said = host.journal("--unit=mlflow-backup-age --lines=20")
        assert "vision: its newest snapshot is" in said
        assert "nlp: its newest snapshot is" in said
        assert soon(lambda: host.sh("ls /mlflow-backup-age.service", check=False) != "")
        host.sh("rm /mlflow-backup-age.service")
    finally:
        host.sh(f"mv /root/settings.json {settings}")
    host.sh(look)


def test_artifacts_that_are_in_no_backup_are_told(host: Stage, told: list[list[Any]]) -> None:
    path = "/var/lib/mlflow/nlp/mlflow.db"
    change = "UPDATE experiments SET artifact_location = {} WHERE experiment_id = 0"
    own = "'file:///var/lib/mlflow/nlp/own'"
    ask = "SELECT artifact_location FROM experiments WHERE experiment_id = 0"
    program = (
        "import sqlite3, sys; it = sqlite3.connect(sys.argv[1]); print(it.execute(sys.argv[2]).fetchone()); it.commit()"
    )

    def sql(statement: str) -> str:
        return host.sh(f'python3 -c "{program}" {path} "{statement}"')

    former = sql(ask)
    sql(change.format(own))
    run = play(host, "backup_team", "-e", "team=nlp")
    assert run.code == 2
    assert "is made, but: artifacts of 1 rows or links are not in the server's own directory" in run.output
    known = host.play("site", **{**BACKUPS, "mlflow_backup_elsewhere": ["file:///var/lib/mlflow/nlp/own"]})
    assert known.code == 0, known.output[-5000:]
    assert play(host, "backup_team", "-e", "team=nlp").code == 0
    sql(change.format("'" + former.split("'")[1] + "'"))
    assert play(host, "site").code == 0


# Its clients have accounts on the host, and write there themselves.
FIELD = {
    "name": "field",
    "port": 5009,
    "admin_password": "admin of the field",
    "artifacts": {"serve": False, "root": "/srv/field"},
}


@pytest.fixture
def field(host: Stage) -> Iterator[str]:
    """A team of those; return how to see all that they have."""
    host.sh("install -d -m 2775 /srv/field/1/run && cd /srv/field/1/run && echo weights >model && echo note >private")
    host.sh("cd /srv/field/1/run && chown 4711:4711 model && chown 4712:4712 private && chmod 600 private")
    host.sh("ln -s /etc/shadow /srv/field/shadow")
    run = host.play("site", mlflow_teams=[FIELD], **BACKUPS)
    assert run.code == 0, run.output[-5000:]
    yield "cd /srv/field && find . -printf '%p %U %m %l\\n' | sort && cat 1/run/*"
    host.play("site", mlflow_teams=[{**FIELD, "state": "absent"}], mlflow_server_remove_data=True, **BACKUPS)
    host.sh("rm -rf /srv/field /srv/.field.restore /var/backups/mlflow/field-*")


def test_what_clients_keep_themselves_goes_the_same_way(host: Stage, field: str) -> None:
    def run(name: str, *more: str, **declared: Any) -> str:
        done = host.play(name, *more, mlflow_teams=[{**FIELD, **declared.pop("team", {})}], **declared, **BACKUPS)
        assert done.code == 0, done.output[-5000:]
        return str(done.output)

    before = host.sh(field)
    run("backup_team", "-e", "team=field")
    assert look(host, "field")["artifacts"]["files"] == 2
    assert '"served": "yes"' in run("drill_backup", "-e", "team=field")
    host.sh("cd /srv/field/1 && rm run/private && echo ruined >run/model && touch later")
    run("restore_team", "-e", "team=field")
    assert host.sh(field) == before
    host.sh("test -e /srv/.field.restore/former/srv/field/1/later")
    said = run("site", team={"state": "absent"}, mlflow_server_remove_data=True)
    assert "what its clients have at /srv/field stays where it is, and theirs" in said
    archive = host.sh("ls /var/backups/mlflow/field-*").strip()
    assert host.sh(f"tar -xzOf {archive} artifacts/1/run/model artifacts/1/run/private") == "weights\nnote\n"
    assert "artifacts/shadow -> /etc/shadow" in host.sh(f"tar -tvzf {archive}")
    assert host.sh(field) == before
    host.sh("test ! -e /srv/.field.restore")


def test_no_secret_was_ever_to_be_seen(host: Stage, told: list[list[Any]]) -> None:
    assert host.leaks(PASSWORD, CREDENTIAL, str(FIELD["admin_password"])) == []
