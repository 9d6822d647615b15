"""Two teams on real servers, on two ports of this machine, and what is asked of them."""

from __future__ import annotations

import base64
import http.client
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import demo
import project
import servers

HERE = Path(__file__).parent
# As hard to quote as people make it: a formula for a spreadsheet, and the signs that CSV and Markdown use.
ODD = '=1+1 | "quoted", odd'
TEAMS: dict[str, dict[str, Any]] = {
    "vision": {
        "users": ["alice", "bob", "carol", "erin", "frank", "gina"],
        "admins": ["dora"],
        "groups": [
            {"name": "annotators", "members": ["carol", "gina"], "grants": [{"experiment": "*", "permission": "READ"}]}
        ],
        "experiments": [
            {"name": "resnet", "tags": {"owner": "alice"}, "grants": {"alice": "MANAGE", "bob": "EDIT"}},
            {"name": "segmentation", "grants": {"alice": "READ", "gina": "DENY"}},
            {"name": ODD, "grants": {"bob": "READ"}},
        ],
        "registered_models": [
            {"name": "detector", "description": "Marks cracks", "grants": {"alice": "MANAGE", "bob": "READ"}}
        ],
    },
    "nlp": {
        "users": ["alice", "henry"],
        "admins": [],
        "groups": [],
        "experiments": [{"name": "tokens", "grants": {"alice": "EDIT"}}],
        "registered_models": [],
    },
}


@dataclass(frozen=True)
class Stage:
    """Both servers, everybody's passwords by team and name, and a directory to work in."""

    home: Path
    addresses: dict[str, str]
    passwords: dict[str, dict[str, str]]

    @property
    def inventory(self) -> Path:
        """Write the inventory that declares both teams; return where it stands."""
        teams = [
            {
                "name": name,
                "port": urlsplit(self.addresses[name]).port,
                "admin_password": self.passwords[name]["admin"],
                "users": [
                    {"name": user, "password": self.passwords[name][user], "admin": user in team["admins"]}
                    for user in team["users"] + team["admins"]
                ],
                **{key: team[key] for key in ("groups", "experiments", "registered_models")},
            }
            for name, team in TEAMS.items()
        ]
        return self.declare("inventory.json", {"mlflow_teams": teams})

    def declare(self, name: str, variables: dict[str, Any]) -> Path:
        """Write an inventory of this machine with some variables."""
        reach = {
            "ansible_connection": "local",
            "ansible_become": False,
            "ansible_python_interpreter": sys.executable,
        }
        hosts = {"hosts": {"mlflow1": {**reach, **variables}}}
        path = self.home / name
        path.unlink(missing_ok=True)
        servers.write_private(path, json.dumps({"all": {"children": {"mlflow_servers": hosts}}}))
        return path

    def play(self, name: str, *more: str, inventory: Path | None = None, **variables: str) -> demo.Play:
        """Run one of the collection's playbooks."""
        extra = [f"--extra-vars={json.dumps(variables)}"] if variables else []
        return demo.play(name, [inventory or self.inventory], *extra, *more)

    def fill(self, *more: str, inventory: Path | None = None) -> demo.Play:
        """Let both servers be as they are declared."""
        command = ["ansible-playbook", f"--inventory={inventory or self.inventory}", *more, HERE / "fill.yml"]
        done = project.run(command, quiet=True, check=False, env=demo.environment())
        run = demo.Play(done.returncode, done.stdout + done.stderr)
        assert run.code == 0, run.output
        return run

    def login(self, team: str, name: str, password: str = "") -> int:
        """Return the status that a log-in is answered with."""
        return self.get(team, "/api/2.0/mlflow/users/current", name, password)[0]

    def get(self, team: str, path: str, name: str = "admin", password: str = "") -> tuple[int, Any]:
        """Return the status and the answer of a request."""
        word = base64.b64encode(f"{name}:{password or self.passwords[team][name]}".encode()).decode()
        connection = http.client.HTTPConnection(urlsplit(self.addresses[team]).netloc, timeout=300)
        try:
            connection.request("GET", path, headers={"Authorization": f"Basic {word}"})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        return answer.status, json.loads(text) if answer.status == 200 else text

    def users(self, team: str) -> dict[str, Any]:
        """Return everybody on a server with all that they have."""
        found = self.get(team, "/api/2.0/mlflow/users/list")[1]["users"]
        return {user["username"]: user for user in found}

    def client(self, team: str, what: str, *arguments: str) -> Any:
        """Let people work with MLflow's own client; return what came of it."""
        environment = {
            **demo.environment_of_people(),
            "MLFLOW_TRACKING_URI": self.addresses[team],
            "PEOPLE": json.dumps(self.passwords[team]),
        }
        code, out, err = demo.people().work([what, *arguments], environment, HERE / "with_client.py")
        assert code == 0, err
        return json.loads(out)

    def shown(self, text: str) -> list[str]:
        """Return whose passwords stand in a text."""
        return [
            f"{team}: {user}"
            for team, people in self.passwords.items()
            for user, password in people.items()
            if password in text
        ]


def mode(path: Path) -> str:
    """Return a file's permissions."""
    return oct(os.stat(path).st_mode & 0o777)
