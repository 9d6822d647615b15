"""The files module brings a program of several files as a whole, and lets go of what nobody uses any more."""

import os
import subprocess
import sys

import pytest
from programs.modules.test_files import files, mode

__all__ = ["files"]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="it gives files to their owners")
FIRST = {"__main__.py": "print('first')\n", "part/__init__.py": "", "part/ü.py": "WORD = 'ä'\n"}
SECOND = {**FIRST, "__main__.py": "print('second')\n"}
THIRD = {**FIRST, "__main__.py": "print('third')\n"}


@pytest.fixture
def bring(files, tmp_path):
    """Bring a version of the program; return what was answered."""

    def work(version, **options):
        return files({"path": tmp_path / "tool", "state": "program", "files": version}, **options)

    return work


def versions(tmp_path):
    return {path.name for path in tmp_path.iterdir() if path.name != "tool"}


def run(tmp_path):
    done = subprocess.run([sys.executable, "-I", tmp_path / "tool"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_it_is_there_as_it_is_to_be(bring, tmp_path):
    bring(FIRST, umask=0o077)
    (version,) = versions(tmp_path)
    assert os.readlink(tmp_path / "tool") == f"{version}/tool"
    there = {str(it.relative_to(tmp_path / version / "tool")): it for it in (tmp_path / version).rglob("*.py")}
    assert {name: path.read_text() for name, path in there.items()} == FIRST
    assert {mode(path) for path in there.values()} == {"0644"}
    assert {mode(path) for path in (tmp_path / version, *(tmp_path / version).rglob("*")) if path.is_dir()} == {"0755"}
    assert run(tmp_path) == "first"


def test_another_version_is_a_line_of_the_diff(bring, tmp_path):
    bring(FIRST)
    former = os.readlink(tmp_path / "tool")
    (diff,) = bring(SECOND).result["diff"]
    assert (diff["before"], diff["after"]) == (f"target: {former}\n", f"target: {os.readlink(tmp_path / 'tool')}\n")
    assert run(tmp_path) == "second"


def test_the_former_version_stays_and_those_before_it_go(bring, tmp_path):
    bring(FIRST)
    first = versions(tmp_path)
    bring(SECOND)
    second = versions(tmp_path) - first
    (tmp_path / ".tool-0123456789abcdef.new").mkdir()
    (tmp_path / "tool-of-others").mkdir()
    bring(THIRD)
    assert first | second & versions(tmp_path) == first | second
    assert versions(tmp_path) & first == set()
    assert versions(tmp_path) >= second | {"tool-of-others"}
    assert len(versions(tmp_path)) == 3


@pytest.mark.parametrize("how", ["its command", "a descriptor"])
def test_one_that_a_process_uses_stays(bring, tmp_path, how):
    bring(FIRST)
    (first,) = versions(tmp_path)
    place = str(tmp_path / first / "tool")
    code = "import os, sys; print(os.open(sys.stdin.readline().strip(), os.O_RDONLY), flush=True); sys.stdin.readline()"
    with subprocess.Popen(
        [sys.executable, "-c", code, *([place] if how == "its command" else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdin.write(f"{place if how == 'a descriptor' else '/'}\n")
        process.stdin.flush()
        process.stdout.readline()
        bring(SECOND)
        bring(THIRD)
        assert first in versions(tmp_path)
        process.stdin.write("\n")
    bring(SECOND)
    assert first not in versions(tmp_path)


@pytest.mark.parametrize("harm", ["a text", "a file more", "a file less", "a mode", "a link"])
def test_one_that_somebody_has_changed_is_made_anew(bring, tmp_path, harm):
    bring(FIRST)
    package = tmp_path / "tool"
    if harm == "a text":
        (package / "__main__.py").write_text("print('evil')\n")
    elif harm == "a file more":
        (package / "more.py").write_text("")
    elif harm == "a file less":
        (package / "part" / "__init__.py").unlink()
    elif harm == "a mode":
        (package / "part").chmod(0o777)
    else:
        (package / "part" / "__init__.py").unlink()
        (package / "part" / "__init__.py").symlink_to("/dev/null")
    (diff,) = bring(FIRST).result["diff"]
    assert "somebody has changed" in diff["before"]
    assert {path.name for path in package.rglob("*.py")} == {"__main__.py", "__init__.py", "ü.py"}
    assert run(tmp_path) == "first"


def test_what_python_writes_beside_its_files_is_no_change(bring, tmp_path):
    bring(FIRST)
    subprocess.run([sys.executable, "-m", "compileall", "-q", tmp_path / "tool"], check=True)
    assert any((tmp_path / "tool").rglob("*.pyc"))
    assert bring(FIRST).changed is False


@pytest.mark.parametrize("path", ["../x.py", "/etc/x.py", "a//b.py", "a/./b.py", ""])
def test_it_has_nothing_elsewhere(bring, tmp_path, path):
    answer = bring({path: ""})
    assert f"'{path}' is not a path below a directory" in answer.result["msg"]
    assert list(tmp_path.iterdir()) == []


def test_where_it_cannot_be_written_the_link_leads_to_the_former_one(bring, run_module, tmp_path):
    bring(FIRST)
    large = {**SECOND, "large.py": "#" * 100_000}
    arguments = {"files": [{"path": str(tmp_path / "tool"), "state": "program", "files": large}]}
    assert run_module("files", arguments, largest_file=50_000).failed
    assert run(tmp_path) == "first"
