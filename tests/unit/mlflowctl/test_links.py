"""Where links among artifacts lead, by what stands in them."""

import os
import subprocess

import pytest
from mlflowctl import links


@pytest.fixture
def own(tmp_path):
    """A directory whose path has a link in it, another beside it, and what is on another disk."""
    for name in ("disk/own/1", "disk/other/x", "mnt/away"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "by link").symlink_to("disk")
    (tmp_path / "far").symlink_to("mnt/away")
    return tmp_path / "by link" / "own"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1", None),
        ("../own/1", None),
        ("{home}/by link/own/1", None),
        ("./1/../1//", None),
        ("nowhere", None),
        ("../nowhere", None),
        ("link", None),
        ("../other/x", "{home}/disk/other/x"),
        ("..", "{home}/disk"),
        ("1/../../other", "{home}/disk/other"),
        ("{home}/by link/other", "{home}/disk/other"),
        ("/", "/"),
        # What is there is not looked at.
        ("{home}/mnt/away", "{home}/mnt/away"),
        ("{home}/far/x//y", "{home}/mnt/away/x/y"),
        # By its text it is in there, and could be anywhere.
        ("{home}/far/../../disk/own/1", "{home}/mnt/away/../../disk/own/1"),
    ],
)
def test_a_way_is_followed_as_far_as_these_disks_know(own, tmp_path, monkeypatch, text, wanted):
    monkeypatch.setattr(links, "mounted", lambda: {"/", str(tmp_path / "mnt" / "away")})
    (own / "link").symlink_to(text.format(home=tmp_path))
    ways = links.Ways(str(own))
    found = ways.leads_out(os.path.join(ways.own, "link"))
    assert found == (wanted and wanted.format(home=tmp_path))


def test_any_path_is_followed_so(own, tmp_path, monkeypatch):
    monkeypatch.setattr(links, "mounted", lambda: {"/", str(tmp_path / "mnt" / "away")})
    ways = links.Ways(str(own))
    found = [ways.place(f"{tmp_path}/{it}") for it in ("by link/other", "far/x", "by link/./nowhere/y")]
    assert found == [f"{tmp_path}/{it}" for it in ("disk/other", "mnt/away/x", "by link/nowhere/y")]


def test_a_chain_of_links_has_an_end(own):
    previous = "../other"
    for number in range(links.MOST + 1):
        (own / str(number + 2)).symlink_to(previous)
        previous = str(number + 2)
    ways = links.Ways(str(own))
    last, beyond = (os.path.join(ways.own, str(links.MOST + number)) for number in (1, 2))
    assert ways.leads_out(last) == f"{os.path.dirname(ways.own)}/other"
    assert ways.leads_out(beyond) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
@pytest.mark.parametrize("name", ["a b\tc\nd\\e", "a\rb\r\nc", "a\xa0b\x85c\u2003d\u2028e", "\x0b\x0c\x1c"])
def test_whoever_mounts_something_chooses_the_name(tmp_path, name):
    place = tmp_path / name
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "none", place], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        assert str(place) in links.mounted()
    finally:
        subprocess.run(["umount", place], check=True)


def test_the_kernel_says_what_is_mounted():
    assert {"/", "/proc"} <= links.mounted()
    assert links.unescaped("/srv/my\\040disk") == "/srv/my disk"
