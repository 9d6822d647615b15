"""What somebody sees who tries the collection out."""

from __future__ import annotations

import json
import subprocess

import demo
from e2e.stage import Stage

Run = subprocess.CompletedProcess[str]


def test_demo_says_what_works(first_demo: Run) -> None:
    assert first_demo.stdout.count("  ok  ") == 8
    assert "Team vision: http://" in first_demo.stdout


def test_demo_keeps_who_can_log_in(converged: Stage, second_demo: Run) -> None:
    assert demo.RESULT.stat().st_mode & 0o777 == 0o600
    kept = json.loads(demo.RESULT.read_text())
    assert {team["name"] for team in kept["teams"]} == {"nlp", "vision"}
    for team in kept["teams"]:
        assert set(team) == {"name", "url", "admin", "users"}
        assert len(team["users"]) == 3
        port = int(team["url"].rpartition(":")[2])
        assert team["url"] == converged.url(port)
        for user in [team["admin"], *team["users"]]:
            assert converged.login(port, user["username"], user["password"]) == 200


def test_second_demo_changes_nothing(second_demo: Run) -> None:
    assert "nothing was changed on the host" in second_demo.stdout
    assert "changed=0 " in second_demo.stdout


def test_dry_run_on_a_bare_host_works_and_touches_nothing(bare: Stage) -> None:
    run = bare.play("site", "--check", "--diff")
    assert (run.code, run.warnings) == (0, []), run.output
    assert run.changed > 0
    assert bare.sh("ls -d /etc/mlflow /opt/mlflow /var/lib/mlflow; getent passwd mlflow-vision", check=False) == ""
