"""What the least declaration leads to, beside what holds for every team."""

from typing import Any


def test_nothing_listens_to_other_machines(server: Any) -> None:
    assert server.team["listen_address"] == "127.0.0.1"
    assert server.host.run("curl --silent http://$(hostname --ip-address):5001/health").rc != 0


def test_serves_who_asks_after_a_restart(server: Any) -> None:
    server.host.check_output("systemctl restart mlflow@main")
    assert server.ask("/api/2.0/mlflow/users/current", server.admin).status == 200


def test_everything_is_in_one_database(server: Any) -> None:
    listed = server.host.check_output("find /var/lib/mlflow/main -name '*.db'")
    assert listed == "/var/lib/mlflow/main/mlflow.db"


def test_the_host_is_well(host: Any) -> None:
    assert host.check_output("systemctl is-system-running") == "running"


def test_what_a_server_loads_is_compiled(server: Any) -> None:
    packages = "cd /opt/mlflow/*/lib/python3*/site-packages && find . -name '*.pyc'"
    compiled = server.host.check_output(packages).splitlines()
    for package in ("mlflow/server/auth", "pandas/core", "sqlalchemy/orm"):
        assert [file for file in compiled if file.startswith(f"./{package}/__pycache__/")], package
    # Unlike what packages test themselves with, a third of it all.
    assert [file for file in compiled if file.startswith("./pandas/tests/")] == []
