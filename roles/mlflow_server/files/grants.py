"""Grants on experiments that are gone, found and removed over the server's API."""

from __future__ import annotations

import base64
import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

ROLES = "/api/3.0/mlflow/roles/"
SEARCH = "/api/2.0/mlflow/experiments/search"
# One that sleeps needs a while, and waits where its data are being changed.
TIMEOUT = 600


class Server:
    """The team's own server, asked as its admin, never through a proxy."""

    def __init__(self, uri: str, username: str, password: str) -> None:
        credentials = base64.b64encode(f"{username}:{password}".encode()).decode()
        self.uri = uri
        self.headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Send a request; return what is answered."""
        url = f"{self.uri}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, self.headers, method=method)  # noqa: S310 - always http
        with self.opener.open(request, timeout=TIMEOUT) as answer:
            return json.loads(answer.read() or b"{}")

    def wait_until_it_answers(self) -> None:
        """Wake it."""
        with self.opener.open(f"{self.uri}/health", timeout=TIMEOUT):
            pass

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
