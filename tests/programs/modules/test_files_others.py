"""The files module in directories where somebody else decides what a name means."""

import ctypes
import os
import pwd
import shutil
import stat
import struct
import subprocess
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="it gives files to their owners")

TEAM = pwd.getpwnam("daemon")
OTHER = pwd.getpwnam("nobody")
CANARY = "canary-text"
# How often a module is given the same path in one run, each time with the directory and the link exchanged meanwhile.
TIMES = 100
# Exchanges two names until it is told to end, a bounded number of times.
ATTACK = """
import ctypes, os, select, sys
libc = ctypes.CDLL(None, use_errno=True)
one, two = (os.fsencode(name) for name in sys.argv[1:])
print("ready", flush=True)
for turn in range(3_000_000):
    libc.renameat2(-100, one, -100, two, 2)
    if turn % 50 == 0 and select.select([0], [], [], 0)[0]:
        break
"""


@pytest.fixture
def ground():
    """A directory that all accounts get to."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def disk(ground):
    """What a team has to itself."""
    place = ground / "vision"
    place.mkdir(mode=0o700)
    os.chown(place, TEAM.pw_uid, TEAM.pw_gid)
    return place


@pytest.fixture
def victim(ground):
    """A directory of root's, with a secret in it, that the team would like to have."""
    place = ground / "victim"
    place.mkdir(mode=0o700)
    (place / "secret").write_text(CANARY)
    (place / "secret").chmod(0o600)
    return place


@pytest.fixture
def run(run_module):
    """Bring files into their state; whatever comes of it, nothing is told of what root alone may read."""

    def run(*specs, **options):
        answer = run_module("files", {"files": [{**spec, "path": str(spec["path"])} for spec in specs]}, **options)
        assert CANARY not in answer.output
        return answer

    return run


def own(path, state="directory", **more):
    """What the team is to have."""
    return {"path": path, "state": state, "mode": "0700", "owner": TEAM.pw_name, "group": TEAM.pw_name, **more}


def facts(path):
    found = path.lstat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def as_team(*command):
    subprocess.run(command, check=True, user=TEAM.pw_uid, group=TEAM.pw_gid, extra_groups=[])


def link(path, target):
    """Let the team make a link."""
    as_team("ln", "-s", str(target), str(path))


WANTED = [
    {"content": "x"},
    {"content": "x", "force": False},
    {"state": "link", "target": "x"},
    {"state": "absent"},
    {"state": "directory"},
]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("more", WANTED)
def test_roots_files_are_not_put_where_a_team_could_exchange_them(run, disk, more, check):
    (disk / "inner").mkdir()
    for path in (disk / "file", disk / "inner" / "file"):
        answer = run({"path": path, **more}, check=check)
        assert answer.failed
        assert answer.result["msg"].startswith(f"{path}: {disk} belongs to daemon, ")
    assert [path.name for path in disk.rglob("*")] == ["inner"]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("more", WANTED)
def test_a_link_of_the_teams_is_not_followed(run, disk, victim, more, check):
    before = sorted((path.name, facts(path)) for path in (victim, *victim.iterdir()))
    link(disk / "a", victim)
    for name in ("secret", "new"):
        answer = run(own(disk / "a" / name, **{"state": "file", **more}), check=check)
        assert answer.failed
        assert str(disk) in answer.result["msg"]
    assert sorted((path.name, facts(path)) for path in (victim, *victim.iterdir())) == before


@pytest.mark.parametrize("check", [True, False])
def test_a_link_in_the_place_of_the_teams_directory_is_none(run, disk, victim, check):
    """Also when the link itself stands where only root writes."""
    link(disk / "artifacts", victim)
    (victim.parent / "named").symlink_to(victim)
    os.chown(victim.parent / "named", TEAM.pw_uid, TEAM.pw_gid, follow_symlinks=False)
    before = facts(victim)
    run(own(disk / "artifacts"), check=check)
    answer = run(own(victim.parent / "named" / "inner"), check=check)
    assert answer.failed
    assert f"{victim.parent}/named is a link of daemon's" in answer.result["msg"]
    assert facts(victim) == before
    assert not (victim / "inner").exists()


