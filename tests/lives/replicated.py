"""A team that two hosts serve: what is declared, its PostgreSQL on a third one, and who logs through a proxy there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import demo
from e2e.stage import Stage

TEAM, PORT, ADMIN = "shared", 5309, "canary of the shared admin"
DATABASE_PASSWORD = "canary-of-a-shared-database"
DAVE = {"name": "dave", "password": "dave-try-out-only"}
EXPERIMENT = "together"
DOMAIN = "mlflow.example.org"
NAME = f"{TEAM}.{DOMAIN}"
OLD, NEW = "3.15.2", "3.17.2"


def declaration(store: Stage, **changes: Any) -> dict[str, Any]:
    """Declare the team for both hosts."""
    address = store.host.address
    return {
        "name": TEAM,
        "port": PORT,
        "servers": ["mlflow1", "mlflow2"],
        "version": OLD,
        "admin_password": ADMIN,
        "backend_store_uri": f"postgresql+psycopg://{TEAM}:{DATABASE_PASSWORD}@{address}/{TEAM}",
        "artifacts": {"destination": f"s3://{TEAM}"},
        "allowed_hosts": [NAME],
        "gc_older_than": "30d",
        "environment": {"MLFLOW_S3_ENDPOINT_URL": f"http://{address}:9000"},
        "users": [DAVE],
        "experiments": [{"name": EXPERIMENT, "grants": {"dave": "MANAGE"}}],
        **changes,
    }


def install_postgresql(store: Stage) -> None:
    """Have a PostgreSQL that lets the team in from other hosts."""
    install = "apt-get update -q && apt-get install -qy --no-install-recommends postgresql"
    store.sh(f"DEBIAN_FRONTEND=noninteractive sh -c '{install}' >/dev/null")
    store.sh(
        "cd /etc/postgresql/*/main && echo \"listen_addresses = '*'\" >> postgresql.conf "
        f"&& echo 'host {TEAM} {TEAM} all scram-sha-256' >> pg_hba.conf && systemctl restart postgresql"
    )


def sql(store: Stage, statement: str, database: str = "postgres") -> str:
    """Return what PostgreSQL answers its superuser."""
    return store.sh(f"runuser -u postgres -- psql -XAtq --set=ON_ERROR_STOP=1 {database}", feed=statement).strip()


def said(store: Stage, statement: str = "") -> str:
    """Return what a host has said in the databases that it does there, after a statement."""
    return sql(store, f"{statement}SELECT obj_description('alembic_version'::regclass, 'pg_class');", TEAM)


def changes(run: demo.Play) -> dict[str, int]:
    """Return how many tasks changed each host."""
    return {host: int(count) for host, count in re.findall(r"^(mlflow\d)\s+: ok=\d+\s+changed=(\d+)", run.output, re.M)}


def all_serve(hosts: Iterable[Stage], version: str) -> None:
    """See that all hosts know the same people, and are of one version."""
    for host in hosts:
        assert host.login(PORT, "admin", ADMIN) == 200
        assert host.answer(PORT, **DAVE, path="/version") == (200, version)
        path = f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={EXPERIMENT}"
        assert host.ask(PORT, **DAVE, path=path) == 200


def people(proxy: Stage, host: Stage) -> dict[str, str]:
    """Let people on a host reach the team through a proxy; return the variables by which their client does."""
    host.sh("cat > /root/proxy.pem", proxy.sh("cat /etc/mlflow-proxy/ca.pem"))
    host.sh(f"grep -q {NAME} /etc/hosts || cat >> /etc/hosts", f"{proxy.host.address} {NAME}\n")
    return {
        "MLFLOW_TRACKING_URI": f"https://{NAME}",
        "MLFLOW_TRACKING_USERNAME": DAVE["name"],
        "MLFLOW_TRACKING_PASSWORD": DAVE["password"],
        "MLFLOW_TRACKING_SERVER_CERT_PATH": "/root/proxy.pem",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "NO_PROXY": "*",
    }
