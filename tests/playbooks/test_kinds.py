"""A team with grants of every kind: the report tells what people can do, and the export is the declaration."""

from __future__ import annotations

import csv
import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import mlflow_reader
import mlflow_things
import project
import pytest
import servers
from ansible.parsing.dataloader import DataLoader
from ansible_collections.mlops.mlflow.plugins.module_utils._kinds import KINDS
from playbooks.stage import Stage

TEAM = "sounds"
# As the server is one of.
VERSION = (3, 17)
KNOWN = [word for word, kind in KINDS.items() if kind.since <= VERSION]
EVERYTHING = [{kind: "*", "permission": "READ"} for kind in KNOWN]
BESIDE = ("user", "permission", "reasons")


class Place(NamedTuple):
    """The server, what is on it, and how it is declared."""

    stage: Stage
    reader: mlflow_reader.Reader
    things: dict[str, mlflow_things.Thing]

    def declare(self, **changes: Any) -> Path:
        """Write an inventory of the team, with two people, one of whom has grants on single things."""
        words = self.stage.passwords[TEAM]
        grants = [{kind: thing.name, "permission": "EDIT"} for kind, thing in self.things.items()]
        team = {
            "name": TEAM,
            "port": urlsplit(self.stage.addresses[TEAM]).port,
            "admin_password": words["admin"],
            "users": [
                {"name": "alice", "password": words["alice"], "grants": grants},
                {"name": "bob", "password": words["bob"]},
            ],
            "groups": [{"name": "listeners", "members": ["bob"], "grants": EVERYTHING}],
            "prompts": [{"name": "greeting", "template": "hello", "grants": {"alice": "READ"}}],
        }
        return self.stage.declare("kinds.json", {"mlflow_teams": [{**team, **changes}]})

    def granted(self) -> list[Any]:
        """Return what Alice and the group have, as the server has it."""
        alice, group = self.reader.user("alice"), self.reader.role("listeners")
        return [alice and alice["grants"], group and group["grants"]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server of its own, as declared."""
    home = tmp_path_factory.mktemp("kinds")
    words = {user: secrets.token_urlsafe(16) for user in ("admin", "alice", "bob")}
    with servers.serving(project.MLFLOW, home / "server", words["admin"], gateway=True, hurried=True) as uri:
        reader = mlflow_reader.reader_for(uri, words["admin"], VERSION)
        made = mlflow_things.make_all(reader, lambda word: f"{word}-it")
        place = Place(Stage(home, {TEAM: uri}, {TEAM: words}), reader, made)
        place.stage.fill(inventory=place.declare())
        assert place.stage.fill(inventory=place.declare()).changed == 0
        yield place


def test_the_report_tells_what_people_can_do(place: Place, tmp_path: Path) -> None:
    run = place.stage.play("report_access", inventory=place.declare(), mlflow_access_report_dir=str(tmp_path))
    assert run.code == 0, run.output
    told = json.loads((tmp_path / "mlflow1.json").read_text())[TEAM]
    assert told["unmanaged"] == []
    with (tmp_path / "mlflow1.csv").open(newline="") as file:
        rows = {tuple(row[1:5]) for row in csv.reader(file)}
    text = (tmp_path / "mlflow1.md").read_text()
    levels = {}
    for entry in told["effective"]:
        (kind,) = set(entry) - set(BESIDE)
        levels[entry["user"], kind, entry[kind]] = entry["permission"]
        assert (entry["user"], kind, entry[kind], entry["permission"]) in rows
        assert entry["permission"] == "NO_PERMISSIONS" or f"| {entry['user']} | {kind.replace('_', ' ')} " in text
    for kind, thing in place.things.items():
        for user, level in (("alice", "EDIT"), ("bob", "READ")):
            assert levels[user, kind, thing.name] == level
            found = thing.level(place.reader, (user, place.stage.passwords[TEAM][user]))
            assert found == (level if thing.edit else "READ"), (user, kind)
    assert {kind for user, kind, name in levels if (user, name) == ("bob", "*")} == set(KNOWN) - set(place.things) - {
        "experiment",
        "registered_model",
    }


def test_the_export_given_back_is_all_there_was(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, dest = place.stage, tmp_path / "team_sounds.yml"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stage.addresses[TEAM])
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", stage.passwords[TEAM]["admin"])
    port = stage.addresses[TEAM].rpartition(":")[2]
    run = stage.play("export_access", inventory=place.declare(), team=TEAM, team_port=port, dest=str(dest))
    assert run.code == 0, run.output
    assert not re.search("^# Not in it", dest.read_text(), re.MULTILINE)
    variables = DataLoader().load_from_file(str(dest), trusted_as_template=True)
    vault = {"vault_mlflow_passwords": {TEAM: {"admin": stage.passwords[TEAM]["admin"]}}}
    exported = stage.declare("exported.json", {**variables, **vault})
    before = place.granted()
    assert stage.fill(inventory=exported).changed == 0
    nothing: dict[str, Any] = {"groups": [], "prompts": [], "access_kinds": KNOWN}
    nothing["users"] = [{"name": name, "password": stage.passwords[TEAM][name]} for name in ("alice", "bob")]
    stage.fill(inventory=place.declare(**nothing))
    assert place.granted() == [{}, None]
    assert stage.fill(inventory=stage.declare("exported.json", {**variables, **vault})).changed > 0
    assert place.granted() == before
