"""What runs of Ansible on throwaway hosts share: never what was made of another collection's modules."""

import io
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import pytest
from connection import testhost


@pytest.fixture
def begin(monkeypatch, tmp_path):
    """Begin a run of Ansible with a collection; return where it looks for what was made of modules."""

    def begin(name, stamp):
        run, collections = tmp_path / f"run-{name}", tmp_path / "collections"
        for directory in (run, collections):
            directory.mkdir(exist_ok=True)
        (collections / ".complete").unlink(missing_ok=True)
        if stamp:
            (collections / ".complete").write_text(stamp)
        config = SimpleNamespace(get_config_value=lambda name: [str(collections)])
        monkeypatch.setattr(testhost, "constants", SimpleNamespace(config=config, DEFAULT_LOCAL_TMP=str(run)))
        monkeypatch.setattr(testhost, "BUILD", tmp_path / "build")
        testhost.share_modules()
        # By each of the processes of its tasks.
        testhost.share_modules()
        return run / "ansiballz_cache"

    return begin


def test_runs_of_one_collection_share_them(begin):
    (begin("one", "a") / "files").write_text("made")
    assert (begin("two", "a") / "files").read_text() == "made"


@pytest.mark.parametrize("stamp", ["b", ""])
def test_another_or_an_unknown_one_has_its_own(begin, stamp):
    (begin("one", "a") / "files").write_text("made")
    assert not (begin("two", stamp) / "files").exists()


def said_by(tmp_path, **files):
    """Put files into an archive, load the module of it, and return what it says."""
    with zipfile.ZipFile(tmp_path / "module.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    command = [sys.executable, "-c", "import one"]
    return subprocess.run(command, env={"PYTHONPATH": str(archive.filename)}, capture_output=True, check=True).stdout


def test_a_module_comes_with_bytecode_that_another_python_passes_over(tmp_path):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("one.py", "print('as it was')")
    whole = zipfile.ZipFile(io.BytesIO(testhost.with_bytecode(made.getvalue())))
    assert whole.namelist() == ["one.py", "one.pyc"]
    assert whole.read("one.py") == b"print('as it was')"
    compiled, other = whole.read("one.pyc"), "print('the source')"
    assert said_by(tmp_path, one_py=other, one_pyc=compiled) == b"as it was\n"
    assert said_by(tmp_path, one_py=other, one_pyc=b"\0\0\r\n" + compiled[4:]) == b"the source\n"
