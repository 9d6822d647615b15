"""Who names a team for which nothing can be done is told so: a run that ends well has done what it was asked for."""

import os
import subprocess

import pytest
import yaml

TEAM = {"name": "vision", "port": 5001, "admin_password": "a long enough password", "users": []}
STOPPED = "state: team vision is stopped, and nobody could tell its server; declare it as present and run"
EXCLUDED = "mlflow_backup_exclude: names team vision, which so has no backups"


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
def test_a_team_for_which_nothing_can_be_done(playbook, said, request, tmp_path):
    inventory, dest = tmp_path / "hosts.yml", tmp_path / "new.yml"
    host = {"ansible_connection": "local", "ansible_become": False}
    settings = {
        "mlflow_teams": [{**TEAM, "state": "stopped"}],
        "mlflow_backup_repository": "/srv/backups",
        "mlflow_backup_exclude": ["vision"],
    }
    inventory.write_text(yaml.safe_dump({"mlflow_servers": {"hosts": {"localhost": {**host, **settings}}}}))
    done = subprocess.run(
        ["ansible-playbook", "-i", inventory, f"mlops.mlflow.{playbook}", "-e", f"team=vision dest={dest}"],
        env={
            **os.environ,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_COLLECTIONS_PATH": str(request.config.rootpath / "build" / "checkout"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in " ".join(done.stdout.split()), done.stdout
    assert not dest.exists()
