"""What code in a server can make of artifacts: a backup is made of it, and a restore brings back files."""

import os
import shutil
import socket
import stat
import struct

import pytest
from programs.mlflowctl.backup_lab import Lab


@pytest.fixture
def lab(tmp_path, empty):
    shutil.copytree(empty, tmp_path / "repository")
    return Lab(tmp_path)


@pytest.fixture
def odd(lab):
    """A directory of artifacts with one of each."""
    lab.write("0/one/model.txt", "kept")
    place = lab.artifacts / "0"
    os.link(place / "one/model.txt", place / "again")
    os.setxattr(place / "one/model.txt", "user.said", b"x" * 500)
    # Read and written by uid 0 beside the owner, as bytes of a POSIX access list.
    entries = [(1, 6, -1), (2, 6, 0), (4, 4, -1), (16, 6, -1), (32, 4, -1)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *it) for it in entries)
    os.setxattr(place / "one/model.txt", "system.posix_acl_access", acl)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place / "socket"))
    with open(place / "sparse", "wb") as file:
        file.truncate(1 << 26)
    (place / "owned").write_text("sh")
    (place / "owned").chmod(0o6755)
    (place / "closed").write_text("closed")
    (place / "closed").chmod(0)
    (place / "loop").symlink_to("loop")
    (place / "out").symlink_to("/etc")
    os.mkdir(os.fsencode(place) + b"/\xff\xfe\n\x1b[2J")
    with open(os.fsencode(place) + b"/\xff\xfe\n\x1b[2J/\x80", "w") as file:
        file.write("odd")
    return place


def test_all_that_is_a_file_comes_back(lab, odd):
    told = lab.back_up()
    assert told["artifacts"]["files"] == 6
    shutil.rmtree(lab.artifacts)
    lab.restore_into()
    names = sorted(os.listdir(os.fsencode(odd)))
    assert names == sorted([b"again", b"closed", b"loop", b"one", b"out", b"owned", b"sparse", b"\xff\xfe\n\x1b[2J"])
    assert os.stat(odd / "sparse").st_size == 1 << 26
    # Whoever owns it, it runs as nobody else.
    assert not os.stat(odd / "owned").st_mode & (stat.S_ISUID | stat.S_ISGID)
    assert os.readlink(odd / "out") == "/etc"
