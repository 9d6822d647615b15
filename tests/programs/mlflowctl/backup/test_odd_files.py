"""What code in a server can make of artifacts: a backup is made of it, and a restore brings back files."""

import os
import shutil
import socket
import stat
import struct

import pytest
from mlflowctl.backup.restic import of_itself
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


# What restic says of itself, and of files in a line each.
NAMES = ["wrong password", "already locked", "out of memory", "Is there a repository at", "a\nb: file name too long\nc"]


def test_no_name_of_a_directory_is_taken_for_a_word_of_restics(lab, monkeypatch):
    """A path that there is room for, and not where it is restored to: restic tells of it, and goes on."""
    monkeypatch.setattr(lab.restic, "PATIENCE", 0)
    lab.write("1/run/model.bin", "weights")
    for name in NAMES:
        folder, room = os.open(lab.artifacts, os.O_RDONLY), 4090 - len(str(lab.artifacts))
        while room > 1:
            part = name.ljust(250, "x")[: room - 1]
            room -= len(part) + 1
            os.mkdir(part, dir_fd=folder)
            below = os.open(part, os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = below
        os.close(folder)
    lab.back_up()
    shutil.rmtree(lab.artifacts / "1")
    lab.restore_into()
    assert (lab.artifacts / "1/run/model.bin").read_text() == "weights"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Fatal: wrong password or no key found\n", "wrong password"),
        ("created cache\nFatal: unable to create lock: repository is already locked by PID 1\n", "already locked"),
        ('{"message_type":"error","error":{},"item":"/srv/already locked"}\nFatal: no space left\n', "no space left"),
        # As it says so in JSON, from 0.18 on.
        ('{"message_type":"exit_error","code":11,"message":"Fatal: repository is already locked"}\n', "already locked"),
        ('{"message_type":"exit_error","code":12,"message":"Fatal: wrong password or no key"}', "wrong password"),
        ('{"message_type":"error","item":"/exit_error/wrong password"}\n{"no\nFatal: no space left\n', "no space left"),
    ],
)
def test_what_restic_says_of_itself_is_heard(said, expected):
    found = of_itself(said)
    assert [it for it in (*NAMES[:4], "no space left") if it in found] == [expected]
