"""Jobs ask the gateway as somebody who was named, and nobody begins one by its name."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflowctl.in_mlflow import jobs, serve

TOKEN = "one-of-this-start"
ENV = {"HOME": "/x", jobs.TOKEN: TOKEN}
CREDENTIALS = {"MLFLOW_TRACKING_USERNAME": "judges", "MLFLOW_TRACKING_PASSWORD": TOKEN}
ON = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true"}


@pytest.mark.parametrize(
    ("named", "env", "told"),
    [
        ("judges", ENV, {**ENV, **CREDENTIALS}),
        # A team without one, and a version that has no such word.
        (None, ENV, ENV),
        ("", ENV, ENV),
        ("judges", {"HOME": "/x"}, {"HOME": "/x"}),
        ("judges", None, None),
    ],
)
def test_who_judges_on_a_schedule_are(monkeypatch, named, env, told):
    monkeypatch.delenv(jobs.SETTING, raising=False)
    if named is not None:
        monkeypatch.setenv(jobs.SETTING, named)
    assert jobs.as_somebody(env) == told


SAY = "import json, os; print(json.dumps({name: os.environ.get(name) for name in %r}))"
# MLflow begins all of these by one call.
MLFLOW = """
import os, subprocess, sys
for module in ("mlflow.server.jobs._job_runner", "uvicorn", "another"):
    env = {**os.environ, "_MLFLOW_INTERNAL_GATEWAY_AUTH_TOKEN": "one-of-this-start"}
    subprocess.Popen([sys.executable, "-m", module], env=env).wait()
"""


def test_only_what_runs_jobs_is_told(tmp_path):
    names = [*CREDENTIALS, jobs.SETTING]
    for package, module in (("mlflow", "__main__"), ("mlflow/server/jobs", "_job_runner"), (".", "another")):
        place = tmp_path / package
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{module}.py").write_text(MLFLOW if module == "__main__" else SAY % names)
    # What serve.py starts in the place of uvicorn.
    worker = tmp_path / "worker.py"
    worker.write_text(SAY % names)
    root = Path(serve.__file__).parents[2]
    program = (
        "import sys; from mlflowctl.in_mlflow import serve, user_store; user_store.refuse_emptied = lambda path: None;"
        f"serve.OWN_WORKER = [sys.executable, {str(worker)!r}]; serve.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, **ON, jobs.SETTING: "judges", "MLFLOW_AUTH_CONFIG_PATH": "x", "PYTHONPATH": f"{root}:."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    nobody = {**dict.fromkeys(CREDENTIALS), jobs.SETTING: "judges"}
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found == [{**CREDENTIALS, jobs.SETTING: "judges"}, nobody, nobody]


def answered(method, path, kind="http"):
    """What is answered to a request, or what MLflow was asked."""
    asked, sent = [], []

    async def mlflow(scope, _receive, _send):
        asked.append(scope["path"])

    async def send(message):
        sent.append(message)

    asyncio.run(jobs.around(mlflow)({"type": kind, "method": method, "path": path}, None, send))
    assert bool(asked) is not bool(sent)
    return asked or [sent[0]["status"], json.loads(sent[1]["body"])["error_code"]]


def test_nobody_begins_a_job_by_its_name(monkeypatch):
    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", ON["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"])
    for path in ("/ajax-api/3.0/jobs", "/ajax-api/3.0/jobs/", "/ajax-api/3.0/jobs//"):
        assert answered("POST", path) == [403, "PERMISSION_DENIED"]
    for method, path in (
        ("POST", "/ajax-api/3.0/jobs/search"),
        ("GET", "/ajax-api/3.0/jobs/4711"),
        ("PATCH", "/ajax-api/3.0/jobs/cancel/4711"),
        ("POST", "/ajax-api/3.0/mlflow/scorer/invoke"),
    ):
        assert answered(method, path) == [path]


@pytest.mark.parametrize(("said", "is_wrapped"), [("true", True), (None, True), ("false", False), ("0", False)])
def test_without_jobs_nothing_is_in_the_way(monkeypatch, said, is_wrapped):
    monkeypatch.delenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", raising=False)
    if said is not None:
        monkeypatch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", said)
    app = object()
    assert (jobs.around(app) is not app) is is_wrapped
