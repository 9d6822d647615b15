"""Only environments that nobody uses go, and nothing that the role did not make."""

import fcntl
import json
import os
import subprocess
import sys

import pytest
from programs.roles.conftest import FILES, MARKER


class Host:
    """Environments, and the teams whose links lead there."""

    def __init__(self, home):
        self.install_dir, self.config_dir = home / "opt", home / "etc"
        self.config_dir.mkdir()
        self.install_dir.mkdir()

    def environment(self, version, marker=None, config="pyvenv.cfg"):
        place = self.install_dir / version
        (place / "lib").mkdir(parents=True)
        (place / "lib" / "some.so").write_bytes(b"\0" * 4096)
        (place / MARKER).write_text(f"mlflow[auth]=={version}\nboto3\n" if marker is None else marker)
        (place / config).write_text("home = /usr/bin\n")
        return place

    def team(self, name, version):
        (self.config_dir / name).mkdir()
        (self.config_dir / name / "venv").symlink_to(self.install_dir / version)

    def run(self, mode="remove", versions=(), teams=(), what="all"):
        """Run the script; return the names that it printed."""
        script = (FILES / "remove_unused.py").read_text()
        given = [mode, what, self.install_dir, self.config_dir, MARKER, json.dumps(versions), json.dumps(teams)]
        done = subprocess.run(
            [sys.executable, "-c", script, *map(str, given)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return [os.path.relpath(line, self.install_dir) for line in done.stdout.splitlines()]

    def left(self):
        return sorted(os.listdir(self.install_dir))


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_keeps_what_teams_use_of_this_run_or_not(host):
    for version in ("3.13.0", "3.14.0", "3.15.2", "3.17.2"):
        host.environment(version)
    host.team("left-out", "3.15.2")
    assert host.run(versions=["3.17.2"]) == ["3.13.0", "3.14.0"]
    assert host.left() == ["3.15.2", "3.17.2"]
    assert host.run(versions=["3.17.2"]) == []


def test_removes_what_builds_left_that_were_cut_off(host):
    (host.install_dir / ".3.17.2.new").mkdir()
    host.environment(".3.15.2.old")
    host.environment(".3.14.0.old")
    host.team("waiting", "3.14.0")
    assert host.run(versions=["3.17.2"]) == [".3.15.2.old", ".3.17.2.new"]
    # The only copy of what a team is to run from.
    assert host.left() == [".3.14.0.old"]


def test_what_builds_left_goes_by_itself_unless_one_is_under_way(host):
    (host.install_dir / ".3.17.2.new").mkdir()
    host.environment("3.15.2")
    lock = os.open(host.install_dir, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert host.run(what="workshops", versions=["3.17.2"]) == []
    os.close(lock)
    assert host.run("look", what="workshops", versions=["3.17.2"]) == [".3.17.2.new"]
    assert host.run(what="workshops", versions=["3.17.2"]) == [".3.17.2.new"]
    assert host.left() == ["3.15.2"]


@pytest.mark.parametrize("marker", ["", "mlflow[auth]==3.17.2\n", "numpy\n", "mlflow==3.15.2\n"])
def test_leaves_alone_what_the_role_did_not_make(host, marker):
    host.environment("3.15.2", marker=marker)
    host.environment("3.14.0", config="setup.py")
    host.environment("project.new")
    (host.install_dir / "3.13.0").symlink_to("3.15.2")
    (host.install_dir / ".3.12.0.new").write_text("a file")
    (host.install_dir / "empty").mkdir()
    before = host.left()
    assert host.run() == ["project.new"]
    assert host.left() == [name for name in before if name != "project.new"]


def test_keeps_what_a_process_runs_from(host):
    mapped, named = host.environment("3.15.2"), host.environment("3.14.0")
    code = (
        "import mmap; f = open(input()); m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); print(flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(named / "bin" / "python")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.stdin.write(f"{mapped / 'lib' / 'some.so'}\n")
        process.stdin.flush()
        process.stdout.readline()
        assert host.run() == []
        process.communicate("\n")
    assert host.run() == ["3.14.0", "3.15.2"]


def test_a_look_tells_what_will_be_once_the_teams_have_moved(host):
    host.environment("3.15.2")
    host.environment("3.17.2")
    host.team("moving", "3.15.2")
    assert host.run("look", versions=["3.17.2"], teams=["moving"]) == ["3.15.2"]
    assert host.left() == ["3.15.2", "3.17.2"]
    assert host.run(versions=["3.17.2"], teams=["moving"]) == []


def test_nothing_installed_is_nothing_to_remove(host):
    host.install_dir.rmdir()
    assert host.run() == []
