"""The files module, run as a process on real files."""

import os
import time

import pytest

CANARY = "canary-text"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="it gives files to their owners")


@pytest.fixture
def files(run_module):
    """Predict, and then do unless only the prediction is wanted; both are to tell the same."""

    def run(*specs, secrets=None, check=False, **options):
        arguments = {"files": [dict(spec, path=str(spec["path"])) for spec in specs]}
        arguments["secret_contents"] = {str(path): text for path, text in (secrets or {}).items()}
        predicted = run_module("files", arguments, check=True, **options)
        if check:
            return predicted
        done = run_module("files", arguments, **options)
        assert (done.failed, done.changed) == (predicted.failed, predicted.changed)
        if not done.failed:
            assert done.result["diff"] == predicted.result["diff"]
            again = run_module("files", arguments, **options)
            assert again.changed is False
            assert again.result["diff"] == []
            assert [file["mtime"] for file in again.result["files"]] == [file["mtime"] for file in done.result["files"]]
        for answer in (predicted, done):
            assert CANARY not in answer.output
        return done

    return run


def mode(path):
    return f"{path.lstat().st_mode & 0o7777:04o}"


def test_a_prediction_writes_nothing(files, tmp_path):
    for secrets in ({}, {tmp_path / "d/secret": CANARY}):
        specs = [{"path": path} for path in secrets] or [{"path": tmp_path / "f", "content": "x"}]
        answer = files({"path": tmp_path / "d", "state": "directory"}, *specs, secrets=secrets, check=True)
        assert answer.changed is True
        assert answer.result["files"][1]["mtime"] == pytest.approx(time.time(), abs=600)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_new_files_of_every_kind_under_any_umask(files, tmp_path, umask):
    answer = files(
        {"path": tmp_path / "a b", "state": "directory", "mode": "0751"},
        {"path": tmp_path / "a b/ü", "content": "one\r\ntwo", "mode": "0640", "group": "daemon", "owner": "daemon"},
        {"path": tmp_path / "empty", "content": ""},
        {"path": tmp_path / "link", "state": "link", "target": "../nowhere"},
        {"path": tmp_path / "none", "state": "absent"},
        umask=umask,
    )
    assert [file["changed"] for file in answer.result["files"]] == [True, True, True, True, False]
    assert [file["mtime"] is None for file in answer.result["files"]] == [True, False, False, False, True]
    written = tmp_path / "a b/ü"
    assert written.read_bytes() == b"one\r\ntwo"
    assert (written.owner(), written.group(), mode(written)) == ("daemon", "daemon", "0640")
    assert (mode(tmp_path / "a b"), mode(tmp_path / "empty")) == ("0751", "0644")
    assert os.readlink(tmp_path / "link") == "../nowhere"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a b", "empty", "link", "ü"]


def test_another_text_replaces_the_file_and_its_time(files, tmp_path):
    path = tmp_path / "f"
    path.write_text("old\n")
    os.utime(path, (1000, 1000))
    inode = path.stat().st_ino
    answer = files({"path": path, "content": "new\n"})
    assert path.read_text() == "new\n"
    assert path.stat().st_ino != inode
    assert answer.result["files"][0]["mtime"] == path.stat().st_mtime > 1000
    assert answer.result["diff"] == [
        {"before_header": str(path), "after_header": str(path), "before": "old\n", "after": "new\n"}
    ]


def test_another_mode_or_owner_keeps_the_file_and_its_time(files, tmp_path):
    path = tmp_path / "f"
    path.write_text("text\n")
    os.utime(path, (1000, 1000))
    inode = path.stat().st_ino
    answer = files({"path": path, "content": "text\n", "mode": "0600", "owner": "daemon"})
    assert answer.changed is True
    assert (path.owner(), mode(path), path.stat().st_ino) == ("daemon", "0600", inode)
    assert answer.result["files"][0]["mtime"] == path.stat().st_mtime == 1000
    assert "text" not in str(answer.result["diff"])


def test_a_directory_s_mode(files, tmp_path):
    folder = tmp_path / "d"
    folder.mkdir(0o755)
    (folder / "inside").touch()
    assert files({"path": folder, "state": "directory", "mode": "2750"}).changed is True
    assert mode(folder) == "2750"
    assert (folder / "inside").exists()


def test_what_is_not_forced_keeps_its_text_but_not_its_mode(files, tmp_path):
    path = tmp_path / "f"
    path.write_text("mine\n")
    path.chmod(0o644)
    assert files({"path": path, "content": "yours\n", "force": False}).changed is False
    assert files({"path": path, "content": "yours\n", "force": False, "mode": "0600"}).changed is True
    assert (path.read_text(), mode(path)) == ("mine\n", "0600")
    assert files({"path": tmp_path / "new", "content": "yours\n", "force": False}).changed is True
    assert (tmp_path / "new").read_text() == "yours\n"


def test_links_and_files_take_each_other_s_place(files, tmp_path):
    target, path = tmp_path / "target", tmp_path / "path"
    target.write_text("of the target\n")
    path.write_text("a file\n")
    files({"path": path, "state": "link", "target": "target"})
    assert os.readlink(path) == "target"
    files({"path": path, "state": "link", "target": "elsewhere"})
    assert os.readlink(path) == "elsewhere"
    path.unlink()
    path.symlink_to("target")
    files({"path": path, "content": "a file\n"})
    assert not path.is_symlink()
    assert (path.read_text(), target.read_text()) == ("a file\n", "of the target\n")
    path.unlink()
    path.symlink_to("target")
    files({"path": path, "state": "absent"})
    assert not os.path.lexists(path)
    assert target.exists()


def test_secrets_are_written_and_not_shown(files, tmp_path):
    path = tmp_path / "secret"
    for text in (f"one={CANARY}\n", f"two={CANARY}\n", f'quotes="{CANARY}" \\ ü\n'):
        answer = files({"path": path, "mode": "0600"}, secrets={path: text})
        assert answer.changed is True
        assert (path.read_text(), mode(path)) == (text, "0600")
        assert "(content not shown)" in answer.result["diff"][0]["after"]
    assert files({"path": path, "mode": "0600"}, secrets={path: text}).changed is False


def test_a_secret_that_is_removed_with_its_text_named(files, tmp_path):
    path = tmp_path / "secret"
    path.write_text(CANARY)
    assert files({"path": path, "state": "absent"}, secrets={path: "something else"}).changed is True


def test_a_secret_that_is_removed(files, tmp_path):
    path = tmp_path / "secret"
    path.write_text(CANARY)
    path.chmod(0o600)
    files({"path": path, "state": "absent"})


def test_parents_that_are_missing_let_the_owner_through(files, tmp_path):
    folder = tmp_path / "one" / "two" / "three"
    umask = os.umask(0o077)
    try:
        assert files({"path": folder, "state": "directory", "mode": "0700"}).changed is True
    finally:
        os.umask(umask)
    modes = [mode(path) for path in (folder.parent.parent, folder.parent, folder)]
    assert modes == ["0755", "0755", "0700"]
