"""Consumers of jobs are forked from a runner that has loaded MLflow, until it has connections."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mlflowctl.in_mlflow import job_runner

# As much of MLflow as its runner needs here: two consumers at once, whose start is asked of the same function.
UTILS = """
import sys
from mlflow.utils.process import _exec_cmd
_job_name_to_fn_fullname_map = {"judge": "a_job.judge", "evaluate": "a_job.evaluate"}
def get_job_fn_fullname(name):
    return _job_name_to_fn_fullname_map[name]
def _load_function(name):
    return __import__(name.partition(".")[0])
def start(name, *more):
    from mlflow.utils import process
    command = [sys.executable, "-m", "huey.bin.huey_consumer", name, *more]
    # As MLflow does, by both names.
    start = _exec_cmd if more else process._exec_cmd
    return start(command, synchronous=False, extra_env={"NAME": name})
def _enqueue_unfinished_jobs(since):
    print("unfinished", since, flush=True)
"""
PROCESS = """
import os, subprocess
def _exec_cmd(cmd, *, extra_env=None, synchronous=True):
    return subprocess.Popen(cmd, env={**os.environ, **(extra_env or {})})
"""
RUNNER = """
import json
from mlflow.server.jobs.utils import _enqueue_unfinished_jobs, start
if __name__ == "__main__":
    first, second = start("judge"), start("evaluate", "--fail")
    print(json.dumps({"ended": [first.wait(), second.wait()]}), flush=True)
    _enqueue_unfinished_jobs(7)
    print(json.dumps({"ended": [start("judge").wait()]}), flush=True)
"""
CONSUMER = """
import json, os, sys
if __name__ == "__main__":
    print(json.dumps({"argv": sys.argv[1:], "name": os.environ["NAME"], "loaded": "a_job" in sys.modules}), flush=True)
    if "--fail" in sys.argv:
        raise ValueError("as any may")
"""
FILES = {
    "mlflow/server/jobs/utils.py": UTILS,
    "mlflow/server/jobs/logging_utils.py": "",
    "mlflow/server/jobs/_job_runner.py": RUNNER,
    "mlflow/utils/process.py": PROCESS,
    "huey/bin/huey_consumer.py": CONSUMER,
    "a_job.py": "",
}


def run(place: Path, files: dict[str, str]) -> tuple[list[str], str]:
    """Run it with these modules; return what all of them printed, and their errors."""
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    program = Path(job_runner.__file__).parent
    env = {"PYTHONPATH": str(place), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, program, "job_runner"]
    ended = subprocess.run(command, capture_output=True, text=True, env=env, cwd=place, check=True, timeout=300)
    return ended.stdout.splitlines(), ended.stderr


def test_consumers_are_forked_until_the_runner_has_connections(tmp_path):
    printed, errors = run(tmp_path, FILES)
    judge = {"argv": ["judge"], "name": "judge", "loaded": True}
    evaluate = {"argv": ["evaluate", "--fail"], "name": "evaluate", "loaded": True}
    assert [json.loads(it) for it in sorted(printed[:2])] == [evaluate, judge]
    # One fails as a process of its own does.
    assert json.loads(printed[2]) == {"ended": [0, 1]}
    assert "ValueError: as any may" in errors
    # Started again, it is not forked.
    assert printed[3] == "unfinished 7"
    assert [json.loads(it) for it in printed[4:]] == [{**judge, "loaded": False}, {"ended": [0]}]


@pytest.mark.parametrize("gone", ["mlflow/server/jobs/logging_utils.py", "mlflow/utils/process.py", "utils"])
def test_an_mlflow_that_starts_them_in_another_way_is_let_do_so(tmp_path, gone):
    files = {name: text for name, text in FILES.items() if name != gone}
    if gone == "utils":
        files["mlflow/server/jobs/utils.py"] = "name = 1"
    files["mlflow/server/jobs/_job_runner.py"] = "print('as ever')"
    assert run(tmp_path, files)[0] == ["as ever"]
