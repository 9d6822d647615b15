"""A proxy, a client, a PostgreSQL or an S3 that is down keeps nothing else from being done, and the run says so."""

import sys

import pytest

GONE = {"ansible_host": "127.0.0.1", "ansible_port": 1}
# Its declaration is refused before anything else.
SERVER = {
    "ansible_connection": "local",
    "ansible_become": False,
    "ansible_python_interpreter": sys.executable,
    "mlflow_teams": [{"name": "vision", "port": 80, "admin_password": "a long enough password"}],
}


@pytest.mark.parametrize(
    ("group", "playbook"),
    [
        ("mlflow_proxies", "configure_proxies"),
        ("mlflow_clients", "configure_proxies"),
        ("mlflow_databases", "make_databases"),
        ("mlflow_buckets", "make_buckets"),
    ],
)
def test_the_only_host_of_a_group_is_down(group, playbook, play):
    groups = {group: {"gone": GONE}, "mlflow_servers": {"there": SERVER}}
    whole = play("site", groups)
    assert whole.returncode == 2, whole.stdout + whole.stderr
    assert "vision: port: 80 is outside 1024-65535" in whole.stdout, "the servers were not begun"
    alone = play(playbook, groups)
    assert alone.returncode == 2, alone.stdout + alone.stderr
    assert "gone: the host cannot be reached: " in " ".join(alone.stdout.split()), alone.stdout


def test_another_host_of_its_group_goes_on(play):
    there = {**SERVER, "mlflow_proxy_server_name": "not a name"}
    done = play("configure_proxies", {"mlflow_proxies": {"gone": GONE, "there": there}})
    assert done.returncode == 2, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "gone: the host cannot be reached: " in said, done.stdout
    assert "there: mlflow_" in said, done.stdout
