"""%mlflow_team switches a kernel to another team, and shows nobody how it logs in."""

import os
import types

import project
import pytest

PROGRAM = project.ROOT / "roles" / "mlflow_client" / "files" / "mlflow_team.py"


@pytest.fixture
def magic(tmp_path, monkeypatch):
    directory = tmp_path / ".config" / "mlflow"
    directory.mkdir(parents=True)
    for team, more in (("vision", "MLFLOW_TRACKING_SERVER_CERT_PATH=/etc/ca.pem\n"), ("nlp", "")):
        (directory / f"{team}.env").write_text(
            f"# Written\nMLFLOW_TRACKING_URI=https://{team}.example.org:8443\nMLFLOW_TRACKING_USERNAME=alice\n"
            f"MLFLOW_TRACKING_PASSWORD='canary of {team}'\n{more}"
        )
    (directory / "default.env").symlink_to("vision.env")
    monkeypatch.setattr(os, "environ", {"HOME": str(tmp_path), "NO_PROXY": "a,b"})
    known = {}
    shell = types.SimpleNamespace(register_magic_function=lambda function, kind, name: known.update({name: function}))
    space = {"get_ipython": lambda: shell}
    exec(compile(PROGRAM.read_text(), str(PROGRAM), "exec"), space)  # noqa: S102 - as IPython runs it
    assert [name for name in space if not name.startswith("__")] == ["get_ipython"]
    return known["mlflow_team"]


def test_a_person_of_two_teams_switches(magic, capsys):
    magic("vision")
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "canary of vision"
    assert os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"] == "/etc/ca.pem"
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == "vision.example.org,a,b"
    magic(" nlp ")
    magic("nlp")
    assert os.environ["MLFLOW_TRACKING_URI"] == "https://nlp.example.org:8443"
    assert "MLFLOW_TRACKING_SERVER_CERT_PATH" not in os.environ
    assert os.environ["no_proxy"] == "nlp.example.org,vision.example.org,a,b"
    magic("")
    said = "".join(capsys.readouterr())
    assert said.splitlines()[-2:] == ["nlp", "vision"]
    assert "canary" not in said


@pytest.mark.parametrize("team", ["audio", "../vision", "default", "vision.env", "$(id)"])
def test_a_team_that_is_not_theirs_changes_nothing(magic, capsys, team):
    before = dict(os.environ)
    magic(team)
    assert os.environ == before
    assert "in no such team" in capsys.readouterr().err


def test_outside_of_ipython_nothing_happens():
    space = {}
    exec(compile(PROGRAM.read_text(), str(PROGRAM), "exec"), space)  # noqa: S102
    assert [name for name in space if not name.startswith("__")] == []
