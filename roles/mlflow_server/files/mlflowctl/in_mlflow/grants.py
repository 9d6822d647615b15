"""Grants on experiments that are gone, found and removed over the server's API."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

from mlflowctl.in_mlflow import client

ROLES = "/api/3.0/mlflow/roles/"
SEARCH = "/api/2.0/mlflow/experiments/search"
# One that sleeps needs a while, and waits where its data are being changed.
TIMEOUT = 600


class GrantError(Exception):
    """What the server answered instead."""


def answer(
    connection: http.client.HTTPConnection, method: str, target: str, body: Any, headers: dict[str, str]
) -> bytes:
    """Send one request; return what is answered, and nothing but that."""
    status, text = client.asked(connection, method, target, body, headers)
    if status != http.HTTPStatus.OK:
        raise GrantError(f"{method} {target.partition('?')[0]}: {status}: {text[:300]!a}")
    return text


class Server:
    """The team's own server, asked as its admin, never through a proxy and never where it sends somebody.

    Who wakes it says nothing of the admin. All else goes to the socket that only the team's account can make, since
    another user of the host may have taken a port that nobody listens on.
    """

    def __init__(self, uri: str, path: str, username: str, password: str) -> None:
        address = urllib.parse.urlsplit(uri)
        self.address, self.path = (str(address.hostname), address.port or 80), path
        self.headers = client.log_in(username, password)

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Send a request; return what is answered."""
        target = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        connection = client.over_socket(self.path, TIMEOUT) if self.path else self.over_port()
        return json.loads(answer(connection, method, target, body, self.headers) or b"{}")

    def over_port(self) -> http.client.HTTPConnection:
        """Return a connection to its port."""
        return http.client.HTTPConnection(*self.address, timeout=TIMEOUT)

    def wait_until_it_answers(self) -> None:
        """Wake it."""
        answer(self.over_port(), "GET", "/health", None, {})

    def experiments(self) -> set[str]:
        """Return the numbers of all experiments, the deleted ones too."""
        found: set[str] = set()
        page: dict[str, Any] = {"max_results": 1000, "view_type": "ALL"}
        while True:
            answer = self.ask("POST", SEARCH, page)
            found |= {str(experiment["experiment_id"]) for experiment in answer.get("experiments", [])}
            if not answer.get("next_page_token"):
                return found
            page["page_token"] = answer["next_page_token"]

    def grants(self) -> Iterator[tuple[int, str]]:
        """Return the rows of all grants on single experiments, and on scorers in them, with the experiment's number."""
        for role in self.ask("GET", f"{ROLES}list", workspace="default")["roles"]:
            for row in role["permissions"]:
                if row["resource_type"] in ("experiment", "scorer") and row["resource_pattern"] != "*":
                    yield row["id"], str(row["resource_pattern"]).partition("/")[0]


def remove_grants(server: Server, doomed: list[str] | None = None) -> int:
    """Remove the grants on experiments that are not there, and on those about to go; return how many."""
    # In this order, since a grant on a new experiment may come in between.
    grants = list(server.grants())
    there = server.experiments() - set(doomed or [])
    gone = [row for row, number in grants if number not in there]
    for row in gone:
        server.ask("DELETE", f"{ROLES}permissions/remove", {"role_permission_id": row})
    return len(gone)
