"""A server that was found as declared is not asked again until it, or the declaration, may have changed."""

import json
import os
import sqlite3
import subprocess
import sys

import pytest
from mlflow_things import make_all
from mlflowctl import access_contents
from mlflowctl.databases import sqlite
from mlflowctl.program import PACKAGE, PROGRAM

# What the role has written down of a team stands elsewhere here.
COMMAND = """\
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from mlflowctl import access_state, paths
from mlflowctl.databases import reading
paths.HERE.config = Path(sys.argv[2])
# A team that is slow to be read is asked about: here it is only the machine that is.
reading.ASK_SECONDS = 600
access_state.main()
"""


class Noted:
    """A team on a server, and where its receipt is to be."""

    def __init__(self, lab, home):
        self.lab = lab
        self.receipt = home / "receipt.json"
        self.command = [sys.executable, "-I", "-c", COMMAND, str(PACKAGE.parent), str(home / "etc")]
        self.directory = home / "etc" / "vision"
        self.directory.mkdir(parents=True)
        (self.directory / "venv").symlink_to("/opt/mlflow/" + ".".join(map(str, lab.version)))
        self.stands_in(*lab.databases)
        connection = {"tracking_uri": lab.proxy.uri, "username": "admin", "password": lab.password}
        self.server = {"name": "vision", **connection, "receipt": str(self.receipt)}

    def stands_in(self, *files):
        """Say where the databases are, one for all or those of people and of the rest."""
        names = ["mlflow"] if len(files) == 1 else ["auth", "tracking"]
        known = {
            "name": "vision",
            "account": "root",
            "state_dir": "/",
            "socket": "",
            "admin_username": "admin",
            "default_permission": "READ",
            "databases": [
                {"name": name, "uri": f"sqlite:///{file}", "file": str(file)}
                for name, file in zip(names, files, strict=True)
            ],
            "artifacts": None,
            "storage_dirs": [],
        }
        (self.directory / "team.json").write_text(json.dumps(known))

    def run(self, check=False):
        found = self.lab.several("servers_access", self.server, check=check, state_command=self.command)
        assert found["failures"] == {}
        return found["vision"]

    def asked(self, check=False):
        """Run the module; return whether it asked the server, and what changed."""
        found = self.run(check)
        assert found["asked"] is bool(self.lab.proxy.requests)
        return found["asked"], found["changes"]

    def by_hand(self, statement, *values):
        """Do something in the database behind the server's back."""
        connection = sqlite3.connect(self.lab.databases[0], timeout=300)
        with connection:
            connection.execute(statement, values)
        connection.close()


@pytest.fixture
def team(newest, some, secret, tmp_path):
    """A team on the newest server, which is as declared, and of which nothing is noted yet."""
    ann, bob = some("ann"), some("bob")
    team = Noted(newest, tmp_path)
    team.server["users"] = [{"name": ann, "password": secret()}, {"name": bob, "password": secret()}]
    team.server["experiments"] = [{"name": some("resnet"), "grants": {ann: "EDIT"}}]
    team.server["prompts"] = [{"name": some("greeting"), "template": "hello"}]
    assert team.asked()[1]
    # What changes something notes nothing: the next run looks whether it is all there.
    assert not team.receipt.exists()
    return team


@pytest.fixture
def noted(team):
    """The same, with a receipt."""
    assert team.asked() == (True, [])
    assert team.receipt.exists()
    return team


def test_a_receipt_saves_the_asking(noted):
    for check in (True, False):
        assert noted.asked(check) == (False, [])
    text = noted.receipt.read_text()
    assert noted.receipt.stat().st_mode & 0o777 == 0o600
    assert not [user for user in noted.server["users"] if user["password"] in text or user["name"] in text]


def test_work_is_no_reason_to_ask(newest, noted):
    user, experiment = noted.server["users"][0], noted.server["experiments"][0]["name"]
    who = (user["name"], user["password"])
    number = newest.reader.experiments()[experiment]["experiment_id"]
    ask, base = newest.reader.ask, "/api/2.0/mlflow/"
    run = ask("POST", base + "runs/create", who, experiment_id=number)["run"]["info"]["run_id"]
    ask("POST", base + "runs/log-parameter", who, run_id=run, key="depth", value="50")
    for step in range(3):
        ask("POST", base + "runs/log-metric", who, run_id=run, key="loss", value=0.5, timestamp=step, step=step)
    ask("POST", base + "runs/set-tag", who, run_id=run, key="by", value="hand")
    ask("POST", base + "runs/update", who, run_id=run, status="FINISHED", end_time=5)
    ask("POST", base + "runs/delete", run_id=run)
    assert ask("POST", base + "experiments/search", who, max_results=10)["experiments"]
    assert not newest.reader.logs_in(who[0], "not the password")
    assert noted.asked(check=True) == (False, [])
    assert noted.asked() == (False, [])


