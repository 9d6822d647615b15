"""The module links what is the user's own, and never overwrites what is theirs."""

import os
import pwd

import pytest

ME = pwd.getpwuid(os.geteuid()).pw_name
LINK = "mlflow-artifacts"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of the user who runs the tests, wherever theirs is."""
    wrapper = tmp_path / "lib" / "sitecustomize.py"
    wrapper.parent.mkdir()
    place = tmp_path / "home"
    place.mkdir()
    wrapper.write_text(
        "import pwd\n_entry = pwd.getpwnam\n"
        f"pwd.getpwnam = lambda name: pwd.struct_passwd((*_entry(name)[:5], {str(place)!r}, _entry(name)[6]))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(wrapper.parent))
    return place


@pytest.fixture
def link(run_module):
    def run(name=ME, **options):
        check = options.pop("check", False)
        arguments = {"users": [name], "name": LINK, "directory": "/run/mlflow-mounts", **options}
        return run_module("home_links", arguments, check=check)

    return run


def test_a_link_comes_once_and_goes_again(home, link):
    assert link(check=True).changed
    assert list(home.iterdir()) == []
    assert link().changed
    assert os.readlink(home / LINK) == f"/run/mlflow-mounts/{ME}"
    assert not link().changed
    assert link(state="absent").changed
    assert not link(state="absent").changed
    assert list(home.iterdir()) == []


def test_a_link_of_ours_to_somebody_else_is_set_right(home, link):
    (home / LINK).symlink_to("/run/mlflow-mounts/somebody")
    assert link().changed
    assert os.readlink(home / LINK) == f"/run/mlflow-mounts/{ME}"


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
@pytest.mark.parametrize("check", [False, True])
def test_what_is_there_is_named_and_never_overwritten(home, link, kind, check):
    there = home / LINK
    {
        "file": lambda: there.write_text("mine"),
        "directory": there.mkdir,
        "link": lambda: there.symlink_to("/nowhere"),
    }[kind]()
    # Reading a link changes when it was read last.
    before = os.lstat(there)[:7], os.lstat(there).st_mtime_ns
    answer = link(check=check)
    assert answer.failed
    assert f"{there} is there already" in answer.output
    # Nor removed: it is not ours.
    assert not link(state="absent").changed
    assert (os.lstat(there)[:7], os.lstat(there).st_mtime_ns) == before


def test_nobody_is_missed_who_is_to_have_none(home, link):
    assert "no such user" in link("nobody-of-this-name").output
    assert not link("nobody-of-this-name", state="absent").failed
