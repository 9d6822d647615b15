"""Whoever may log can upload to a place of any depth: nothing that looks at artifacts goes down by calls."""

import importlib
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from mlflowctl import files, trees
from mlflowctl.backup import contents, fetched
from mlflowctl.in_mlflow import room
from mlflowctl.program import PACKAGE
from mlflowctl.retirement import archive

# More than Python's calls.
DEPTH = 1010
PATH = "/".join(["a"] * DEPTH + ["file"])
CONTENT = b"x" * 1000


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """A directory with one file far down, and one beside it; for all tests, since it takes a while."""
    yield from of_depth(tmp_path_factory.mktemp("deep"), DEPTH)


@pytest.fixture
def deeper(tmp_path):
    """The same, with its file one directory further down than anything goes."""
    yield from of_depth(tmp_path, trees.DEEPEST + 1)


def of_depth(above, depth):
    """Make a directory with one file as far down as that, and one beside it."""
    place = above / "artifacts"
    # Going there would end as it did in what is tested.
    folder = os.open(above, os.O_RDONLY)
    for name in ["artifacts"] + ["a"] * depth:
        os.mkdir(name, dir_fd=folder)
        below = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    with open(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=folder), "wb") as file:
        file.write(CONTENT)
    os.close(folder)
    (place / "z").write_bytes(CONTENT)
    yield place
    subprocess.run(["rm", "-rf", place], check=True)


def test_all_of_it_is_in_a_backups_list(deep):
    assert [file["path"] for file in contents.artifacts(str(deep), contents.Listed(()))] == ["z", PATH]


def test_all_of_it_counts_for_disk_max(deep):
    assert room.bytes_below(str(deep)) == 2 * len(CONTENT)


def test_an_archive_has_room_for_all_of_it(deep):
    assert archive.tree_size(deep) == 2 * len(CONTENT)


def test_a_restored_one_is_looked_through_and_given(deep):
    assert fetched.drop_what_is_others(deep, contents.Listed(())) == []
    fetched.give(deep, pwd.getpwuid(os.geteuid()))
    assert (deep / PATH).read_bytes() == CONTENT


@pytest.fixture
def within(monkeypatch):
    """What measures it."""
    monkeypatch.syspath_prepend(PACKAGE.parents[2] / "mlflow_monitoring" / "files")
    return importlib.import_module("monitoring.within")


def test_it_is_measured(deep, within):
    assert within.walk(str(deep)) == {"files": 2, "bytes": 2 * len(CONTENT), "within": {"a": len(CONTENT)}}


def test_a_path_longer_than_any_that_can_be_opened_ends_no_measuring(tmp_path, within):
    # What the team's own code can make, one step after the other.
    folder = os.open(tmp_path, os.O_RDONLY)
    for _level in range(21):
        os.mkdir("a" * 200, dir_fd=folder)
        below = os.open("a" * 200, os.O_RDONLY, dir_fd=folder)
        with open(os.open("b" * 200, os.O_WRONLY | os.O_CREAT, dir_fd=below), "wb") as file:
            file.write(CONTENT)
        os.close(folder)
        folder = below
    os.close(folder)
    (tmp_path / "z").write_bytes(CONTENT)
    total = {"files": 22, "bytes": 22 * len(CONTENT), "within": {"a" * 200: 21 * len(CONTENT)}}
    try:
        assert within.walk(str(tmp_path)) == total
    finally:
        subprocess.run(["rm", "-rf", tmp_path / ("a" * 200)], check=True)
    assert within.walk(str(tmp_path / "none")) == {"files": 0, "bytes": 0, "within": {}}


def test_what_is_deeper_than_any_path_keeps_nobody_waiting(deeper, within):
    assert within.walk(str(deeper)) == {"files": 1, "bytes": len(CONTENT), "within": {}}


# The last of them.
def test_it_is_removed(deep):
    files.remove(deep)
    assert not deep.exists()


def test_levels_are_those_of_the_library_with_links_among_the_files(tmp_path):
    for name in ("b/c", "a", "d"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("b/2", "b/1", "b/c/3", "0"):
        (tmp_path / name).write_text("")
    (tmp_path / "link").symlink_to("b")
    (tmp_path / "loop").symlink_to("loop")
    found = list(contents.levels(str(tmp_path)))
    wanted = []
    for folder, folders, names in os.walk(tmp_path):
        folders.sort()
        links = {name for name in folders if Path(folder, name).is_symlink()}
        wanted.append((folder, [name for name in folders if name not in links], sorted({*names, *links})))
    assert found == wanted
    assert found[0] == (str(tmp_path), ["a", "b", "d"], ["0", "link", "loop"])
    assert [Path(folder).name for folder, *_rest in found[1:]] == ["a", "b", "c", "d"]


def test_what_cannot_be_read_is_said(tmp_path):
    said = []
    assert list(contents.levels(str(tmp_path / "none"), said.append)) == []
    assert [type(error) for error in said] == [FileNotFoundError]
    assert list(contents.levels(str(tmp_path / "none"))) == []


assert sys.getrecursionlimit() <= DEPTH, "this would show nothing"