def test_a_model_whose_versions_nobody_declared_gets_one(newest, team, some):
    name = some("churn")
    team.server["registered_models"] = [{"name": name}]
    assert team.asked() == (True, [f"+ registered_model {name}"])
    assert team.asked() == (True, [])
    newest.reader.create_version(name)
    assert team.asked() == (False, [])
    team.server["registered_models"][0]["aliases"] = {"newest": "latest"}
    assert team.asked() == (True, [f"~ registered_model {name} alias newest to version 1"])
    assert team.asked() == (True, [])
    newest.reader.create_version(name)
    assert team.asked() == (True, [f"~ registered_model {name} alias newest to version 2"])


def test_a_grant_behind_its_back(newest, noted):
    user, experiment = noted.server["users"][1]["name"], noted.server["experiments"][0]["name"]
    number = newest.reader.experiments()[experiment]["experiment_id"]
    newest.reader.grant(user, "experiment", number, "MANAGE")
    line = f"- {user} MANAGE experiment {experiment}"
    assert noted.asked(check=True) == (True, [line])
    assert noted.asked() == (True, [line])
    # It was changed: asked once more, and then no more.
    assert noted.asked() == (True, [])
    assert noted.asked() == (False, [])


def test_a_password_that_somebody_changed(newest, noted, secret):
    user = noted.server["users"][0]
    newest.ok("user", name=user["name"], user_password=secret())
    assert noted.asked() == (True, [f"~ user {user['name']} password changed"])
    assert newest.reader.logs_in(user["name"], user["password"])


def test_another_name_of_an_experiment_behind_the_servers_back(noted):
    name = noted.server["experiments"][0]["name"]
    noted.by_hand("UPDATE experiments SET name = ? WHERE name = ?", f"{name}-other", name)
    asked, changes = noted.asked(check=True)
    assert asked
    assert f"+ experiment {name}" in changes
    noted.by_hand("UPDATE experiments SET name = ? WHERE name = ?", name, f"{name}-other")
    # All is as it was noted.
    assert noted.asked() == (False, [])


def test_a_prompt_that_somebody_deleted_or_changed(newest, noted):
    name = noted.server["prompts"][0]["name"]
    newest.ok("prompt", name=name, template="hello!")
    assert noted.asked() == (True, [f"+ prompt {name} version 3"])
    newest.ok("prompt", name=name, state="absent")
    assert noted.asked()[0] is True
    assert newest.reader.texts(name) == ["hello"]


def test_things_and_grants_of_all_kinds_behind_its_back(newest, team, some, tmp_path):
    made, bob = make_all(newest.reader, some), team.server["users"][1]["name"]
    hook, key, endpoint = some("hook"), some("key"), some("judge")
    team.server["secrets_file"] = str(tmp_path / "kept.json")
    team.server["users"][0]["grants"] = [{kind: thing.name, "permission": "READ"} for kind, thing in made.items()]
    url = "https://127.0.0.1:9/x"
    team.server["webhooks"] = [{"name": hook, "url": url, "events": ["prompt.created"], "secret": "s" * 12}]
    team.server["gateway_secrets"] = [{"name": key, "values": {"api_key": "sk-1234567890"}}]
    model = {"provider": "openai", "model": "gpt-4o", "secret": key}
    team.server["gateway_endpoints"] = [{"name": endpoint, "models": [model]}]
    assert team.asked()[1]
    assert [team.asked() for _time in range(2)] == [(True, []), (False, [])]
    for kind, thing in made.items():
        newest.reader.grant(bob, kind, thing.key, "EDIT")
        assert team.asked() == (True, [f"- {bob} EDIT {kind} {thing.name}"])
        # It may be as it was noted, and then is not even asked once more.
        assert [team.asked()[1], team.asked()] == [[], (False, [])]
    ask, base = newest.reader.ask, "/api/3.0/mlflow/gateway/"
    webhook = next(each for each in ask("GET", "/api/2.0/mlflow/webhooks")["webhooks"] if each["name"] == hook)
    secret = next(each for each in ask("GET", base + "secrets/list")["secrets"] if each["secret_name"] == key)
    ask("PATCH", f"/api/2.0/mlflow/webhooks/{webhook['webhook_id']}", secret="t" * 12)
    ask("POST", base + "secrets/update", secret_id=secret["secret_id"], secret_value={"api_key": "sk-123_567890"})
    assert team.asked() == (True, [f"~ gateway_secret {key} values", f"~ webhook {hook} secret"])
    newest.ok("gateway_endpoint", name=endpoint, state="absent")
    assert f"+ gateway_endpoint {endpoint}" in team.asked()[1]
    newest.ok("webhook", name=hook, state="absent")