def test_what_is_inside_is_made_by_the_team_itself(run, disk):
    """The natural layout on a disk: a database, and artifacts in a directory beside it."""
    specs = [own(disk), own(disk / "artifacts"), own(disk / "deep" / "er")]
    predicted = run(*specs, check=True)
    assert list(disk.iterdir()) == []
    done = run(*specs)
    assert not done.failed, done.output
    assert done.result["diff"] == predicted.result["diff"]
    assert [file["changed"] for file in done.result["files"]] == [False, True, True]
    for path in (disk / "artifacts", disk / "deep" / "er"):
        assert facts(path) == (TEAM.pw_uid, TEAM.pw_gid, 0o700)
    assert facts(disk / "deep") == (TEAM.pw_uid, TEAM.pw_gid, 0o755)
    assert (run(*specs, check=True).changed, run(*specs).changed) == (False, False)
    (disk / "artifacts").chmod(0o755)
    assert run(*specs, check=True).changed
    answer = run(*specs)
    assert [file["changed"] for file in answer.result["files"]] == [False, True, False]
    assert answer.result["diff"] == [
        {
            "before_header": str(disk / "artifacts"),
            "after_header": str(disk / "artifacts"),
            "before": "mode: 0755\n",
            "after": "mode: 0700\n",
        }
    ]


def test_all_is_made_in_one_run(run, ground):
    specs = [own(ground / "new"), own(ground / "new" / "artifacts")]
    predicted, done = run(*specs, check=True), run(*specs)
    assert not done.failed, done.output
    assert done.result["diff"] == predicted.result["diff"]
    assert facts(ground / "new" / "artifacts") == (TEAM.pw_uid, TEAM.pw_gid, 0o700)
    assert not run(*specs).changed


def test_what_somebody_else_owns_inside_stays_theirs(run, disk):
    (disk / "roots").mkdir(mode=0o755)
    answer = run(own(disk / "roots"))
    assert answer.failed
    assert f"{disk}/roots" in answer.result["msg"]
    assert facts(disk / "roots") == (0, 0, 0o755)
    spec = {**own(disk / "other"), "owner": OTHER.pw_name}
    assert run(spec).result["msg"].startswith(f"{disk}/other: {disk} belongs to daemon, ")
    assert not (disk / "other").exists()


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_directory_that_others_can_write_is_no_place_for_roots_files(run, ground, mode):
    open_to_all = ground / "open"
    open_to_all.mkdir()
    os.chown(open_to_all, 0, OTHER.pw_gid)
    open_to_all.chmod(mode)
    answer = run({"path": open_to_all / "below" / "file", "content": "x"})
    assert answer.failed
    assert str(open_to_all) in answer.result["msg"]
    assert "can be written by" in answer.result["msg"]
    # The directory itself can be managed, and then it is root's alone.
    answer = run(
        {"path": open_to_all, "state": "directory", "mode": "0755"}, {"path": open_to_all / "file", "content": "x"}
    )
    assert not answer.failed, answer.output
    assert facts(open_to_all) == (0, 0, 0o755)


# Who has which rights on a directory of root's beside its mode, and who is named for it.
ACCESS_LISTS = {
    "a user": ([(0x02, 7, OTHER.pw_uid)], 7, "can be written by nobody, by its access list"),
    "a group": ([(0x08, 3, OTHER.pw_gid)], 7, "can be written by the group nogroup, by its access list"),
    "a user who may not write": ([(0x02, 5, OTHER.pw_uid)], 7, ""),
    "a user whose right does not count": ([(0x02, 7, OTHER.pw_uid)], 5, ""),
    "root": ([(0x02, 7, 0), (0x08, 7, 50)], 7, ""),
}


@pytest.mark.parametrize("name", ACCESS_LISTS)
@pytest.mark.parametrize("owner", ["root", TEAM.pw_name])
def test_an_access_list_says_who_can_write_too(run, ground, name, owner):
    entries, most, said = ACCESS_LISTS[name]
    nobody = 0xFFFFFFFF
    entries = [(0x01, 7, nobody), *entries, (0x04, 5, nobody), (0x10, most, nobody), (0x20, 5, nobody)]
    place = ground / "listed"
    place.mkdir(mode=0o755)
    packed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in sorted(entries))
    os.setxattr(place, "system.posix_acl_access", packed)
    shutil.chown(place, owner)
    answer = run(own(place / "below") if owner != "root" else {"path": place / "file", "content": "x"})
    assert answer.failed is bool(said), answer.output
    if said:
        assert f"{place} {said}" in answer.result["msg"]
        assert list(place.iterdir()) == []


