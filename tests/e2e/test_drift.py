"""What somebody did to a host by hand is mended."""

from __future__ import annotations

from e2e.stage import ALICE, Stage


def properties(stage: Stage, unit: str) -> str:
    return stage.sh(f"systemctl show --value --property=ActiveState,UnitFileState {unit}").replace("\n", " ").strip()


def test_the_next_run_mends_what_was_done_by_hand(converged: Stage) -> None:
    stage = converged
    stage.sh("echo MLFLOW_SERVER_ALLOWED_HOSTS=none >> /etc/mlflow/vision/environment")
    stage.sh("chmod 644 /etc/mlflow/nlp/secrets.env; chown nobody /etc/mlflow/nlp/basic_auth.ini")
    stage.sh("systemctl stop mlflow@nlp.service mlflow-listen@nlp.socket; systemctl enable --quiet mlflow@nlp.service")
    stage.sh("systemctl restart mlflow@vision; systemctl disable --quiet mlflow-listen@vision.socket")
    assert stage.login(5001, **ALICE) == 403
    run = stage.play("site")
    assert run.code == 0, run.output
    assert stage.login(5001, **ALICE) == 200
    assert stage.login(5002, "dave", "dave-try-out-only") == 200
    assert stage.sh("stat -c %a /etc/mlflow/nlp/secrets.env").strip() == "600"
    assert stage.sh("stat -c %U /etc/mlflow/nlp/basic_auth.ini").strip() == "root"
    for team in ("nlp", "vision"):
        assert properties(stage, f"mlflow-listen@{team}.socket") == "active enabled"
        assert properties(stage, f"mlflow@{team}.service") == "active disabled"


def test_a_dry_run_where_all_is_well_predicts_nothing(converged: Stage) -> None:
    run = converged.play("site", "--check", "--diff")
    assert (run.code, run.changed, run.warnings) == (0, 0, []), run.output
