"""A change that is cut off is undone before the server starts; while it goes on, everybody waits."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from mlflowctl.program import PACKAGE

# Takes the locks and notes how its change is undone, as a Change does; then waits to be killed.
HOLDER = """
import sys, time
sys.path.insert(0, {files!r})
from mlflowctl import paths, team, transaction
from pathlib import Path
HERE = Path({home!r})
paths.HERE.locks, paths.HERE.changes, paths.HERE.config = HERE / "run", HERE / "var", HERE / "etc"
transaction.Change.stop_server = lambda self: None
with transaction.Change(team.load("vision"), "trial") as change:
    change.begin([(False, ["mv", "-fT", {home!r} + "/former", {home!r} + "/file"])])
    {more}
    print("ready", flush=True)
    time.sleep(600)
"""
ASKER = """
import sys
sys.path.insert(0, {files!r})
from mlflowctl import paths, transaction
from pathlib import Path
HERE = Path({home!r})
paths.HERE.locks, paths.HERE.changes, paths.HERE.config = HERE / "run", HERE / "var", HERE / "etc"
transaction.before_server("vision", 2)
"""


@pytest.fixture
def home(tmp_path):
    (tmp_path / "var").mkdir()
    directory = tmp_path / "etc" / "vision"
    directory.mkdir(parents=True)
    account = {"name": "vision", "account": "mlflow-vision", "state_dir": str(tmp_path)}
    others = {"socket": "", "admin_username": "admin", "default_permission": "READ", "databases": []}
    known = {**account, **others, "artifacts": None, "storage_dirs": []}
    (directory / "team.json").write_text(json.dumps(known))
    (tmp_path / "former").write_text("former")
    (tmp_path / "file").write_text("changed")
    return tmp_path


def start(program, home, more="pass"):
    code = textwrap.dedent(program).format(files=str(PACKAGE.parent), home=str(home), more=more)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


@pytest.fixture
def holder(home):
    """Somebody who is in the middle of a change."""
    process = start(HOLDER, home)
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


def test_the_server_waits_while_somebody_changes_what_it_reads(home, holder):
    asker = start(ASKER, home)
    with pytest.raises(subprocess.TimeoutExpired):
        asker.wait(timeout=1)
    assert (home / "file").read_text() == "changed"
    os.kill(holder.pid, signal.SIGKILL)
    assert asker.wait(timeout=60) == 0
    asker.communicate()


def test_what_was_cut_off_is_undone_before_the_server_starts(home, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    for _time in range(2):
        asker = start(ASKER, home)
        asker.communicate(timeout=60)
        assert asker.returncode == 0
        assert (home / "file").read_text() == "former"
        assert not (home / "var" / "vision.json").exists()


def test_a_server_that_is_tried_out_starts_while_clients_wait(home):
    note = 'transaction.write_journal("vision", {**transaction.read_journal("vision"), "trying": True})'
    holder = start(HOLDER, home, f'{note}; import os; os.close(change.locks.pop("server"))')
    try:
        assert holder.stdout.readline() == "ready\n"
        asker = start(ASKER, home)
        asker.communicate(timeout=60)
        assert asker.returncode == 0
        assert (home / "file").read_text() == "changed"
    finally:
        holder.kill()
        holder.communicate()


def test_who_wants_to_change_it_meanwhile_waits_for_its_end(home):
    # What is tried out fails, and is undone with the lock that was given up for that.
    again = 'import os; os.close(change.locks.pop("server")); print("trying", flush=True); time.sleep(1); sys.exit(3)'
    holder = start(HOLDER, home, again)
    assert holder.stdout.readline() == "trying\n"
    other = start(HOLDER, home, f'Path("{home}/former").touch(); sys.exit(4)')
    try:
        assert holder.wait(timeout=60) == 3
        assert other.wait(timeout=60) == 4
    finally:
        for process in (holder, other):
            process.kill()
            process.communicate()


def test_leaving_a_change_by_an_error_undoes_it(home):
    holder = start(HOLDER, home, "raise SystemExit(3)")
    holder.communicate(timeout=60)
    assert holder.returncode == 3
    assert (home / "file").read_text() == "former"


def test_a_change_that_cannot_be_undone_keeps_the_server_from_starting(home, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    (home / "former").unlink()
    asker = start(ASKER, home)
    asker.communicate(timeout=60)
    assert asker.returncode == 1
    time.sleep(0.1)
    assert (home / "var" / "vision.json").exists()
