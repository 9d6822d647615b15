"""What a repository of many hosts, wrong clocks and stuck neighbours can do to a backup, and what they cannot."""

import datetime
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest import mock

import pytest
from mlflowctl import doctor, paths
from programs.mlflowctl.backup_lab import Lab

# An account of nobody's, and of no other test that runs at the same time.
TEAM = 10_000_000 + os.getpid()


@pytest.fixture
def lab(tmp_path, empty):
    shutil.copytree(empty, tmp_path / "repository")
    return Lab(tmp_path)


def forge(lab, change, host="evil"):
    """Write a snapshot as root of another host could, with what a backup has and one thing changed."""
    lab.write("0/one/model.txt", "kept")
    told = lab.back_up()
    _target, stage, manifest = lab.fetch(told["snapshot"])
    lab.repo().forget(told["snapshot"])
    place = lab.home / "staging" / "vision"
    shutil.copytree(stage, place, symlinks=True)
    change(place, manifest)
    (place / "manifest.json").write_text(json.dumps(manifest))
    lab.set(host=host)
    identity, _unread = lab.repo().backup([str(place), str(lab.artifacts)], [], "x")
    shutil.rmtree(place)
    lab.set()
    return identity


def another(name, value):
    def change(_place, manifest):
        manifest[name] = value

    return change


def other_text(name, text):
    return lambda place, _manifest: (place / "settings" / name).write_text(text)


def link(name):
    def change(place, _manifest):
        (place / name).unlink()
        (place / name).symlink_to("/etc/hostname")

    return change


def link_settings(place, _manifest):
    (place / "settings").rename(place / "other")
    (place / "settings").symlink_to(place / "other")


def give_away(place, _manifest):
    os.chown(place / "settings" / "admin_password", 4321, 4321)


def lead_out(place, manifest):
    manifest["databases"][0]["copy"] = "../../../../../etc/hostname"


def long_line(place, _manifest):
    (place / "artifacts.jsonl").write_text(" " * 70_000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (another("mlflow_version", "../../../home/evil"), "a manifest that no backup"),
        (another("team", "audio"), "a manifest that no backup"),
        (another("artifacts", {"directory": "/a/../../etc", "files": 1, "bytes": 1}), "a manifest that no backup"),
        (another("elsewhere", {"others": 1, "names": ["\x1b[2K"]}), "a manifest that no backup"),
        (another("elsewhere", {"others": 1}), "a manifest that no backup"),
        (another("counts", []), "a manifest that no backup"),
        (another("admin_username", "x\nall is well"), r"is 'x\\nall is well' in the snapshot"),
        (another("host", "here\nall is well"), "a manifest that no backup"),
        (another("time", "2026\u202e1"), "a manifest that no backup"),
        (
            another("artifacts", {"directory": "/a\nExecStopPost=x", "files": 1, "bytes": 1}),
            "a manifest that no backup",
        ),
        (another("host", "h" * (1 << 20)), "manifest.json has more than 1048576 bytes"),
        (long_line, "a line of artifacts.jsonl has"),
        (lead_out, "a manifest that no backup"),
        (other_text("secrets.env", "LD_PRELOAD=/srv/evil.so\n"), "secrets.env .* sets more than the 3 secrets"),
        (other_text("secrets.env", "MLFLOW_CRYPTO_KEK_PASSPHRASE=a\rLD_PRELOAD=x"), "secrets.env .* sets more"),
        (link("settings/secrets.env"), "secrets.env of the snapshot is not a regular file"),
        (link("settings/admin_password"), "admin_password of the snapshot is not a regular file"),
        (link("databases/mlflow.db"), "mlflow.db of the snapshot is not a regular file"),
        (link_settings, "of the snapshot is not a directory"),
        (give_away, "admin_password of the snapshot was not root's"),
    ],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_snapshot_that_another_host_has_forged_changes_nothing(lab, change, message):
    identity = forge(lab, change)
    before = lab.everything()
    with pytest.raises(lab.restic.BackupError, match=message):
        lab.restore_into(identity=identity)
    assert lab.everything() == before


@pytest.mark.parametrize("line", ['{"path": 5}', "{}", "[]", "5", "[" * 30_000, '{"path": "0/one/model.txt"}'])
def test_a_list_that_no_backup_writes_changes_nothing(lab, line):
    identity = forge(lab, lambda place, _manifest: (place / "artifacts.jsonl").write_text(line))
    before = lab.everything()
    process = lab.start("restore", "vision", f"--snapshot={identity}")
    assert "BackupError: snapshot " in process.communicate()[1].split("\n")[-2]
    assert process.returncode == 1
    assert lab.everything() == before


