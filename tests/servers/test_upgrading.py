"""What older servers have left goes through the upgrade's own program, and is used on the newest one."""

import contextlib
import os
import pwd
import shutil
import sqlite3
from pathlib import Path

import project
import pytest
import servers
from mlflow_reader import V2, V3, reader_for
from mlflowctl import commands, team, upgrade

PASSWORD = "admin of a server that is upgraded"
ALICE, BOB, CAROL = people = [(name, f"{name} of an older server") for name in ("alice", "bob", "carol")]
PROMPT, MODEL, DENIED = "greet'; DROP TABLE users --", "veteran", "secret-words"
IS_PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}
OLD, NEW = (3, 12), (3, 17)


class AsItIs:
    """Runs what a change of a team would run under its locks."""

    def run(self, command, seconds, **options):
        return commands.run(command, seconds, pwd.getpwuid(os.geteuid()).pw_name, **options)


@pytest.fixture
def left(tmp_path):
    """Where a server of an older version, with its people in a database of their own, has left all it had."""
    home = tmp_path / "old"
    with servers.serving(project.BUILD / "mlflow-3.12.0", home, PASSWORD, auth_database="auth.db") as uri:
        reader = reader_for(uri, PASSWORD, OLD)
        for name, password in people:
            reader.create_user(name, password)
        for name, tags in ((PROMPT, [IS_PROMPT]), (DENIED, [IS_PROMPT]), (MODEL, [])):
            reader.ask("POST", V2 + "registered-models/create", ALICE, name=name, tags=tags)
        for who, name, level in (
            ("bob", PROMPT, "READ"),
            ("bob", MODEL, "READ"),
            ("carol", DENIED, "NO_PERMISSIONS"),
            ("carol", MODEL, "NO_PERMISSIONS"),
        ):
            reader.grant(who, "registered_model", name, level)
    return home


@pytest.fixture
def upgrading(tmp_path):
    """The upgrade of a team, given its databases by what they are for."""
    directory = tmp_path / "etc" / "vision"
    directory.mkdir(parents=True)
    for file in ("environment", "secrets.env"):
        (directory / file).touch()
    (directory / "venv").symlink_to("/opt/mlflow/0.0.0")

    def going(**files):
        databases = [{"name": name, "uri": f"sqlite:///{file}", "file": str(file)} for name, file in files.items()]
        about = ["vision", "", str(tmp_path), "", "admin", "READ", databases, None, [], tmp_path / "etc"]
        return upgrade.Upgrade(team.Team(*about), project.MLFLOW.name, project.BUILD, AsItIs(), lambda: False)

    return going


def copies(*files):
    """Do as the upgrade does before it migrates; return the copies."""
    return [shutil.copy(file, f"{file}.upgrading") for file in files]


def test_grants_on_prompts_go_with_people_in_a_database_of_their_own(left, upgrading, tmp_path):
    before = {file.name: file.read_bytes() for file in left.glob("*.db")}
    going = upgrading(auth=left / "auth.db", tracking=left / "mlflow.db")
    found = going.look()
    assert [found[name]["state"] for name in ("auth", "tracking")] == ["older", "older"]
    denied = found["auth"]["denials"]
    assert sorted((it["username"], it["resource_type"], it["resource_id"]) for it in denied) == [
        ("carol", "prompt", DENIED),
        ("carol", "registered_model", MODEL),
    ]
    ready = copies(left / "auth.db", left / "mlflow.db")
    # Alice's two and Bob's; the model's are of the right kind.
    assert going.migrate(["auth", "tracking"]) == "; grants on prompts carried over: 3"
    assert {file.name: file.read_bytes() for file in left.glob("*.db")} == before

    for file in ready:
        os.replace(file, file.removesuffix(".upgrading"))
    inherited = [left / name for name in before]
    with servers.serving(
        project.MLFLOW, tmp_path / "new", PASSWORD, auth_database="auth.db", inherited=inherited
    ) as uri:
        reader = reader_for(uri, PASSWORD, NEW)
        for denial in denied:
            reader.ask("POST", V3 + "users/permissions/grant", **denial, permission="DENY")
        version = {"name": PROMPT, "source": "dummy-source", "tags": [IS_PROMPT]}
        assert reader.ask("POST", V2 + "model-versions/create", ALICE, **version)["model_version"]["version"] == "1"
        assert reader.status("GET", V2 + "registered-models/get", BOB, name=PROMPT) == 200
        assert reader.status("POST", V2 + "model-versions/create", BOB, **version) == 403
        for name in (PROMPT, DENIED, MODEL):
            assert reader.status("GET", V2 + "registered-models/get", CAROL, name=name) == 403
        assert reader.status("GET", V2 + "registered-models/get", BOB, name=MODEL) == 200
        assert reader.user("bob")["grants"] == {("prompt", PROMPT): "READ", ("registered_model", MODEL): "READ"}
        assert reader.user("carol")["grants"] == {("prompt", DENIED): "DENY", ("registered_model", MODEL): "DENY"}