def test_another_declared_password(noted, secret):
    user = noted.server["users"][0]
    user["password"] = secret()
    assert noted.asked() == (True, [f"~ user {user['name']} password changed"])


@pytest.mark.parametrize("key", ["policy", "users", "experiments"])
def test_another_declaration(noted, key):
    other = {"policy": "additive", "users": noted.server["users"][:1], "experiments": []}[key]
    noted.server[key] = other
    assert noted.asked()[0] is True


def test_a_database_that_was_replaced(newest, team, tmp_path):
    database = tmp_path / "mlflow.db"
    sqlite.copy_sqlite(newest.databases[0], str(database))
    team.stands_in(database)
    assert team.asked() == (True, [])
    assert team.asked() == (False, [])
    # By its like, and by another.
    sqlite.copy_sqlite(newest.databases[0], str(tmp_path / "restored.db"))
    os.replace(tmp_path / "restored.db", database)
    assert team.asked() == (False, [])
    sqlite.copy_sqlite(newest.databases[0], str(tmp_path / "restored.db"))
    connection = sqlite3.connect(tmp_path / "restored.db")
    with connection:
        connection.execute("DELETE FROM role_permissions")
    connection.close()
    os.replace(tmp_path / "restored.db", database)
    assert team.asked()[0] is True


def test_check_mode_notes_nothing(team):
    assert team.asked(check=True) == (True, [])
    assert not team.receipt.exists()


@pytest.mark.parametrize("fault", ["text", "format", "mode", "gone", "state"])
def test_a_receipt_that_is_none(noted, fault):
    receipt = noted.receipt
    if fault == "text":
        receipt.write_text("{")
    elif fault == "format":
        receipt.write_text(json.dumps({**json.loads(receipt.read_text()), "format": 0}))
    elif fault == "state":
        receipt.write_text(json.dumps({**json.loads(receipt.read_text()), "state": {"files": [], "digest": ""}}))
    elif fault == "mode":
        receipt.chmod(0o620)
    else:
        receipt.unlink()
    assert noted.asked() == (True, [])
    assert noted.asked() == (False, [])


def test_a_receipt_that_cannot_be_written_is_said(team, tmp_path):
    team.server["receipt"] = str(tmp_path / "none" / "receipt.json")
    assert "the server will be asked again" in team.run()["warnings"][0]


def test_a_failure_notes_nothing(newest, team):
    team.server["password"] = "not the password"
    found = newest.several("servers_access", team.server, state_command=team.command)
    assert list(found["failures"]) == ["vision"]
    assert not team.receipt.exists()


def test_an_old_server_has_receipts_where_all_of_it_could_be_seen(lab, some, secret, tmp_path):
    team = Noted(lab, tmp_path)
    team.server["users"] = [{"name": some("ann"), "password": secret()}]
    team.asked()
    assert team.asked() == (True, [])
    assert team.asked()[0] is not lab.can_list


def test_the_schema_of_every_version_from_3_12_on_was_looked_at(lab, tmp_path):
    """A new one is to be looked at: which tables nobody asks about, and which revision it is (access_contents.py)."""
    names = ["auth", "tracking"] if len(lab.databases) > 1 else ["mlflow"]
    for name, file in zip(names, lab.databases, strict=True):
        done = subprocess.run([*PROGRAM, "access-contents", file, "[]"], check=True, capture_output=True, text=True)
        told = json.loads(done.stdout)
        if lab.version < (3, 12):
            with pytest.raises(access_contents.UnknownContentsError, match="unknown revision"):
                access_contents.refuse_unknown(name, told)
            continue
        access_contents.refuse_unknown(name, told)