def test_who_may_read_secrets_is_not_for_a_snapshot_to_say(lab):
    def open_up(place, _manifest):
        for name in ("secrets.env", "admin_password"):
            (place / "settings" / name).chmod(0o666)

    lab.restore_into(identity=forge(lab, open_up))
    for name in ("secrets.env", "admin_password"):
        assert stat.S_IMODE((lab.config / "vision" / name).stat().st_mode) == 0o600, name


def test_the_server_of_a_forged_snapshot_is_this_hosts(lab):
    def lead_elsewhere(place, manifest):
        manifest["mlflow_version"] = "3.16.0"
        (place / "settings" / "venv").unlink()
        (place / "settings" / "venv").symlink_to(lab.artifacts / "0/one")

    identity = forge(lab, lead_elsewhere)
    lab.install("3.16.0")
    lab.install("3.17.2")
    lab.restore_into(identity=identity)
    assert os.readlink(lab.config / "vision" / "venv") == str(lab.home / "opt" / "3.16.0")
    assert stat.S_IMODE((lab.config / "vision" / "basic_auth.ini").stat().st_mode) == 0o640


@pytest.mark.parametrize("text", ["[mlflow]\nauthorization_function = evil:run\n", "[evil]\nx = 1\n", "no options"])
def test_options_that_lead_to_code_are_refused(lab, text):
    def change(place, manifest):
        manifest["mlflow_version"] = "3.16.0"
        (place / "settings" / "basic_auth.ini").write_text(text)

    identity = forge(lab, change)
    lab.install("3.16.0")
    lab.install("3.17.2")
    with pytest.raises(lab.restic.BackupError, match=r"basic_auth.ini of the snapshot"):
        lab.restore_into(identity=identity)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_no_device_or_pipe_is_restored(lab):
    lab.write("0/one/model.txt", "kept")
    os.mknod(lab.artifacts / "0/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mkfifo(lab.artifacts / "0/pipe")
    (lab.artifacts / "0/link").symlink_to("one")
    lab.back_up()
    shutil.rmtree(lab.artifacts)
    lab.restore_into()
    assert sorted(os.listdir(lab.artifacts / "0")) == ["link", "one"]


def test_a_pipe_that_is_written_to_without_end_keeps_no_backup_waiting(lab):
    lab.write("0/one/model.txt", "kept")
    os.mkfifo(lab.artifacts / "pipe")
    handle = os.open(lab.artifacts / "pipe", os.O_RDWR | os.O_NONBLOCK)
    try:
        os.write(handle, b"x" * 4096)
        assert lab.back_up()["artifacts"]["files"] == 1
    finally:
        os.close(handle)


def test_a_sparse_file_is_named_and_not_read(lab):
    lab.write("1/run/huge", "a")
    os.truncate(lab.artifacts / "1/run/huge", 1 << 40)
    with pytest.raises(lab.restic.BackupError, match="artifact 1/run/huge says that it has 1024 GiB"):
        lab.back_up()


def test_what_becomes_huge_while_it_is_read_is_not_read(lab, monkeypatch):
    lab.write("1/run/huge", "a")
    backup = lab.repository.Repository.backup

    def grow(*words):
        os.truncate(lab.artifacts / "1/run/huge", 1 << 40)
        return backup(*words)

    monkeypatch.setattr(lab.repository.Repository, "backup", grow)
    # Not in the list, and not in the snapshot, when it is tried again.
    with pytest.raises(lab.restic.BackupError, match="artifact 1/run/huge says that it has 1024 GiB"):
        lab.back_up()


def test_what_a_snapshot_says_of_its_size_is_not_believed(lab, monkeypatch):
    lab.write("1/run/model.bin", "x" * 50_000)
    lab.back_up()
    wanted = []
    monkeypatch.setattr(lab.restore, "refuse_without_space", lambda place, needed, remedy: wanted.append(needed))
    read = lab.manifest.is_well_formed
    monkeypatch.setattr(lab.manifest, "is_well_formed", lambda it, team: read(it, team) and say_little(it))
    lab.restore_into()
    assert min(wanted) > 50_000


def say_little(manifest):
    """Let it say that it has next to nothing."""
    manifest["artifacts"]["bytes"] = 1
    return True


def test_a_name_that_python_takes_for_several_lines_is_one(lab):
    for number, name in enumerate(["a\x85b", "c\u2028d", "e\x1cf"]):
        lab.write(f"0/{name}", str(number))
    identity = lab.back_up()["snapshot"]
    told = lab.restic.objects(lab.repo().run("ls", "--json", identity).stdout)
    assert {"a\x85b", "c\u2028d", "e\x1cf"} <= {it.get("name") for it in told}
    lab.restore_into()
    assert (lab.artifacts / "0/a\u0085b").read_text() == "0"


@pytest.fixture
def future(lab):
    """The host has a snapshot of its own, and one of a clock that was ahead."""
    lab.write("0/one/model.txt", "kept")
    lab.now = lab.back_up()["snapshot"]
    when = (datetime.datetime.now() + datetime.timedelta(days=300)).strftime("%Y-%m-%d %H:%M:%S")
    tags = ("--tag=mlflow", "--tag=team=vision", "--host=here")
    lab.repo().run("backup", f"--time={when}", *tags, str(lab.artifacts))
    lab.later = lab.repo().snapshots()[-1]["short_id"]
    assert lab.later != lab.now
    return lab


def test_a_snapshot_from_the_future_is_the_newest_of_nothing(future, capsys):
    assert future.repo().find()["short_id"] == future.now
    assert f"dated in the future, and passed over: {future.later}" in capsys.readouterr().err
    assert future.repo().find(at="2999-01-01")["short_id"] == future.now
    assert future.repo().find(future.later)["short_id"] == future.later
    future.repo().forget(future.repo().find()["id"])
    with pytest.raises(future.restic.BackupError, match=rf"not dated in the future \({future.later}"):
        future.repo().find()


def test_a_snapshot_from_the_future_pushes_none_out_and_is_told(future):
    future.set(keep={"last": 1})
    process = future.start("snapshot", "vision")
    output, errors = process.communicate(timeout=300)
    assert process.returncode != 0
    assert f"{future.later}: dated in the future, so that no old snapshot is let go of" in errors
    told = json.loads(output)
    assert {future.now, future.later, told["snapshot"]} <= {it["short_id"] for it in future.repo().snapshots()}
    future.repo().forget(future.later)
    assert future.back_up()["future"] == []
    assert len(future.repo().snapshots()) == 1


def test_an_old_snapshot_is_a_failure_and_a_new_team_has_time(lab):
    old = datetime.datetime.now() - datetime.timedelta(hours=40)
    assert lab.age.too_old(lab.repository.settings(), "vision") == ""
    lab.set(max_age=0)
    assert "vision: it has no snapshot; systemctl status mlflow-backup@vision.timer" in lab.age.too_old(
        lab.repository.settings(), "vision"
    )
    tags = ("--tag=mlflow", "--tag=team=vision", "--host=here")
    lab.repo().run("backup", f"--time={old:%Y-%m-%d %H:%M:%S}", *tags, str(lab.state))
    lab.set()
    assert "vision: its newest snapshot is 40 hours old, and may be 36" in lab.age.too_old(
        lab.repository.settings(), "vision"
    )
    # Who asks what is wrong leaves nothing behind, and waits for nobody who has the repository.
    locks = lab.home / "repository" / "locks"
    locks.rmdir()
    locks.touch()
    said = [it["problem"] for it in doctor.of_backups(["vision"])]
    assert said == ["its newest snapshot is 40 hours old, and may be 36"]
    locks.unlink()
    locks.mkdir()
    assert not paths.HERE.noted.exists()
    with pytest.raises(lab.restic.BackupError, match="40 hours old"):
        lab.age.main("vision")
    # Nobody had noted it: another host has made it, or an older version of this role.
    began = json.loads((lab.home / "noted" / "vision.backup.json").read_text())["began"]
    assert abs(time.time() - 40 * 3600 - began) < 600
    lab.set(exclude=["vision"])
    lab.age.main("vision")
    lab.set()
    lab.back_up()
    lab.age.main("vision")


def test_a_team_that_was_set_up_by_a_clock_that_was_ahead_has_no_time(lab, monkeypatch):
    now = time.time()
    # As after it was put right; that of a file is nobody's to set.
    monkeypatch.setattr(lab.age.time, "time", lambda: now - 3600 * 24 * 365)
    assert "vision: it has no snapshot" in lab.age.too_old(lab.repository.settings(), "vision")
    # By as much, hosts may differ.
    monkeypatch.setattr(lab.age.time, "time", lambda: now - 300)
    assert lab.age.too_old(lab.repository.settings(), "vision") == ""


def test_a_team_that_has_moved_is_the_other_hosts_to_back_up(lab):
    lab.set(host="there")
    lab.back_up()
    lab.set()
    wants = lab.home / "wants"
    wants.mkdir()
    lab.age.WANTS = wants
    assert lab.repo().age() is None
    assert lab.repo().age(any_host=True) < 600
    lab.set(max_age=0)
    (wants / "mlflow-backup@vision.timer").symlink_to("/dev/null")
    with pytest.raises(lab.restic.BackupError, match="vision: it has no snapshot"):
        lab.age.main("vision")
    lab.set(max_age=600)
    (wants / "mlflow-backup@vision.timer").unlink()
    lab.age.main("vision")


def test_a_repository_that_is_gone_is_an_alarm_too(lab):
    shutil.rmtree(lab.home / "repository")
    with pytest.raises(lab.restic.BackupError, match=r"vision: it cannot be seen how old .* mlflow_backup_repository"):
        lab.age.main("vision")


def test_a_team_that_is_stuck_keeps_no_other_from_its_backup(lab, monkeypatch):
    monkeypatch.setattr(lab.backup, "COPY_PATIENCE", 1)
    monkeypatch.setattr(lab.backup, "STORE_PATIENCE", 1)
    held, ended = threading.Event(), threading.Event()

    def hold():
        with lab.turns.alone("copy"), lab.turns.alone("backup"):
            held.set()
            ended.wait(600)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(600)
        assert lab.back_up()["snapshot"]
    finally:
        ended.set()
        thread.join()


def test_one_team_is_not_backed_up_twice_at_once(lab, monkeypatch):
    monkeypatch.setattr(lab.backup, "alone", lambda what: lab.turns.alone(what, 1))
    with (
        lab.turns.alone("backup-vision"),
        pytest.raises(lab.turns.TurnError, match="still at backup-vision after 1 s"),
    ):
        lab.back_up()


def test_restic_ends(lab, monkeypatch):
    slow = lab.home / "bin"
    slow.mkdir()
    (slow / "restic").write_text("#!/bin/sh\nexec sleep 1000\n")
    (slow / "restic").chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow}:/usr/bin:/bin")
    monkeypatch.setattr(lab.restic, "ASK_SECONDS", 1)
    began = time.monotonic()
    with pytest.raises(lab.restic.BackupError, match="restic snapshots was still not done after 1 s"):
        lab.repo().snapshots()
    assert time.monotonic() - began < 900


