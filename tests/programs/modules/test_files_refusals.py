"""What the files module refuses, and what it leaves when it fails in the middle."""

import os
import stat

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._file_states import Files
from ansible_collections.mlops.mlflow.plugins.module_utils._folders import Folders
from ansible_collections.mlops.mlflow.plugins.modules import files as module
from unit.core import patch_module_args

CANARY = "canary-text"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="it gives files to their owners")


@pytest.fixture
def fails(run_module, tmp_path):
    """Return the message of a call that is to fail, after looking that nothing is left of it."""

    def run(spec, secrets=None, check=False, texts=None, **options):
        before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
        spec = {**spec, "path": str(spec["path"])}
        secrets = {str(path): text for path, text in (secrets or {}).items()}
        given = {"files": [spec], "secret_contents": secrets}
        given["contents"] = {str(path): text for path, text in (texts or {}).items()}
        answer = run_module("files", given, check=check, **options)
        assert answer.failed
        assert CANARY not in answer.output
        assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")} == before
        return answer.result["msg"]

    return run


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("state", ["file", "link", "absent"])
def test_a_directory_in_the_way(fails, tmp_path, state, check):
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "inside").write_text("kept")
    more = {"file": {"content": "x"}, "link": {"target": "x"}, "absent": {}}[state]
    message = fails({"path": folder, "state": state, **more}, check=check)
    assert message == f"{folder}: is a directory where a {state} is wanted; remove it first"


@pytest.mark.parametrize("check", [True, False])
def test_something_else_in_the_way(fails, tmp_path, check):
    os.mkfifo(tmp_path / "pipe")
    message = fails({"path": tmp_path / "pipe", "content": "x"}, check=check)
    assert message == f"{tmp_path}/pipe: is a other where a file is wanted; remove it first"


@pytest.mark.parametrize("check", [True, False])
def test_no_text_and_two_texts(fails, tmp_path, check):
    path = tmp_path / "f"
    expected = f"{path}: give its text in one of content, contents and secret_contents"
    assert fails({"path": path}, check=check) == expected
    assert fails({"path": path, "content": "x"}, secrets={path: CANARY}, check=check) == expected
    assert fails({"path": path}, secrets={path: CANARY}, texts={path: "x"}, check=check) == expected


def test_a_link_without_a_target(fails, tmp_path):
    assert "state is link but all of the following are missing: target" in fails(
        {"path": tmp_path / "l", "state": "link"}
    )


def test_a_mode_that_is_none(fails, tmp_path):
    message = fails({"path": tmp_path / "f", "content": "x", "mode": "u=rw"}, check=True)
    assert message.startswith(f"{tmp_path}/f: invalid literal for int() with base 8")


@pytest.mark.parametrize("what", ["owner", "group"])
def test_an_account_that_is_not_there(fails, run_module, tmp_path, what):
    spec = {"path": str(tmp_path / "f"), "content": "x", what: "no-such-account"}
    assert "name not found: 'no-such-account'" in fails(spec)
    # In check mode an earlier task may have been about to make it.
    answer = run_module("files", {"files": [spec]}, check=True)
    assert f"{what}: no-such-account\n" in answer.result["diff"][0]["after"]


@pytest.mark.parametrize("old", [None, "the old text\n"])
def test_a_write_that_is_cut_off_leaves_the_old_file(fails, tmp_path, old):
    path = tmp_path / "f"
    if old:
        path.write_text(old)
    message = fails({"path": path, "mode": "0600"}, secrets={path: CANARY * 1000}, largest_file=100)
    assert "File too large" in message
    assert (path.read_text() if old else None) == old
    assert [file.name for file in tmp_path.iterdir()] == (["f"] if old else [])


def test_what_came_before_a_failure_is_told(run_module, tmp_path):
    specs = [{"path": str(tmp_path / "one"), "content": "1"}, {"path": str(tmp_path / "no/two"), "content": "2"}]
    answer = run_module("files", {"files": specs})
    assert answer.failed
    assert "No such file or directory" in answer.result["msg"]
    assert [(file["path"], file["changed"]) for file in answer.result["files"]] == [(str(tmp_path / "one"), True)]


@pytest.mark.parametrize("old_mode", [None, 0o666])
def test_a_secret_is_never_wider_than_it_is_to_be(monkeypatch, tmp_path, old_mode):
    """Look at all that stands in the folder whenever anything about it is about to change or has."""
    path = tmp_path / "secret"
    if old_mode:
        path.write_text("nothing secret")
        path.chmod(old_mode)
    seen = set()

    def watch(name):
        real = getattr(os, name)

        def watching(*arguments):
            look()
            result = real(*arguments)
            look()
            return result

        monkeypatch.setattr(os, name, watching)

    def look():
        for file in tmp_path.iterdir():
            with file.open() as text:
                if CANARY in text.read():
                    status = file.stat()
                    seen.add((status.st_uid, stat.S_IMODE(status.st_mode)))

    for name in ("fchown", "fchmod", "fsync", "replace", "chown", "chmod"):
        watch(name)
    after = {"state": "file", "owner": 0, "group": 1, "mode": "0640", "content": CANARY}
    files = Files(Folders())
    previous = os.umask(0)
    try:
        files.apply(str(path), files.observe(str(path)), after)
    finally:
        os.umask(previous)
    assert seen == {(0, 0o600), (0, 0o640)}
    assert files.observe(str(path)) == after


def test_what_reaches_the_target_s_journal(monkeypatch, tmp_path):
    logged = []
    monkeypatch.setattr(
        AnsibleModule, "log", lambda self, message, log_args=None: logged.append(f"{message}{log_args}")
    )
    path = str(tmp_path / "secret")
    with patch_module_args({"files": [{"path": path}], "secret_contents": {path: CANARY}}), pytest.raises(SystemExit):
        module.main()
    assert "NOT_LOGGING_PARAMETER" in "".join(logged)
    assert CANARY not in "".join(logged)
