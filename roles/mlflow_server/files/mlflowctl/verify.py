"""Sees whether a team's server works, as its admin, over its Unix socket; first denies what it is told to deny.

Runs while nobody else is let in. Reads a list of {"username", "resource_type", "resource_id"}; says what is wrong.
"""

from __future__ import annotations

import contextlib
import json
import sys
from urllib.parse import urlencode

from mlflowctl import environment_file
from mlflowctl import team as teams
from mlflowctl.api import AskError, Server
from mlflowctl.errors import ODD
from mlflowctl.team import Team

GRANT = "/api/3.0/mlflow/users/permissions/grant"


def passwords(team: Team) -> list[str]:
    """Return the admin's passwords that may work: the one kept, and the one a first start sets."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        found.append((team.directory / "admin_password").read_text(encoding="utf-8").rstrip("\r\n"))
    with contextlib.suppress(FileNotFoundError):
        found.append(environment_file.read(team.directory / "bootstrap.env")["MLFLOW_AUTH_ADMIN_PASSWORD"])
    return found


def log_in(team: Team) -> Server:
    """Return the server, asked with the password that works."""
    problem = AskError("no password of the admin is kept on the host")
    for password in passwords(team):
        server = Server(team.socket, team.admin_username, password)
        try:
            server.ask("/api/2.0/mlflow/users/current")
        except AskError as error:
            problem = error
        else:
            return server
    raise AskError(f"the admin '{team.admin_username}' cannot log in: {problem}")


def verify(team: Team, denials: list[dict[str, str]]) -> None:
    """Raise for what does not work."""
    server = log_in(team)
    for denial in denials:
        server.ask(GRANT, {**denial, "permission": "DENY"})
    found = server.ask("/api/2.0/mlflow/experiments/search", {"max_results": 1})
    for experiment in found.get("experiments", []):
        asked = urlencode({"experiment_id": experiment["experiment_id"]})
        server.ask(f"/api/2.0/mlflow/experiments/get?{asked}")


def main(name: str) -> None:
    """Do it, for who changes the team."""
    try:
        verify(teams.load(name), json.load(sys.stdin))
    except ODD as error:
        # Of a server that runs somebody else's code, too.
        raise AskError(f"{type(error).__name__}: {error}") from None