def test_where_all_write_but_nobody_exchanges(run, ground, victim):
    """As in /tmp: what root has there is safe, and what others have there is theirs."""
    shared = ground / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    specs = [
        {"path": shared / "root's", "state": "directory", "mode": "0755"},
        {"path": shared / "root's" / "file", "content": "x"},
    ]
    assert run(*specs).changed
    assert run(own(shared / "daemon's")).changed
    assert not run(own(shared / "daemon's")).changed
    link(shared / "link", victim)
    as_team("touch", str(shared / "file"))
    os.link(victim / "secret", shared / "hard")
    for path in (shared / "link" / "secret", shared / "link", shared / "file", shared / "hard"):
        for more in ({"content": "x"}, {"content": "x", "force": False, "mode": "0666"}):
            answer = run({"path": path, **more})
            assert answer.failed, path
            assert answer.result["msg"].startswith(f"{path}: {shared}"), answer.result["msg"]
    assert facts(victim / "secret") == (0, 0, 0o600)
    assert (victim / "secret").read_text() == CANARY


def test_links_that_root_made_are_followed(run, ground):
    """As /var/run is one: absolute, relative, one behind the other, and never in a circle."""
    (ground / "real" / "inner").mkdir(parents=True)
    (ground / "absolute").symlink_to(ground / "real")
    (ground / "real" / "relative").symlink_to("../real/inner")
    (ground / "chain").symlink_to("absolute/relative")
    for name in ("absolute", "absolute/relative", "chain"):
        spec = {"path": ground / name / "file", "content": name}
        assert run(spec, check=True).changed
        assert run(spec).changed
        assert not run(spec).changed
    assert (ground / "real" / "file").read_text() == "absolute"
    assert (ground / "real" / "inner" / "file").read_text() == "chain"
    (ground / "round").symlink_to("about")
    (ground / "about").symlink_to("round")
    answer = run({"path": ground / "round" / "file", "content": "x"})
    assert answer.failed
    assert "round" in answer.result["msg"]


def test_what_is_no_directory_on_the_way(run, ground):
    (ground / "file").write_text("x")
    os.mkfifo(ground / "pipe")
    for name in ("file", "pipe"):
        for check in (True, False):
            answer = run({"path": ground / name / "inner", "content": "x"}, check=check)
            assert answer.failed
            assert answer.result["msg"] == f"{ground}/{name}/inner: {ground}/{name} is not a directory"
    assert "not an absolute path" in run({"path": "relative/file", "content": "x"}).result["msg"]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "renameat2"), reason="nothing exchanges two names at once")
@pytest.mark.parametrize(
    "spec", [own("x"), own("x", "file", content="x"), {"content": "x"}, {"state": "absent"}, own("x/below")]
)
def test_nothing_is_won_by_exchanging_names_meanwhile(run, disk, victim, spec):
    """The team exchanges its directory, which others can read, with a link to root's, as fast as it can."""
    as_team("mkdir", "-m", "755", str(disk / "x"))
    link(disk / "y", victim)
    before = sorted((path.name, facts(path)) for path in (victim, *victim.iterdir()))
    with subprocess.Popen(
        # Not the one of the tests, which may be below root's home.
        ["/usr/bin/python3", "-c", ATTACK, disk / "x", disk / "y"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        user=TEAM.pw_uid,
        group=TEAM.pw_gid,
        extra_groups=[],
    ) as attacker:
        assert attacker.stdout.readline() == b"ready\n"
        for path in (disk / spec.get("path", "x"), disk / "x" / "secret"):
            run(*[{**spec, "path": path}] * TIMES)
            assert sorted((path.name, facts(path)) for path in (victim, *victim.iterdir())) == before
        assert attacker.poll() is None
        attacker.stdin.close()
    assert (victim / "secret").read_text() == CANARY


def test_many_files_take_a_moment(run, ground):
    """Fifty teams of fifteen files, and no more descriptors than a process has."""
    specs = []
    for number in range(50):
        place = ground / "etc" / f"team-{number}"
        specs.append({"path": place, "state": "directory"})
        specs += [{"path": place / f"file-{n}", "content": "x"} for n in range(15)]
    first = run(*specs)
    assert not first.failed, first.output[-500:]
    assert run(*specs).changed is False
