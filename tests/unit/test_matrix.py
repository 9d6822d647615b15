"""Which Python each ansible-core is tried on, on machines that have others."""

import os
import subprocess

import debian13
import matrix
import project
import pytest


def having(monkeypatch, tmp_path, *versions):
    """Let this machine have only these, and nothing of pyenv's."""
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))

    def find(command, **_more):
        found = f"/usr/bin/python{command[-1]}\n" if command[-1] in versions else ""
        return subprocess.CompletedProcess(command, 0 if found else 2, stdout=found)

    monkeypatch.setattr(project, "run", find)


def test_all_of_them_are_tried_where_all_are_there():
    assert {pythons[0] for pythons in matrix.PYTHONS.values()} == {"3.10", "3.11", "3.12", "3.13"}
    assert (matrix.OLDEST, matrix.NEWEST) == ("2.17", "2.21")


@pytest.mark.parametrize("core", matrix.PYTHONS)
def test_a_machine_with_debian_12_has_one_for_each(monkeypatch, tmp_path, core):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    having(monkeypatch, tmp_path, "3.11")
    version, python = matrix.interpreter(core)
    assert version in matrix.PYTHONS[core]
    assert (version, python) in [("3.11", "/usr/bin/python3.11"), (debian13.PYTHON, "")]


def test_the_preferred_one_is_taken(monkeypatch, tmp_path):
    having(monkeypatch, tmp_path, "3.12", "3.13")
    assert matrix.interpreter("2.21") == ("3.13", "/usr/bin/python3.13")
    python = tmp_path / "versions" / "3.13.1" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert matrix.interpreter("2.21") == ("3.13", str(python))


def test_what_neither_this_machine_nor_debian_has_is_for_uv(monkeypatch, tmp_path):
    having(monkeypatch, tmp_path, "3.13")
    assert matrix.interpreter("2.17") == ("3.10", "")


def test_without_root_it_is_for_uv(monkeypatch, tmp_path):
    having(monkeypatch, tmp_path, "3.11")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert matrix.interpreter("2.21") == ("3.13", "")


def test_its_name_stays_its_own_where_it_is_run_in_there(monkeypatch, tmp_path):
    where = tmp_path / "2.21"
    (where / "bin").mkdir(parents=True)
    for name in ("python", "python3", "python3.13"):
        (where / "bin" / name).symlink_to("/nonexistent")
    ran = []
    monkeypatch.setattr(debian13, "ensure", lambda: None)
    monkeypatch.setattr(project, "run", lambda command, **_more: ran.append(command))
    debian13.make_venv(where)
    assert ran == [[*debian13.inside(), "/usr/bin/python3", "-m", "venv", "--clear", "--without-pip", where]]
    script = (where / "bin" / "python").read_text()
    assert "exec -a" in script
    assert f"'{where}/bin/python' \"$@\"" in script
    assert (where / "bin" / "python3.13").resolve() == where / "bin" / "python"
