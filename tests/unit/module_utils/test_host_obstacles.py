"""What on a host stands in the way of a team, by what is there."""

import json
import os
import socket

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _host_obstacles
from ansible_collections.mlops.mlflow.plugins.module_utils._host_obstacles import obstacles, sockets_held

ACCOUNT = "mlflow-vision"
# Whoever runs the tests.
ME = _host_obstacles._name_of(os.geteuid())


class Host:
    """A host that is a directory."""

    def __init__(self, home):
        self.home, self.config, self.state = home, home / "etc", home / "var"
        self.data = home / "srv" / "data"
        for place in (self.config / "vision", self.state / ".retired", self.data.parent):
            place.mkdir(parents=True)

    def found(self, held=None, leaving=(), **settings):
        team = {
            "name": "vision",
            "state": "stopped",
            "listen_address": "127.0.0.1",
            "port": 1,
            "storage_dirs": [str(self.data)],
            "admin_username": "admin",
            "in_files": ["auth", "tracking", "artifacts"],
            **settings,
        }
        return obstacles(team, held or {}, leaving, str(self.config), str(self.state))

    def has(self, databases, artifacts=None):
        """Have been told of databases in files, which are there, and perhaps of a directory of artifacts."""
        told = [{"name": name, "uri": "", "file": file and str(file)} for name, file in databases.items()]
        for file in filter(None, databases.values()):
            file.write_text("rows")
        known = {"databases": told, "artifacts": artifacts and str(artifacts)}
        (self.config / "vision" / "team.json").write_text(json.dumps(known))

    def retired(self):
        (self.state / ".retired" / "vision.json").write_text(json.dumps({"data": [str(self.data)]}))


@pytest.fixture
def host(tmp_path, monkeypatch):
    # Where the directories above are the tester's alone, which is no concern here.
    monkeypatch.setattr(_host_obstacles, "_impassable", lambda path, account: iter(()))
    return Host(tmp_path)


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as there:
        yield there.getsockname()[1]


def test_nothing(host):
    assert host.found() == ""


def test_a_port_that_somebody_else_has(host, port):
    said = f"port: {port} is in use at 127.0.0.1; choose another, or stop what listens there (see ss -ltnp)"
    assert host.found(port=port, state="present") == said
    # Which matters to whoever is to listen there alone.
    assert host.found(port=port) == ""
    assert host.found({"vision": f"Listen=127.0.0.1:{port}0 (Stream)"}, port=port, state="present") == said


@pytest.mark.parametrize(("name", "leaving"), [("vision", []), ("old", ["old"])])
def test_a_port_that_is_the_team_s_own_or_about_to_be_free(host, port, name, leaving):
    held = {name: f"Listen=127.0.0.1:{port} (Stream)"}
    assert host.found(held, leaving, port=port, state="present") == ""


def test_an_address_that_comes_later(host):
    assert host.found(listen_address="203.0.113.1", port=5001, state="present") == ""


def test_a_directory_of_somebody_else(host):
    host.data.mkdir()
    assert host.found() == (
        f"'{host.data}' belongs to {ME}; name a directory that is not there yet, or chown it to {ACCOUNT}"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps what is root's for a team")
def test_what_was_kept_for_the_team_is_its_own(host):
    host.data.mkdir()
    host.retired()
    assert host.found() == ""


def test_what_is_no_directory(host):
    host.data.write_text("")
    assert host.found() == f"'{host.data}' is not a directory; name one, or one that the role is to make"
    below = host.data / "deeper"
    assert host.found(storage_dirs=[str(below)]) == f"'{below}' is below a file"


def test_a_way_that_the_account_may_not_pass(host, monkeypatch):
    monkeypatch.undo()
    # The first one is named, which here is above what pytest has made.
    (host.home / "srv").chmod(0o700)
    assert f"{ACCOUNT} may not pass '" in host.found()
    assert "let others pass it (chmod o+x), or name another place" in host.found()


def test_the_admin_has_another_name(host):
    place = host.config / "vision"
    (place / "basic_auth.ini").write_text("[mlflow]\nadmin_username = root\n")
    # It was never started to the end.
    assert host.found() == ""
    (place / "admin_password").write_text("x")
    assert host.found().startswith("admin_username: the team was set up with 'root', which MLflow wants at every start")
    assert host.found(admin_username="root") == ""


def test_all_of_it_is_said(host, port):
    host.data.write_text("")
    said = host.found(port=port, state="present")
    assert said.count("; ") == 3
    assert said.startswith(f"port: {port}")


SHOWN = """Id=mlflow-listen@vision.socket
ActiveState=active
Listen=0.0.0.0:5001 (Stream)

Id=mlflow-listen@nlp.socket
ActiveState=inactive
Listen=0.0.0.0:5002 (Stream)
"""


def test_which_sockets_listen(tmp_path, monkeypatch):
    program = tmp_path / "systemctl"
    program.write_text(f"#!/bin/sh\necho \"$*\" >> {tmp_path}/asked\ncat << 'END'\n{SHOWN}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert list(sockets_held(["vision", "nlp"])) == ["vision"]
    assert "5001 (Stream)" in sockets_held(["vision", "nlp"])["vision"]
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0].endswith("mlflow-listen@vision.socket mlflow-listen@nlp.socket")
    # Without any name systemd would tell of all that it has.
    assert sockets_held([]) == {}
    assert len(asked) == 2


def left(option, place):
    how = "move it with mlops.mlflow.move_stores -e team=vision, or, to begin anew, put it aside"
    return f"{option}: what the team has is in {place}, and not there yet; {how}"


def test_a_database_in_a_file_that_would_stay_behind(host):
    file = host.home / "mlflow.db"
    host.has({"mlflow": file})
    assert host.found() == host.found(in_files=["auth", "tracking"]) == ""
    assert host.found(in_files=[]) == left("backend_store_uri, auth_database_uri", file)
    # Whoever put it aside for the one would begin anew with the other.
    for in_files in (["auth"], ["tracking", "artifacts"]):
        assert host.found(in_files=in_files).endswith("move it back before the team is started again")
    # Put aside by who wants to begin anew.
    file.unlink()
    assert host.found(in_files=[]) == ""


def test_one_of_two_databases_that_would_stay_behind(host):
    host.has({"auth": host.home / "auth.db", "tracking": None})
    assert host.found(in_files=["auth", "artifacts"]) == ""
    said = left("backend_store_uri, auth_database_uri", host.home / "auth.db")
    assert host.found(in_files=["tracking", "artifacts"]) == said


def test_artifacts_that_would_stay_behind(host):
    place = host.home / "artifacts"
    host.has({"mlflow": None}, place)
    assert host.found(in_files=[]) == ""
    place.mkdir()
    assert host.found(in_files=[]) == ""
    (place / "1").mkdir()
    assert host.found(in_files=["artifacts"]) == ""
    assert host.found(in_files=[]) == left("artifacts: destination", place)
    # As a file system of its own has it.
    (place / "1").rename(place / "lost+found")
    assert host.found(in_files=[]) == ""


def test_a_place_that_root_cannot_look_into_ends_no_run(host, monkeypatch):
    def fail(_place):
        raise OSError(116, "Stale file handle")

    host.has({"mlflow": None}, "/srv/elsewhere")
    assert host.found(in_files=[]) == ""
    monkeypatch.setattr(_host_obstacles.os, "listdir", fail)
    assert host.found(in_files=[]) == left("artifacts: destination", "/srv/elsewhere")
