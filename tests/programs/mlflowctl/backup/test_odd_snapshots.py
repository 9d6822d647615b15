"""What whoever has a repository's password can write into it by hand: one snapshot of theirs is one snapshot."""

import base64
import contextlib
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from mlflowctl import commands, paths
from mlflowctl.backup import drill
from mlflowctl.backup.lists import LIST
from programs.mlflowctl.backup_lab import PASSWORD, Lab
from programs.mlflowctl.forged_trees import Forger, node
from programs.mlflowctl.quick_key import sealed


@pytest.fixture
def lab(tmp_path, empty):
    """A team with one good snapshot."""
    shutil.copytree(empty, tmp_path / "repository")
    lab = Lab(tmp_path)
    lab.write("0/one/model.txt", "kept")
    lab.good = lab.back_up()["snapshot"]
    return lab


@pytest.fixture
def put(lab):
    """Write a snapshot that is the good one with something else in it, as no restic would; return its identity."""
    environment = {**os.environ, "RESTIC_PASSWORD": PASSWORD, "RESTIC_REPOSITORY": str(lab.home / "repository")}

    def shown(*words):
        done = subprocess.run(["restic", "-q", "cat", *words], env=environment, capture_output=True, check=True)
        return json.loads(done.stdout)

    master, good = shown("masterkey"), shown("snapshot", lab.repo().find(lab.good)["id"])
    key = b"".join(map(base64.b64decode, (master["encrypt"], master["mac"]["k"], master["mac"]["r"])))

    def put(**changes):
        found = {name: value for name, value in {**good, **changes}.items() if value is not None}
        data = sealed(json.dumps(found).encode(), key, os.urandom(16))
        identity = hashlib.sha256(data).hexdigest()
        (lab.home / "repository" / "snapshots" / identity).write_bytes(data)
        return identity

    return put


@pytest.mark.parametrize(
    "odd",
    [
        {"time": "0000-01-01T00:00:00Z"},
        {"time": "9999-12-31T23:59:59.999999999-12:00"},
        {"hostname": None},
        {"paths": None},
    ],
    ids=str,
)
def test_one_that_no_restic_has_written_keeps_nobody_from_the_others(lab, put, odd, monkeypatch, capsys):
    identity = put(**odd)
    # As on a host whose timers begin the team's backups.
    monkeypatch.setattr(paths.HERE, "units", lab.home / "units")
    begins = paths.HERE.units / lab.age.WANTS / "mlflow-backup@vision.timer"
    begins.parent.mkdir(parents=True)
    begins.touch()
    assert lab.age.too_old(lab.repository.settings(), "vision") == ""
    assert f"written by no restic, and passed over: {identity[:8]}" in capsys.readouterr().err
    assert lab.repo().find()["short_id"] == lab.good
    last = lab.back_up()["snapshot"]
    assert {it["short_id"] for it in lab.repo().snapshots()} == {lab.good, last}
    lab.restore_into()


def test_of_two_that_begin_alike_none_is_taken_for_the_other(lab, put):
    while put()[0] != lab.good[0]:
        pass
    number = sum(it["id"][0] == lab.good[0] for it in lab.repo().snapshots())
    why = f"snapshot: {number} snapshots of team vision begin with '{lab.good[0]}'; give more of its ID"
    with pytest.raises(lab.restic.BackupError, match=why):
        lab.repo().find(lab.good[0])
    assert lab.repo().find(lab.good)["short_id"] == lab.good


def test_what_a_snapshot_calls_its_host_is_a_line(lab, put):
    put(hostname="there\nvision: all is well\x1b[1A")
    lab.repo().forget(lab.good)
    with pytest.raises(lab.restic.BackupError, match=r"from_host=there\\nvision: all is well\\x1b\[1A$"):
        lab.repo().find()


def test_no_path_of_a_snapshot_gets_into_the_unit_of_its_drill(lab, monkeypatch):
    # To systemd, this is any directory that begins so.
    (lab.home / "sta*ng").mkdir()
    lab.set(staging_dir=str(lab.home / "sta*ng"))
    lab.back_up()
    for name in ("drills", "drills_seen", "drills_run"):
        monkeypatch.setattr(paths.HERE, name, lab.home / name)
    begun = []
    monkeypatch.setattr(commands, "printed", lambda command, *_words, **_options: begun.append(command))
    it = drill.Drill(lab.repo(), lab.repo().find())
    it.place.mkdir(parents=True)
    it.repository.restore(it.snapshot, it.paths(), it.place)
    it.start(it.restored(f"{it.stage}/settings"), Path("/nowhere/python"))
    properties = [word for word in begun[0] if word.startswith("--property=")]
    assert f"--property=EnvironmentFile={it.place}/secrets.env" in properties
    assert not [word for word in properties if "sta*ng" in word]
    assert (it.place / "secrets.env").read_text() == (lab.config / "vision" / "secrets.env").read_text()


