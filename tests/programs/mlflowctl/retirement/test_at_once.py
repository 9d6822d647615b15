"""What is asked for a team while it is retired waits for that, and finds that there is no such team any more."""

import contextlib
import os
import shutil
import time

import pytest
from mlflowctl import paths
from mlflowctl.retirement import retire
from programs.mlflowctl.backup_lab import Lab

WAIT_SECONDS = 60


@pytest.fixture
def lab(tmp_path, empty, monkeypatch):
    """A host with a team that has a snapshot; systemd's and the accounts' commands do nothing."""
    shutil.copytree(empty, tmp_path / "repository")
    lab = Lab(tmp_path)
    lab.sql("INSERT INTO runs VALUES ('first')")
    lab.back_up()
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "systemctl").write_text("#!/bin/sh\n")
    (folder / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    for name in ("units", "volatile_units", "timers", "figures", "drills", "drills_seen", "looks"):
        monkeypatch.setattr(paths.HERE, name, tmp_path / name)
    monkeypatch.setattr(paths.HERE, "state", lab.state.parent)
    return lab


def waits(lab, process):
    """Wait until a process waits for the lock of a change."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError, ValueError), open(f"/proc/{process.pid}/syscall", encoding="utf-8") as file:
            number, handle = file.read().split()[:2]
            held = os.readlink(f"/proc/{process.pid}/fd/{int(handle, 16)}")
            # flock(2), on each kind of processor.
            if number in ("73", "32") and held == str(lab.home / "locks" / "vision.server"):
                return
        time.sleep(0.05)
    raise AssertionError(process.communicate(timeout=WAIT_SECONDS))


@pytest.mark.parametrize("mode", ["keep", "remove"])
@pytest.mark.parametrize("program", ["restore", "snapshot"])
def test_nothing_of_it_is_made_again(lab, monkeypatch, program, mode):
    begun, write = [], retire.archive.write

    def archived(*words):
        begun.append(lab.start(program, "vision", before=f"paths.HERE.state = Path({str(paths.HERE.state)!r})"))
        waits(lab, begun[0])
        return write(*words)

    monkeypatch.setattr(retire.archive, "write", archived)
    result = retire.retire_all(mode, lab.home / "archives", ["vision"])
    assert result["failures"] == {}
    _out, said = begun[0].communicate(timeout=WAIT_SECONDS)
    assert begun[0].returncode != 0
    assert "team vision is retired from this host; declare it as present, and run mlops.mlflow.site" in said
    left = [path for folder in ("changes", "staging", "restores") for path in (lab.home / folder).rglob("*")]
    assert [path for path in left if path.is_file()] == []
    assert not (lab.config / "vision").exists()
    assert os.path.lexists(lab.state) == (mode == "keep")
    if mode == "keep":
        assert lab.rows() == {"first"}


# Has fetched all of it, and waits until somebody says so.
FETCHED = """
import time
whole = restore.Restore.compare
def compare(self):
    whole(self)
    Path(HOME, "fetched").touch()
    while not Path(HOME, "go").exists():
        time.sleep(0.05)
restore.Restore.compare = compare
"""


@pytest.fixture
def fetched(lab):
    """A restore that has fetched all, and waits."""
    before = FETCHED.replace("HOME", repr(str(lab.home)))
    process = lab.start("restore", "vision", before=f"{before}\npaths.HERE.state = Path({str(paths.HERE.state)!r})")
    end = time.monotonic() + WAIT_SECONDS
    while not (lab.home / "fetched").exists():
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.05)
    return process


@pytest.mark.parametrize("change", ["upgrade", "move"])
def test_a_restore_puts_nothing_into_a_team_that_became_another_meanwhile(lab, fetched, change):
    lab.sql("INSERT INTO runs VALUES ('later')")
    before = lab.everything()
    if change == "upgrade":
        lab.install("3.18.0")
    else:
        lab.declare("vision", lab.state, databases=[{"name": "mlflow", "uri": "postgresql://db/vision", "file": None}])
    (lab.home / "go").touch()
    _out, said = fetched.communicate(timeout=WAIT_SECONDS)
    assert fetched.returncode != 0
    assert "team vision was changed while the snapshot was fetched" in said
    assert lab.everything() == before


@pytest.mark.parametrize("mode", ["keep", "remove"])
def test_a_restore_that_has_fetched_all_before_puts_nothing_in_place(lab, fetched, mode):
    assert retire.retire_all(mode, lab.home / "archives", ["vision"])["failures"] == {}
    (lab.home / "go").touch()
    _out, said = fetched.communicate(timeout=WAIT_SECONDS)
    assert fetched.returncode != 0
    assert "team vision is retired from this host" in said
    assert not (lab.config / "vision").exists()
    assert os.path.lexists(lab.state) == (mode == "keep")
