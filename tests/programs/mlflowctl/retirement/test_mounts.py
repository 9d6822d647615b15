"""What is mounted within a team's directories goes with nobody, unless the team has it for its artifacts."""

import contextlib
import os
import subprocess

import pytest
from programs.mlflowctl.retiring import Host

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
# Of an account that runs nothing.
ACCOUNT = 54321


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    host.set_up()
    for path in (host.elsewhere, host.state / "vision"):
        os.chown(path, ACCOUNT, ACCOUNT)
    return host


@pytest.fixture
def mounted():
    """Return what mounts a directory, or an empty disk, at a place."""
    with contextlib.ExitStack() as stack:

        def mount(place, source=None):
            place.mkdir(exist_ok=True)
            how = ["--bind", source] if source else ["-t", "tmpfs", "none"]
            if subprocess.run(["mount", *how, place], check=False).returncode:
                pytest.skip("nothing can be mounted here")
            stack.callback(subprocess.run, ["umount", place], check=False)
            return place

        yield mount


@pytest.fixture
def dataset(tmp_path):
    """Root's own, which others use too."""
    folder = tmp_path / "a set of [data]"
    folder.mkdir()
    (folder / "photographs").write_text("everybody's")
    return folder


@pytest.mark.parametrize("mode", ["keep", "remove"])
def test_what_others_use_too_is_neither_removed_nor_given_away(host, mounted, dataset, mode):
    place = mounted(host.elsewhere / "a mount", dataset)
    said = host.retire(mode)["failures"]["vision"]
    assert f"something is mounted at {place}, which is not the team's own; unmount it, and try again" in said
    assert (dataset / "photographs").read_text() == "everybody's"
    # Nothing was begun.
    assert (host.config / "vision" / "secrets.env").exists()
    assert not (host.home / "called").exists()
    assert not host.archives.exists()
    subprocess.run(["umount", place], check=True)
    assert host.retire(mode)["failures"] == {}
    assert host.elsewhere.exists() == (mode == "keep")


@pytest.mark.parametrize("then", ["reinstate", "remove"])
def test_nor_is_what_was_mounted_since(host, mounted, dataset, then):
    host.retire()
    place = mounted(host.elsewhere / "mount", dataset)
    run = host.reinstate() if then == "reinstate" else host.retire("remove")
    assert f"something is mounted at {place}" in run["failures"]["vision"]
    assert (dataset / "photographs").read_text() == "everybody's"
    assert (host.state / ".retired" / "vision.json").exists()


def artifacts_below(host):
    """Have the artifacts where they are by default."""
    path = host.config / "vision" / "team.json"
    place = host.state / "vision" / "artifacts"
    path.write_text(path.read_text().replace(f'"{host.elsewhere}"', f'"{place}"', 1))
    return place


def test_a_disk_for_artifacts_is_emptied_and_stays(host, mounted):
    place = mounted(artifacts_below(host))
    (place / "1").mkdir()
    (place / "1" / "model.bin").write_text("weights")
    assert host.retire("remove")["failures"] == {}
    assert "artifacts/1/model.bin" in host.archived()[0]
    assert list(place.iterdir()) == []
    assert list((host.state / "vision").iterdir()) == [place]
    assert (place.stat().st_uid, (host.state / "vision").stat().st_uid) == (0, 0)


@pytest.mark.parametrize("mode", ["keep", "remove"])
@pytest.mark.parametrize("way", ["a directory of the same disk", "a link of root's above"])
def test_it_is_the_teams_own_however_it_got_there(host, mounted, tmp_path, mode, way):
    if way == "a link of root's above":
        host.state.rename(tmp_path / "larger")
        host.state.symlink_to(tmp_path / "larger")
        mounted(artifacts_below(host))
    else:
        (tmp_path / "larger").mkdir()
        mounted(artifacts_below(host), tmp_path / "larger")
    model = host.state / "vision" / "artifacts" / "model.bin"
    model.write_text("weights")
    assert host.retire(mode)["failures"] == {}
    assert model.exists() == (mode == "keep")


@pytest.mark.parametrize("which", ["artifacts", "state"])
def test_of_what_is_empty_and_roots_no_archive_is_made_again(host, mounted, which):
    if which == "artifacts":
        mounted(artifacts_below(host))
    else:
        content = host.database.read_bytes()
        os.chown(mounted(host.state / "vision"), ACCOUNT, ACCOUNT)
        host.database.write_bytes(content)
    host.retire("remove")
    _names, first = host.archived()
    assert host.look("remove") == {}
    assert host.retire("remove") == {"done": {}, "failures": {}}
    assert host.archived()[1] == first
