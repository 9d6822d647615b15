"""One look at a host, which changes nothing and fails at nothing that it finds."""

import hashlib
import os
import sys

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _host_environments

WORKS = 'works() { "$1/bin/python"; }'


@pytest.fixture
def look(run_module, tmp_path):
    """Look at a host that is a directory."""
    (tmp_path / "opt").mkdir()

    def run(**options):
        given = {"python": sys.executable, "install_dir": str(tmp_path / "opt"), "works": WORKS, **options}
        answer = run_module("host_info", given)
        assert not answer.failed, answer.output
        assert not answer.changed
        return answer.result

    return run


def environment(home, version, works=True):
    """Make what says that it works, or does not."""
    place = home / "opt" / version
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").write_text(f"#!/bin/sh\necho run >> {home}/ran\n{'true' if works else 'false'}\n")
    (place / "bin" / "python").chmod(0o755)
    (place / "requirements.txt").write_text(f"mlflow=={version}\n")


@pytest.mark.parametrize(
    ("text", "version", "ensurepip"),
    [
        ("echo 3.8", "3.8", False),
        ("echo 3.12; echo ensurepip", "3.12", True),
        ("echo 3.12; echo no module >&2; exit 1", "3.12", False),
        ("exit 1", "0", False),
    ],
)
def test_which_python_there_is(look, tmp_path, text, version, ensurepip):
    python = tmp_path / "a python"
    python.write_text(f"#!/bin/sh\n{text}\n")
    python.chmod(0o755)
    assert look(python=str(python))["python"] == {"version": version, "ensurepip": ensurepip}


def test_a_python_that_is_not_there(look):
    assert look(python="/no/such/python")["python"] == {"version": "0", "ensurepip": False}


def test_the_python_of_this_machine(look):
    assert look()["python"]["version"] == "{}.{}".format(*sys.version_info)


def test_what_the_host_is(look):
    found = look(paths=["/etc", "/etc/passwd", "/no/such"])
    assert found["paths"] == {"/etc": "directory", "/etc/passwd": "file", "/no/such": ""}
    assert found["systemd"]["running"] is os.path.isdir("/run/systemd/system")
    assert found["first_process"]
    assert found["families"]


def test_only_complete_environments_are_found(look, tmp_path):
    environment(tmp_path, "3.17.2")
    environment(tmp_path, "3.15.2", works=False)
    environment(tmp_path, ".3.14.0.new")
    (tmp_path / "opt" / "3.13.0").mkdir()
    found = look()
    assert found["environments"] == {"3.17.2": hashlib.sha256(b"mlflow==3.17.2\n").hexdigest()}
    assert found["exposed"] == []
    assert found["workshops"] == [str(tmp_path / "opt" / ".3.14.0.new")]


def test_nothing_is_run_of_what_others_could_exchange(look, tmp_path):
    environment(tmp_path, "3.17.2")
    (tmp_path / "opt").chmod(0o777)
    found = look()
    assert found["environments"] == {}
    assert found["exposed"][0].startswith(f"{tmp_path}/opt (")
    assert found["exposed"][0].endswith(" 777)")
    assert not (tmp_path / "ran").exists()


def test_without_environments(look, tmp_path):
    found = look(install_dir=str(tmp_path / "none"))
    assert (found["environments"], found["workshops"]) == ({}, [])


def test_no_password_is_told(look, tmp_path):
    declared = {"listen_address": "127.0.0.1", "port": 5001, "admin_username": "admin"}
    passwords = {"vision": "canary of vision", "nlp": "canary of nlp"}
    for name in passwords:
        (tmp_path / "etc" / name).mkdir(parents=True)
        (tmp_path / "etc" / name / "admin_password").write_text("canary of vision")
    found = look(
        config_dir=str(tmp_path / "etc"),
        state_dir=str(tmp_path / "var"),
        teams=[{**declared, "name": name, "admin_password": word} for name, word in {**passwords, "new": "x"}.items()],
    )
    assert {name: team["password"] for name, team in found["teams"].items()} == {
        "vision": "declared",
        "nlp": "other",
        "new": "none",
    }
    assert "canary" not in str(found)


def test_an_environment_that_does_not_answer_is_not_taken_for_a_broken_one(tmp_path, monkeypatch):
    environment(tmp_path, "3.17.2")
    monkeypatch.setattr(_host_environments, "PATIENCE", 0.1)
    with pytest.raises(ValueError, match=r"3\.17\.2/bin/python: does not come to its end within"):
        _host_environments.complete(str(tmp_path / "opt"), "requirements.txt", "works() { sleep 60; }")


FIND = "import json, sys; print(json.dumps({name: [sys.argv[1]] for name in json.loads(sys.argv[2])}))"


def test_what_is_left_of_teams_that_are_to_be_gone(look):
    assert look(absent=["old"], find=FIND)["left"] == {"old": ["keep"]}
    assert look(absent=["old"], find=FIND, remove_data=True)["left"] == {"old": ["remove"]}
    assert look(absent=[], find=FIND)["left"] == {}
    # Such a host is refused.
    assert look(absent=["old"], find=FIND, python="/no/such")["left"] == {}


@pytest.mark.parametrize(
    ("find", "said"), [("import sys; sys.exit('cannot be said')", "cannot be said"), ("print('no json')", "Expecting")]
)
def test_what_cannot_be_said_is_not_taken_for_nothing(run_module, find, said):
    answer = run_module("host_info", {"python": sys.executable, "absent": ["old"], "find": find})
    assert answer.failed
    assert said in answer.result["msg"]
