"""A server that was found as declared is not asked again until it, or the declaration, may have changed."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _receipt


def settle():
    """Wait until what was written is old enough to be noted."""
    time.sleep(_receipt.SETTLED + 0.1)


@pytest.fixture
def server(newest, some, secret, tmp_path):
    """The newest server with a team on it, and where its receipt is to be."""
    ann, bob = some("ann"), some("bob")
    server = {
        "name": "vision",
        "tracking_uri": newest.proxy.uri,
        "username": "admin",
        "password": newest.password,
        "users": [{"name": ann, "password": secret()}, {"name": bob, "password": secret()}],
        "experiments": [{"name": some("resnet"), "grants": {ann: "EDIT"}}],
        "receipt": str(tmp_path / "receipt.json"),
        "databases": newest.databases,
    }
    assert newest.databases
    assert newest.several("servers_access", server)["vision"]["changed"]
    # What changes something notes nothing: the next run looks whether it is all there.
    assert not os.path.exists(server["receipt"])
    settle()
    return server


@pytest.fixture
def noted(newest, server):
    """The same, with a receipt."""
    found = newest.several("servers_access", server)["vision"]
    assert (found["asked"], found["changed"]) == (True, False)
    assert os.path.exists(server["receipt"])
    return server


def asked(lab, server, check=False):
    """Run the module; return whether it asked the server, and what changed."""
    found = lab.several("servers_access", server, check=check)["vision"]
    assert "failure" not in found
    assert found["asked"] is bool(lab.proxy.requests)
    return found["asked"], found["changes"]


def test_a_receipt_saves_the_asking(newest, noted):
    for check in (True, False):
        assert asked(newest, noted, check) == (False, [])
        assert newest.proxy.requests == []
    receipt = Path(noted["receipt"])
    text = receipt.read_text()
    assert receipt.stat().st_mode & 0o777 == 0o600
    assert not [user for user in noted["users"] if user["password"] in text or user["name"] in text]


def test_what_people_read_is_no_reason_to_ask(newest, noted):
    who = (noted["users"][0]["name"], noted["users"][0]["password"])
    assert newest.reader.ask("POST", "/api/2.0/mlflow/experiments/search", who, max_results=10)["experiments"]
    assert newest.reader.logs_in(*who)
    assert not newest.reader.logs_in(who[0], "not the password")
    assert asked(newest, noted) == (False, [])


def test_a_grant_behind_its_back(newest, noted):
    number = newest.reader.experiments()[noted["experiments"][0]["name"]]["experiment_id"]
    newest.reader.grant(noted["users"][1]["name"], "experiment", number, "MANAGE")
    line = f"- {noted['users'][1]['name']} MANAGE experiment {noted['experiments'][0]['name']}"
    assert asked(newest, noted, check=True) == (True, [line])
    assert asked(newest, noted) == (True, [line])
    # It was changed: asked once more, and then no more.
    settle()
    assert asked(newest, noted) == (True, [])
    assert asked(newest, noted) == (False, [])


def test_a_password_that_somebody_changed(newest, noted, secret):
    user = noted["users"][0]
    newest.ok("user", name=user["name"], user_password=secret())
    assert asked(newest, noted) == (True, [f"~ user {user['name']} password changed"])
    assert newest.reader.logs_in(user["name"], user["password"])


def test_another_declared_password(newest, noted, secret):
    user = noted["users"][0]
    user["password"] = secret()
    assert asked(newest, noted) == (True, [f"~ user {user['name']} password changed"])


@pytest.mark.parametrize("key", ["policy", "users", "experiments"])
def test_another_declaration(newest, noted, some, key):
    other = {"policy": "additive", "users": noted["users"][:1], "experiments": []}[key]
    assert asked(newest, {**noted, key: other})[0] is True


def test_a_database_that_was_replaced(newest, server, tmp_path):
    database = tmp_path / "mlflow.db"
    shutil.copy2(newest.databases[0], database)
    settle()
    server["databases"] = [str(database)]
    assert asked(newest, server) == (True, [])
    assert asked(newest, server) == (False, [])
    shutil.copy2(newest.databases[0], tmp_path / "restored.db")
    os.replace(tmp_path / "restored.db", database)
    assert asked(newest, server)[0] is True


def test_check_mode_notes_nothing(newest, server, tmp_path):
    assert asked(newest, server, check=True) == (True, [])
    assert os.listdir(tmp_path) == []


def test_a_database_that_was_just_written_to_is_not_noted(newest, server, some):
    newest.reader.create_experiment(some("another"))
    assert asked(newest, server)[0] is True
    assert asked(newest, server)[0] is True
    settle()
    assert asked(newest, server)[0] is True
    assert asked(newest, server)[0] is False


@pytest.mark.parametrize("fault", ["text", "format", "mode", "gone"])
def test_a_receipt_that_is_none(newest, noted, fault):
    receipt = Path(noted["receipt"])
    if fault == "text":
        receipt.write_text("{")
    elif fault == "format":
        receipt.write_text(json.dumps({**json.loads(receipt.read_text()), "format": 0}))
    elif fault == "mode":
        receipt.chmod(0o620)
    else:
        receipt.unlink()
    assert asked(newest, noted) == (True, [])
    assert asked(newest, noted) == (False, [])


def test_a_receipt_that_cannot_be_written_is_said(newest, server, tmp_path):
    server["receipt"] = str(tmp_path / "none" / "receipt.json")
    found = newest.several("servers_access", server)
    assert found["failures"] == {}
    assert "the server will be asked again" in found["vision"]["warnings"][0]


def test_a_failure_notes_nothing(newest, server, tmp_path):
    found = newest.several("servers_access", {**server, "password": "not the password"})
    assert list(found["failures"]) == ["vision"]
    assert os.listdir(tmp_path) == []


def test_an_old_server_has_receipts_where_all_of_it_could_be_seen(lab, some, secret, tmp_path):
    users = [{"name": some("ann"), "password": secret()}]
    connection = {"tracking_uri": lab.proxy.uri, "username": "admin", "password": lab.password}
    paths = {"receipt": str(tmp_path / "receipt.json"), "databases": lab.databases}
    server = {"name": "vision", **connection, **paths, "users": users}
    asked(lab, server)
    settle()
    assert asked(lab, server) == (True, [])
    assert asked(lab, server)[0] is not lab.can_list