def test_code_that_a_team_has_put_into_its_database_is_not_root_to_run(lab, monkeypatch):
    """Root only copies it; who reads it is the team's account, or one that owns nothing."""
    ran = []
    start = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *words, **more: ran.append(more) or start(*words, **more))
    rows = lab.manifest.look_into(lab.database, "vision", None)
    assert json.loads(rows)["users"] == 2
    assert [(it["user"] != 0, it["extra_groups"]) for it in ran] == [(True, [])]
    assert list(Path(paths.HERE.looks).glob("mlflow-look.vision.*")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run something as somebody else")
def test_a_process_of_the_team_that_is_no_server_is_waited_for_with_an_end(lab, monkeypatch):
    """As what removes things for good, which would go on writing beside the name of the database."""
    process = subprocess.Popen(["sleep", "300"], user=TEAM, group=TEAM, extra_groups=[], cwd="/")
    monkeypatch.setattr(lab.processes, "STOP_SECONDS", 0.2)
    owner = mock.Mock(pw_uid=TEAM)
    monkeypatch.setattr(lab.processes.pwd, "getpwnam", lambda name: owner)
    try:
        with pytest.raises(
            lab.transaction.ChangeError, match=rf"sleep \({process.pid}\) still run as .* stop mlflow-gc@vision"
        ):
            lab.processes.wait_until_nobody_runs("mlflow-vision", "vision")
    finally:
        process.kill()
        process.wait()
    lab.processes.wait_until_nobody_runs("mlflow-vision", "vision")


# A process whose first thread has ended, and which the kernel calls dead, though another thread goes on.
HEADLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=[300]).start()
print("ready", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run something as somebody else")
def test_a_process_runs_for_as_long_as_any_thread_of_it_does(lab):
    command = [sys.executable, "-c", HEADLESS]
    with subprocess.Popen(command, user=TEAM, group=TEAM, extra_groups=[], cwd="/", stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            status = Path("/proc", str(process.pid), "status")
            until = time.monotonic() + 300
            while "(zombie)" not in status.read_text() and time.monotonic() < until:
                time.sleep(0.01)
            (found,) = lab.processes.of_account(TEAM)
            assert found.endswith(f"({process.pid})")
        finally:
            process.kill()
    assert lab.processes.of_account(TEAM) == []


def test_who_still_runs_as_the_team_is_seen(lab):
    found = lab.processes.of_account(os.geteuid())
    assert any(line.endswith(f"({os.getpid()})") for line in found)
    assert lab.processes.of_account(TEAM) == []
