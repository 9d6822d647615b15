"""A path that MLflow's routes and we would read differently reaches neither."""

import asyncio
import json
import urllib.parse

import pytest
from mlflowctl.in_mlflow import plain

ARTIFACTS = "/api/2.0/mlflow-artifacts/"


def answered(path, kind="http", method="POST", query=b""):
    """What is answered, or what the application was asked."""
    asked, sent = [], []

    async def app(scope, _receive, _send):
        asked.append(scope.get("path"))

    async def send(message):
        sent.append(message)

    asyncio.run(plain.Plain(app)({"type": kind, "method": method, "path": path, "query_string": query}, None, send))
    assert bool(asked) is not bool(sent)
    return asked or [sent[0]["status"], json.loads(sent[1]["body"])["error_code"]]


@pytest.mark.parametrize(
    "path",
    [
        # To Starlette, these are the same as without it.
        "/ajax-api/3.0/jobs/\n",
        "/api/2.0/mlflow-artifacts/artifacts/1/model.pkl\n",
        # And these are none of its routes, but may be older ones.
        "/api/2.0/mlflow-artifacts/artifacts/1/a\nb",
        "\n",
    ],
)
def test_a_line_end_is_refused(path):
    assert answered(path) == [400, "INVALID_PARAMETER_VALUE"]


@pytest.mark.parametrize("path", ["1/./a", "./1/a", "1/%2e/a", "1/%252E/a", "1/.", ".", "1//./a", "1/run/./artifacts"])
def test_a_part_of_one_dot_is_refused(path):
    for route in ("artifacts/", "mpu/create/", "presigned/"):
        assert answered(f"{ARTIFACTS}{route}{path}") == [400, "INVALID_PARAMETER_VALUE"]
        assert answered(f"/ajax-{ARTIFACTS[1:]}{route}{path}") == [400, "INVALID_PARAMETER_VALUE"]
    listed = f"{ARTIFACTS}artifacts"
    for query in (f"path={path}", f"path=1&path={path}", f"a=b&path={path.replace('/', '%2F')}"):
        assert answered(listed, query=query.encode()) == [400, "INVALID_PARAMETER_VALUE"]


@pytest.mark.parametrize("number", ["%31", " 1", "\t1", "1\t", "\x001", "1%"])
def test_the_number_of_an_artifacts_experiment_is_plain(number):
    for way in ("artifacts", "presigned", "mpu/create"):
        assert answered(f"{ARTIFACTS}{way}/{number}/model.pkl") == [400, "INVALID_PARAMETER_VALUE"]
    query = urllib.parse.urlencode({"path": f"{number}/run"}).encode()
    assert answered(f"{ARTIFACTS}artifacts", query=query) == [400, "INVALID_PARAMETER_VALUE"]


@pytest.mark.parametrize("path", ["1/run/artifacts/ 100%.txt", "my models/1", ""])
def test_all_else_of_an_artifact_is_mlflows(path):
    for where, query in ((f"/{path}", b""), ("", urllib.parse.urlencode({"path": path}).encode())):
        assert answered(f"{ARTIFACTS}artifacts{where}", query=query) == [f"{ARTIFACTS}artifacts{where}"]


# MLflow's older routes take them for what they are in capitals, and whoever looks for PUT does not.
@pytest.mark.parametrize("method", ["put", "Post", "gET"])
def test_a_method_in_small_letters_is_refused(method):
    assert answered("/", method=method) == [400, "INVALID_PARAMETER_VALUE"]


@pytest.mark.parametrize("path", ["/", "/ajax-api/3.0/jobs/search", "/a\r", "/a b", "/\u2028"])
def test_all_else_is_read_by_mlflow(path):
    assert answered(path) == [path]


@pytest.mark.parametrize("path", ["1/.a", "1/a.", "1/...", "a.b", "1/a/", "", "1/run/artifacts/.", "1/traces/t/./a"])
def test_other_dots_are_letters_of_a_name(path):
    assert answered(f"{ARTIFACTS}artifacts/{path}") == [f"{ARTIFACTS}artifacts/{path}"]
    assert answered(f"{ARTIFACTS}artifacts", query=f"path={path}&order=.".encode()) == [f"{ARTIFACTS}artifacts"]


def test_what_is_called_so_otherwise_is_none_of_these():
    assert answered("/api/3.0/mlflow/traces/./tags", query=b"path=.") == ["/api/3.0/mlflow/traces/./tags"]


def test_what_is_no_request_passes():
    assert answered(None, kind="lifespan") == [None]