def test_one_of_any_size_is_in_nobodys_memory(lab, put, monkeypatch):
    put(tags=["mlflow", "team=vision", "x" * (2 << 20)])
    monkeypatch.setattr(commands, "MOST_BYTES", 1 << 20)
    with pytest.raises(lab.restic.BackupError, match="restic snapshots printed more than 1 MiB of what /"):
        lab.repo().find()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have a directory in which no link is followed")
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("by", ["restore", "drill"])
def test_one_that_has_two_things_of_one_name_reaches_nothing_else_of_the_host(lab, monkeypatch, there, by):
    """Of the first restic makes a link, and opens the second, as root."""
    victim = lab.home / "shadow"
    if there:
        victim.write_text("root:secret")
        victim.chmod(0o600)
    before = lab.everything()
    link, empty = node("x", "symlink", linktarget=str(victim)), node("x", "file", size=0)
    identity = Forger(lab).put(link, empty)
    monkeypatch.setattr(paths.HERE, "drills", lab.home / "drills")
    with pytest.raises(lab.restic.BackupError, match="too many levels of symbolic links"):
        {"restore": lab.restore_into, "drill": drilled(lab)}[by](identity=identity)
    if there:
        assert (victim.read_text(), victim.stat().st_mode & 0o7777) == ("root:secret", 0o600)
    else:
        assert not os.path.lexists(victim)
    assert lab.everything() == before


def drilled(lab):
    """Return what fetches a snapshot as a drill does."""

    def fetch(identity):
        it = drill.Drill(lab.repo(), lab.repo().find(identity))
        it.place.mkdir(parents=True)
        it.repository.restore(it.snapshot, it.paths(), it.place)

    return fetch


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root mounts nothing in any case")
def test_where_links_cannot_be_left_alone_nothing_is_fetched(lab, monkeypatch):
    monkeypatch.setattr(lab.restic, "WITHOUT_LINKS", 'mount -t no-such-kind none "$1"')
    with pytest.raises(lab.restic.BackupError, match=r"which takes Linux 5\.10 and util-linux 2\.38: mount: "):
        lab.restore_into()


@pytest.mark.parametrize("short_of", ["f_bavail", "f_favail"])
def test_one_that_takes_more_than_it_says_does_not_fill_the_disk_of_all(lab, monkeypatch, short_of):
    """What its trees say is what whoever wrote them likes."""
    monkeypatch.setattr(lab.repository.Repository, "size", lambda *_words: 0)
    before, place = lab.everything(), os.statvfs

    class Full:
        def __init__(self, path):
            self.__dict__ = {name: getattr(place(path), name) for name in dir(place(path)) if name.startswith("f_")}
            # Before it is begun, there is enough.
            if os.path.basename(path) == "new":
                setattr(self, short_of, 10)

    monkeypatch.setattr(lab.restic.os, "statvfs", Full)
    why = r"\.vision\.restore/new has hardly any room left: the files of"
    with pytest.raises(lab.restic.BackupError, match=why):
        lab.restore_into()
    monkeypatch.undo()
    lab.settle()
    assert lab.everything() == before
    assert not [path for path in lab.home.rglob(".vision.restore/new/**/*") if path.is_file()]


@pytest.mark.parametrize("what", ["save", "having"])
def test_no_list_of_one_fills_it_either(lab, monkeypatch, what):
    monkeypatch.setattr(lab.restic, "LEAST_BYTES", 1 << 62)
    repository = lab.repo()
    asked = {"save": (f"{lab.home}/staging/vision/{LIST}", lab.home / "list"), "having": ({"/x"}, lab.home)}[what]
    with pytest.raises(lab.restic.BackupError, match=f"{lab.home} has hardly any room left"):
        list(getattr(repository, what)(repository.find(), *asked) or ())


@pytest.mark.parametrize("script", ["exec yes", "exec cat /dev/zero", "yes | head -c 3000000 >&2"])
def test_a_backup_that_tells_of_files_without_end_is_not_listened_to(lab, monkeypatch, script):
    """Each file that is gone when it is read is a line."""
    monkeypatch.setattr(commands, "MOST_BYTES", 1 << 20)
    with pytest.raises(commands.LongError):
        lab.restic.watched(["sh", "-c", script], dict(os.environ))


class Endless(http.server.BaseHTTPRequestHandler):
    """A server of repositories that begins a list of keys, and never ends it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_words):
        """Say nothing."""

    def do_HEAD(self):
        """Have whatever is looked for."""
        self.send_response(200)
        self.send_header("Content-Length", "155")
        self.end_headers()

    def do_GET(self):
        """Go on for as long as somebody reads."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(b'2\r\n["\r\n')
            while True:
                self.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


def test_a_repository_that_answers_without_end_takes_no_more_memory_than_there_is_for_it(lab, monkeypatch):
    monkeypatch.setattr(lab.restic, "MEMORY", 300 << 20)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        lab.set(repository=f"rest:http://127.0.0.1:{server.server_port}/")
        with pytest.raises(lab.restic.BackupError, match="restic has taken more than 300 MiB of memory for what"):
            lab.repo().snapshots()
        server.shutdown()
