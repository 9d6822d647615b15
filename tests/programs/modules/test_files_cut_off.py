"""The files module when another run was killed, is at work at the same time, or had a clock that was ahead."""

import contextlib
import json
import os
import subprocess
import sys
import time

import pytest
from programs.modules.conftest import RUN

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="it gives files to their owners")

CANARY = "canary-text"
RUNS = 6


@pytest.fixture
def run(run_module):
    def run(path, secret=True, **more):
        arguments = {"files": [{"path": str(path), "mode": "0600", **more}]}
        if secret:
            arguments["secret_contents"] = {str(path): CANARY}
        predicted = run_module("files", arguments, check=True)
        answer = run_module("files", arguments)
        assert (predicted.changed, predicted.result["diff"]) == (answer.changed, answer.result["diff"])
        assert CANARY not in answer.output
        return answer

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@contextlib.contextmanager
def stopped_before_the_rename(request, arguments):
    """A run that was stopped by a file system that takes no more, at the last moment: it is killed there."""
    checkout = str(request.config.rootpath / "build" / "checkout")
    code = (
        "import os, signal\n"
        "def end(*arguments, **options): os.kill(os.getpid(), signal.SIGKILL)\n"
        "os.rename = os.replace = os.link = end\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code + RUN, checkout, "files"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.communicate(json.dumps({"arguments": arguments, "largest_file": None}))
    assert process.returncode == -9
    yield


@pytest.mark.parametrize("force", [True, False])
def test_what_a_killed_run_left_is_gone_after_the_next(request, run, tmp_path, force):
    path = tmp_path / "secrets.env"
    arguments = {"files": [{"path": str(path), "force": force}], "secret_contents": {str(path): CANARY}}
    with stopped_before_the_rename(request, arguments):
        assert names(tmp_path) == [".secrets.env.new"]
    assert run(path, force=force).changed
    assert names(tmp_path) == ["secrets.env"]
    assert not run(path, force=force).changed


@pytest.mark.parametrize("state", ["file", "absent"])
def test_also_where_nothing_else_is_to_do(request, run, tmp_path, state):
    path = tmp_path / "secrets.env"
    if state == "file":
        assert run(path).changed
    other = {"files": [{"path": str(path), "mode": "0644"}], "secret_contents": {str(path): "another text"}}
    with stopped_before_the_rename(request, other):
        pass
    answer = run(path, secret=state == "file", state=state)
    assert answer.changed
    assert ".secrets.env.new" in answer.result["diff"][0]["before"]
    assert names(tmp_path) == (["secrets.env"] if state == "file" else [])
    assert not run(path, secret=state == "file", state=state).changed


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_whatever_stands_there_is_not_written_through(run, tmp_path, kind):
    target = tmp_path / "target"
    target.write_text("before")
    temporary = tmp_path / ".secrets.env.new"
    {"link": lambda: temporary.symlink_to(target), "pipe": lambda: os.mkfifo(temporary)}[kind]()
    assert run(tmp_path / "secrets.env").changed
    assert target.read_text() == "before"
    assert names(tmp_path) == ["secrets.env", "target"]


def test_who_is_writing_now_is_waited_for(run_module, tmp_path):
    temporary = tmp_path / ".f.new"
    temporary.write_text("half")
    hold = "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, 2); print(1, flush=True); input()"
    arguments = {"files": [{"path": str(tmp_path / "f"), "content": "x"}]}
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(temporary)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        holder.stdout.readline()
        answer = run_module("files", arguments, patience=0.1)
        holder.communicate(b"\n")
    assert answer.failed
    assert "is being written" in answer.result["msg"]
    assert temporary.read_text() == "half"
    assert run_module("files", arguments).changed
    assert names(tmp_path) == ["f"]


def start(request, arguments):
    checkout = str(request.config.rootpath / "build" / "checkout")
    # Without a buffer of Python's, a long answer would lose what a pipe does not take at once.
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, checkout, "files"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    process.stdin.write(json.dumps({"arguments": arguments, "largest_file": None}))
    return process


@pytest.mark.parametrize("force", [True, False])
def test_runs_at_the_same_time(request, tmp_path, force):
    """Each has its own text for many files. What is not forced is the first one's, and the others changed nothing."""
    paths = [str(tmp_path / f"{number}") for number in range(60)]
    texts = [f"{number} " * 20_000 for number in range(RUNS)]
    processes = [
        start(request, {"files": [{"path": path, "content": text, "force": force} for path in paths]}) for text in texts
    ]
    for process in processes:
        process.stdin.close()
    answers = [json.loads(process.stdout.read()) for process in processes]
    for process in processes:
        process.stdout.close()
        process.wait(timeout=300)
    assert [answer.get("msg") for answer in answers] == [None] * RUNS
    assert names(tmp_path) == sorted(str(number) for number in range(60))
    for number, path in enumerate(paths):
        with open(path) as file:
            written = texts.index(file.read())
        if not force:
            changed = [answer["files"][number]["changed"] for answer in answers]
            assert changed == [turn == written for turn in range(RUNS)]


def test_a_time_that_is_to_come_is_mended_once(run, run_module, tmp_path):
    """Units are restarted when what they read is newer: with such a time, at each run."""
    path, link = tmp_path / "f", tmp_path / "link"
    run(path)
    link.symlink_to("f")
    arguments = {"files": [{"path": str(path), "mode": "0600"}, {"path": str(link), "state": "link", "target": "f"}]}
    arguments["secret_contents"] = {str(path): CANARY}
    ahead = time.time() + 86_400
    for file in (path, link):
        os.utime(file, (ahead, ahead), follow_symlinks=False)
    for check in (True, False):
        answer = run_module("files", arguments, check=check)
        assert [file["changed"] for file in answer.result["files"]] == [True, True]
        assert all(file["mtime"] <= time.time() for file in answer.result["files"])
        assert CANARY not in answer.output
    assert path.stat().st_mtime == answer.result["files"][0]["mtime"]
    assert not run_module("files", arguments).changed