def on(file, statement, *values):
    """Do something to a database, and return what it answers."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        found = connection.execute(statement, values).fetchall()
        connection.commit()
    return found


def older(file, *revisions):
    """Make a database as an older version left it."""
    command = [project.MLFLOW / "bin" / "python", Path(__file__).with_name("older_schemas.py"), f"sqlite:///{file}"]
    project.run([*command, *revisions], quiet=True)
    return file


def test_one_database_from_before_there_were_workspaces_goes_too(tmp_path, upgrading):
    """The newer schema of people reads columns of models that those have only after their own migration."""
    file = older(tmp_path / "mlflow.db", "c8d9e0f1a2b3", "0965eb92f5f0")
    on(file, "INSERT INTO users (id, username, is_admin) VALUES (7, 'alice', 0)")
    on(file, "INSERT INTO registered_models (name) VALUES (?)", PROMPT)
    on(file, "INSERT INTO registered_model_tags (name, key, value) VALUES (?, ?, 'true')", PROMPT, IS_PROMPT["key"])
    grant = "INSERT INTO registered_model_permissions (name, user_id, permission) VALUES (?, 7, 'MANAGE')"
    on(file, grant, PROMPT)
    (copy,) = copies(file)
    assert upgrading(mlflow=file).migrate(["auth", "tracking"]) == ""
    found = on(copy, "SELECT resource_type, resource_pattern, permission FROM role_permissions")
    assert found == [("prompt", PROMPT, "MANAGE")]


def test_what_cannot_be_carried_over_stays_and_is_named(tmp_path, upgrading):
    """Somebody has done it by hand already, and differently; another workspace has a model of the same name."""
    tracking, auth = older(tmp_path / "mlflow.db", "b7e2c1a4d9f3", "e5f6a7b8c9d0"), tmp_path / "auth.db"
    shutil.copy(tracking, auth)
    on(auth, "DROP TABLE registered_model_tags")
    for workspace, value in (("default", "True"), ("other", "false")):
        on(tracking, "INSERT INTO registered_models (workspace, name) VALUES (?, ?)", workspace, PROMPT)
        tag = "INSERT INTO registered_model_tags (workspace, name, key, value) VALUES (?, ?, ?, ?)"
        on(tracking, tag, workspace, PROMPT, IS_PROMPT["key"], value)
    on(auth, "INSERT INTO users (id, username, is_admin) VALUES (7, 'alice', 0)")
    roles = {1: ("__user_7__", "default"), 2: ("writers\n", "default"), 3: ("others", "other"), 4: ("all", "default")}
    for number, (name, workspace) in roles.items():
        on(auth, "INSERT INTO roles (id, name, workspace) VALUES (?, ?, ?)", number, name, workspace)
    on(auth, "INSERT INTO user_role_assignments (user_id, role_id) VALUES (7, 1)")
    insert = "INSERT INTO role_permissions (role_id, resource_type, resource_pattern, permission) VALUES (?, ?, ?, ?)"
    rows = [
        (1, "registered_model", PROMPT, "MANAGE"),
        (1, "prompt", PROMPT, "READ"),
        (2, "registered_model", PROMPT, "EDIT"),
        (2, "registered_model", MODEL, "EDIT"),
        (3, "registered_model", PROMPT, "EDIT"),
        (4, "registered_model", "*", "READ"),
    ]
    for row in rows:
        on(auth, insert, *row)
    people, _runs = copies(auth, tracking)
    going = upgrading(auth=auth, tracking=tracking)
    said = going.migrate(["auth", "tracking"])
    assert said == (
        "; grants on prompts carried over: 1; left, since there are such on prompts already: "
        f"alice MANAGE registered_model {PROMPT}"
    )
    rows[2] = (2, "prompt", PROMPT, "EDIT")
    told = on(people, "SELECT role_id, resource_type, resource_pattern, permission FROM role_permissions ORDER BY id")
    assert told == rows
    assert going.migrate(["auth", "tracking"]) == ""
