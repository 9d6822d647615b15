"""A team's settings are kept whole, and are whole at any time while they are put back."""

import os

import pytest
from mlflowctl import former_settings, paths

FORMER = {"environment": "a", "secrets.env": "keys", "team.json": "files"}


@pytest.fixture
def home(tmp_path):
    paths.HERE = paths.Paths(tmp_path)
    paths.HERE.changes.parent.mkdir(parents=True)
    found = paths.HERE.config / "vision"
    found.mkdir(parents=True)
    for name, text in FORMER.items():
        write(found / name, text)
    (found / "venv").symlink_to("/opt/mlflow/3.17.2")
    return found


def write(path, text):
    path.write_text(text)
    path.chmod(0o600)


def said(home):
    return {path.name: os.readlink(path) if path.is_symlink() else path.read_text() for path in home.iterdir()}


def test_they_come_back(home):
    before = said(home)
    former_settings.keep("vision")
    assert former_settings.kept("vision").stat().st_mode & 0o777 == 0o700
    write(home / "environment", "b")
    (home / "secrets.env").unlink()
    former_settings.put_back("vision")
    assert said(home) == before
    assert (home / "secrets.env").stat().st_mode & 0o777 == 0o600
    assert not former_settings.kept("vision").exists()
    # Once more, after it was cut off behind the last step.
    former_settings.put_back("vision")
    assert said(home) == before


def test_what_is_the_team_s_own_of_its_units_comes_back_and_what_others_have_put_there_stays(home):
    units = paths.HERE.units / "mlflow@vision.service.d"
    units.mkdir(parents=True)
    for name in ("storage.conf", "override.conf"):
        write(units / name, "as it was")
    former_settings.keep("vision")
    for name in ("storage.conf", "override.conf", "replica.conf"):
        write(units / name, "another")
    assert former_settings.put_back("vision") is True
    assert said(units) == {"storage.conf": "as it was", "override.conf": "another"}
    assert former_settings.put_back("vision") is False


def test_what_was_kept_before_is_older(home):
    former_settings.keep("vision")
    write(home / "secrets.env", "newer keys")
    former_settings.keep("vision")
    former_settings.put_back("vision")
    assert said(home)["secrets.env"] == "newer keys"


def test_kept_in_part_is_not_kept(home, monkeypatch):
    monkeypatch.setattr(former_settings, "copied", lambda path, to: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        former_settings.keep("vision")
    assert not former_settings.kept("vision").exists()
    former_settings.put_back("vision")
    assert said(home)["secrets.env"] == "keys"


@pytest.mark.parametrize("steps", range(4))
def test_cut_off_while_they_are_put_back(home, monkeypatch, steps):
    former_settings.keep("vision")
    for name in FORMER:
        write(home / name, f"new {name}")
    copied, left = former_settings.copied, list(range(steps))

    def cut_off(path, to):
        copied(path, to)
        left.pop()

    monkeypatch.setattr(former_settings, "copied", cut_off)
    with pytest.raises(IndexError):
        former_settings.put_back("vision")
    # It says where the data are that all others are for, until nothing else is to be put back.
    assert said(home)["team.json"] == "new team.json"
    assert {*said(home)} >= {*FORMER, "venv"}
    monkeypatch.setattr(former_settings, "copied", copied)
    former_settings.put_back("vision")
    assert {name: said(home)[name] for name in FORMER} == FORMER
    former_settings.keep("vision")
    former_settings.put_back("vision")
    assert {name: said(home)[name] for name in FORMER} == FORMER
