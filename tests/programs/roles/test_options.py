"""Options of roles that nginx or systemd would not take are named before anything is changed."""

import json
import os
import subprocess

import pytest

ROLES = {
    "mlflow_proxy": {
        "mlflow_proxy_domain": "mlflow.example.org; deny all",
        "mlflow_proxy_http_port": 99999,
        "mlflow_proxy_tls_certificate": "site.pem",
        "mlflow_proxy_tls_key": "/etc/a b.key",
        "mlflow_proxy_acme_email": "nobody",
        "mlflow_proxy_acme_server": "acme.example.org",
        "mlflow_proxy_acme_dir": "acme",
        "mlflow_proxy_hsts_max_age": -1,
        "mlflow_proxy_max_body_size": "10 GB",
        "mlflow_proxy_max_request_size": "16m; deny all",
        "mlflow_proxy_connections_per_address": 0,
        "mlflow_proxy_connections_per_team": -1,
        "mlflow_proxy_open_connections_per_address": -1,
        "mlflow_proxy_timeout": 0,
        "mlflow_proxy_login_rate": 0,
        "mlflow_proxy_login_rate_per_address": 0,
        "mlflow_proxy_metrics_networks": ["10.0.0.0/40"],
        "mlflow_proxy_usage_networks": ["office"],
        "mlflow_proxy_usage_password_file": "readers",
        "mlflow_proxy_title": "a\nb",
    },
    "mlflow_backup": {
        "mlflow_backup_schedule": "at night",
        "mlflow_backup_randomized_delay": "a while",
        "mlflow_backup_prune_schedule": ["daily"],
        "mlflow_backup_age_schedule": "daily;",
        "mlflow_backup_timeout": "never",
        "mlflow_backup_on_failure": "mail-root",
        "mlflow_backup_staging_dir": "copies",
        "mlflow_backup_max_age_hours": 0,
        "mlflow_backup_keep_last": -1,
        "mlflow_backup_keep_daily": -1,
        "mlflow_backup_keep_weekly": -1,
        "mlflow_backup_keep_monthly": -1,
        "mlflow_backup_keep_yearly": -1,
    },
    "mlflow_server": {
        "mlflow_server_install_dir": "opt/mlflow",
        "mlflow_server_python": "python3 -O",
        "mlflow_server_archive_dir": "/a$b",
        "mlflow_server_on_failure": "mail root",
        "mlflow_server_start_timeout": 0,
        "mlflow_server_starts_at_once": -1,
        "mlflow_server_upgrade_batch": 0,
        "mlflow_server_memory_high": "150%",
        "mlflow_server_memory_max": "0",
    },
    "mlflow_monitoring": {
        "mlflow_monitoring_textfile_dir": "a dir",
        "mlflow_monitoring_schedule": "often",
        "mlflow_monitoring_walk_schedule": "4",
        "mlflow_monitoring_walk_delay": "1 hou",
        "mlflow_monitoring_keep_days": 0,
        "mlflow_monitoring_read_seconds": -1,
    },
}
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ {'problems': NAME_problems} | to_json }}"
  vars_files: [ROLE/defaults/main.yml, ROLE/vars/main/main.yml]
  vars:
    __mlflow_proxy_declared: "{{ query('mlops.mlflow.all_teams', from_host='localhost', resolve=true) | first }}"
    __mlflow_server_declared: "{{ query('mlops.mlflow.teams', resolve=true) | first }}"
    __mlflow_backup_declared: "{{ query('mlops.mlflow.teams', resolve=true) | first }}"
"""
ENOUGH = {
    "mlflow_proxy_domain": "mlflow.example.org",
    "mlflow_backup_repository": "/srv/backups",
    "mlflow_backup_password": "a long enough password",
}


@pytest.mark.parametrize("role", ROLES)
def test_each_option_that_cannot_work_is_named(role, request, tmp_path):
    root = request.config.rootpath
    file = tmp_path / "play.yml"
    file.write_text(PLAYBOOK.replace("ROLE", str(root / "roles" / role)).replace("NAME", f"__{role}"))
    wrong = ROLES[role]

    def problems(given):
        done = subprocess.run(
            ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", json.dumps({**ENOUGH, **given}), str(file)],
            env={
                **os.environ,
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.json",
                "ANSIBLE_COLLECTIONS_PATH": str(root / "build" / "checkout"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said = json.loads(done.stdout)["plays"][0]["tasks"][0]["hosts"]["localhost"]["msg"]
        return (json.loads(said) if isinstance(said, str) else said)["problems"]

    assert problems({}) == []
    found = problems(wrong)
    named = [line.split(":")[0] for line in found if " is not a valid " in line]
    assert named == list(wrong)
    # What stands there with nothing behind the colon.
    empty = [*wrong, *(["mlflow_server_wheel_dir"] if role == "mlflow_server" else [])]
    assert {line.split(":")[0] for line in problems(dict.fromkeys(empty))} >= set(empty)
