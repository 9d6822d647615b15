"""What a server is told: read as systemd reads it, and seen by nobody but the server."""

import json
import os
import shutil
import stat
import subprocess
import sys

import pytest
from mlflowctl import environment_file, paths, settings
from mlflowctl.program import IN_MLFLOW, PACKAGE
from mlflowctl.team import Team

AWKWARD = "$HOME ${HOME} \"quoted\" 'single' \\ \\n `id` 100% #hash ; end\n# no comment\nB=c"


def quoted(value):
    """As quoting.j2 writes it."""
    for character in '\\"$`':
        value = value.replace(character, f"\\{character}")
    return f'"{value}"'


@pytest.mark.parametrize("value", [AWKWARD, "", "a\\", '"', "two\nlines", "trailing ", "\\$", "ü"])
def test_values_come_out_as_they_went_in(value):
    text = f'# With "x", y\n#A="no"\nBEFORE=plain\nVALUE={quoted(value)}\nAFTER="1"\n'
    assert environment_file.parse(text) == {"BEFORE": "plain", "VALUE": value, "AFTER": "1"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_they_are_handed_over_to_the_account_alone(tmp_path):
    (tmp_path / "etc" / "vision").mkdir(parents=True)
    (tmp_path / "etc" / "vision" / "environment").write_text('A="1"\nB="2"\n')
    (tmp_path / "etc" / "vision" / "secrets.env").write_text("B=3\n")
    run = tmp_path / "run"
    run.mkdir()
    # Where the account left a link for root to write through.
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (run / "settings.json").symlink_to(victim)
    others = {"state_dir": "", "admin_username": "", "default_permission": "", "databases": []}
    team = Team(
        name="vision", account="nobody", socket=str(run / "http.sock"), config_dir=tmp_path / "etc", artifacts=None,
        storage_dirs=[], **others,
    )  # fmt: skip
    settings.hand_over(team)
    found = (run / "settings.json").lstat()
    assert victim.read_text() == "untouched"
    assert stat.S_ISREG(found.st_mode)
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o400, __import__("pwd").getpwnam("nobody").pw_uid)
    assert json.loads((run / "settings.json").read_text()) == {"A": "1", "B": "3"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_collection_is_handed_no_secrets_of_the_server(tmp_path):
    config = tmp_path / "etc" / "vision"
    config.mkdir(parents=True)
    for name, text in {
        "environment": "A=1\n",
        "secrets.env": "B=2\n",
        "team.json": "{}",
        "admin_password": "p",
    }.items():
        (config / name).write_text(text)
    place = tmp_path / "run" / "vision"
    place.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (place / "admin_password").symlink_to(victim)
    paths.HERE.garbage = tmp_path / "run"
    others = {"state_dir": "", "admin_username": "", "default_permission": "", "databases": []}
    team = Team(
        name="vision",
        account="nobody",
        socket="",
        config_dir=tmp_path / "etc",
        artifacts=None,
        storage_dirs=[],
        **others,
    )
    settings.hand_over_to_garbage_collection(team)
    assert victim.read_text() == "untouched"
    assert {path.name: path.read_text() for path in place.iterdir()} == {
        "team.json": "{}",
        "admin_password": "p",
        "settings.json": '{"A": "1"}',
    }
    assert {stat.S_IMODE(path.lstat().st_mode) for path in place.iterdir()} == {0o400}


def test_a_program_begins_with_what_was_handed_over_and_leaves_no_file(tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({"A": AWKWARD, "PYTHONPATH": str(tmp_path)}))
    here = tmp_path / "mlflowctl" / "in_mlflow"
    shutil.copytree(IN_MLFLOW, here)
    (here / "tell.py").write_text("import json, os, sys\ndef main(): print(json.dumps([os.environ['A'], sys.argv]))")
    done = subprocess.run(
        [sys.executable, "-IS", here / "with_settings.py", "tell", "server", "--option"],
        env={"RUNTIME_DIRECTORY": str(tmp_path)},
        text=True,
        check=True,
        capture_output=True,
    )
    assert json.loads(done.stdout) == [AWKWARD, ["tell", "server", "--option"]]
    assert not (tmp_path / "settings.json").exists()


def test_root_reads_nothing_that_others_write(tmp_path):
    """Neither from the environment, nor from where it is called, nor from the home directory."""
    (tmp_path / "json.py").write_text("import os; os.write(2, b'taken in')")
    (tmp_path / "usercustomize.py").write_text("import os; os.write(2, b'taken in')")
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "json.py"), "PYTHONINSPECT": ""}
    done = subprocess.run(
        ["/usr/bin/python3", "-I", PACKAGE, "before", "clients"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **environment},
        cwd=tmp_path,
        text=True,
        check=False,
        capture_output=True,
    )
    assert "taken in" not in done.stderr
    # It has found what it imports, and missed an argument.
    assert (done.returncode, done.stderr[:32]) == (2, "usage: mlflowctl before: wait un")
