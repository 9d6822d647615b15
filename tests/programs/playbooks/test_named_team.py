"""Who names a team for which nothing can be done is told so: a run that ends well has done what it was asked for."""

import pytest

TEAM = {"name": "vision", "port": 5001, "admin_password": "a long enough password", "users": []}
STOPPED = "state: team vision is stopped, and nobody could tell its server; declare it as present and run"
EXCLUDED = "mlflow_backup_exclude: names team vision, which so has no backups"
HOST = {
    "ansible_connection": "local",
    "ansible_become": False,
    "mlflow_teams": [{**TEAM, "state": "stopped"}],
    "mlflow_backup_repository": "/srv/backups",
    "mlflow_backup_exclude": ["vision"],
}


@pytest.mark.parametrize(
    ("playbook", "said"),
    [
        ("rotate_passwords", STOPPED),
        ("rotate_secrets", STOPPED),
        ("readmit_admin", STOPPED),
        ("backup_team", EXCLUDED),
        ("drill_backup", EXCLUDED),
    ],
)
def test_a_team_for_which_nothing_can_be_done(playbook, said, play, tmp_path):
    dest = tmp_path / "new.yml"
    done = play(playbook, {"mlflow_servers": {"localhost": HOST}}, "-e", f"team=vision dest={dest}")
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in " ".join(done.stdout.split()), done.stdout
    assert not dest.exists()
