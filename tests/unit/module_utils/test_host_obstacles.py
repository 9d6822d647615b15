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
            "places": {"auth": None, "tracking": None, "artifacts": None},
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


def left(option, place, to_files=False):
    """What is said; to other files nothing moves it."""
    how = "move it with mlops.mlflow.move_stores -e team=vision, or, to begin anew, put it aside"
    if to_files:
        how = "put it aside once all of it is where you declare, or to begin anew without it"
    return f"{option}: what the team has is in {place}, and would be left behind; {how}"


def test_a_database_in_a_file_that_would_stay_behind(host):
    file = host.home / "mlflow.db"
    host.has({"mlflow": file})
    here = {"auth": str(file), "tracking": str(file), "artifacts": None}
    assert host.found() == host.found(places=here) == ""
    options = "backend_store_uri, auth_database_uri"
    assert host.found(places={}) == left(options, file)
    other = str(host.home / "other.db")
    assert host.found(places={**here, "auth": other, "tracking": other}) == left(options, file, to_files=True)
    # Whoever put it aside for the one would begin anew with the other.
    for places in ({"auth": str(file)}, {**here, "auth": other}, {"tracking": str(file), "artifacts": None}):
        assert host.found(places=places).endswith("move it back before the team is started again")
    # Put aside by who wants to begin anew.
    file.unlink()
    assert host.found(places={}) == host.found(places={**here, "auth": other, "tracking": other}) == ""


def test_one_of_two_databases_that_would_stay_behind(host):
    file = host.home / "auth.db"
    host.has({"auth": file, "tracking": None})
    assert host.found(places={"auth": str(file), "artifacts": None}) == ""
    said = left("backend_store_uri, auth_database_uri", file, to_files=True)
    assert host.found(places={"tracking": "/srv/tracking.db", "artifacts": None}) == said
    assert host.found(places={"auth": "/srv/auth.db", "artifacts": None}) == said


def test_databases_that_change_places(host):
    here = {"auth": host.home / "auth.db", "tracking": host.home / "tracking.db"}
    host.has(here)
    assert host.found(places={purpose: str(file) for purpose, file in here.items()}) == ""
    said = host.found(places={"auth": str(here["tracking"]), "tracking": str(here["auth"])})
    assert said == left("backend_store_uri, auth_database_uri", f"{here['auth']}, {here['tracking']}", to_files=True)


def test_a_file_by_another_of_its_names(host):
    file = host.home / "moved.db"
    host.has({"mlflow": host.home / "mlflow.db"})
    # Moved, and what is declared no more leads there.
    (host.home / "mlflow.db").rename(file)
    (host.home / "mlflow.db").symlink_to(file)
    assert host.found(places={"auth": str(file), "tracking": f"{host.home}/./moved.db"}) == ""


def test_artifacts_that_would_stay_behind(host):
    place = host.home / "artifacts"
    host.has({"mlflow": None}, place)
    assert host.found(places={}) == ""
    place.mkdir()
    assert host.found(places={}) == ""
    (place / "1").mkdir()
    assert host.found(places={"artifacts": None}) == host.found(places={"artifacts": f"{place}/"}) == ""
    said = host.found(places={})
    assert said == left("artifacts: destination", place)
    assert host.found(places={"artifacts": "/srv/another"}) == left("artifacts: destination", place, to_files=True)
    # As a file system of its own has it.
    (place / "1").rename(place / "lost+found")
    assert host.found(places={}) == ""


def test_a_former_directory_that_has_nothing_but_what_is_to_be_below_it(host):
    place = host.home / "data"
    (place / "artifacts" / "1").mkdir(parents=True)
    for name in ("mlflow.db", "mlflow.db-wal"):
        (place / name).write_text("rows")
    host.has({"mlflow": None}, place)
    places = {"auth": f"{place}/mlflow.db", "tracking": f"{place}/mlflow.db", "artifacts": f"{place}/artifacts"}
    assert host.found(places=places) == ""
    (place / "2").mkdir()
    assert host.found(places=places) == left("artifacts: destination", place, to_files=True)


def test_a_place_that_root_cannot_look_into_ends_no_run(host, monkeypatch):
    def fail(_place):
        raise OSError(116, "Stale file handle")

    host.has({"mlflow": None}, "/srv/elsewhere")
    assert host.found(places={}) == ""
    monkeypatch.setattr(_host_obstacles.os, "scandir", fail)
    assert host.found(places={}) == left("artifacts: destination", "/srv/elsewhere")
