"""What a restored server answers; by itself, it says whether that is what the snapshot says of itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.parse import quote

from mlflowctl import databases
from mlflowctl import team as teams
from mlflowctl.api import AskError, Server
from mlflowctl.backup import contents
from mlflowctl.in_mlflow import client

PAGE = 1000


def counts(server: Server) -> dict[str, int]:
    """Return how many users and experiments it knows, the deleted ones too."""
    users = len(server.ask("/api/2.0/mlflow/users/list")["users"])
    experiments, token = 0, None
    while experiments == 0 or token:
        body = {"view_type": "ALL", "max_results": PAGE, **({"page_token": token} if token else {})}
        page = server.ask("/api/2.0/mlflow/experiments/search", body)
        found = page.get("experiments", [])
        experiments, token = experiments + len(found), page.get("next_page_token")
        if not found:
            break
    return {"users": users, "experiments": experiments}


def checksum(server: Server, path: str) -> str:
    """Return that of an artifact, however large it is."""
    return server.answer(f"/api/2.0/mlflow-artifacts/artifacts/{quote(path)}", take=client.checksum).decode()


def main(name: str) -> None:
    """Log in and read."""
    team = teams.load(name)
    password = (team.directory / "admin_password").read_text(encoding="utf-8")
    wanted = json.loads(Path(sys.stdin.readline().strip()).read_text(encoding="utf-8"))["counts"]
    found = counts(Server(team.socket, team.admin_username, password))
    # What it works on by now, whatever was beside it.
    rows = contents.counts(databases.rows(team, database) for database in team.databases)
    found = {**rows, **found}
    for what, number in found.items():
        if number != wanted[what]:
            raise AskError(f"the server has {number} {what}, and the snapshot {wanted[what]}")
