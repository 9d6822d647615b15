"""Who did what in a team's server: a line for what changes something, and nothing in it that is nobody's business."""

import asyncio
import base64
import contextlib
import json
import socket

import pytest
from mlflowctl.in_mlflow import asking, audit


class Lines(list):
    def names(self):
        return [(line["route"], line["resource"]) for line in self]


def basic(name, password):
    return b"Basic " + base64.b64encode(f"{name}:{password}".encode())


@pytest.fixture
def ask():
    """Ask an application that answers as it is told, and finds people to be who they say."""
    lines = Lines()

    def ask(method, path, body="", status=200, query="", user="alice", says="{}", headers=(), proxied=True):
        async def app(scope, receive, send):
            while (await receive()).get("more_body"):
                pass
            if user and status != 401:
                person = type("Person", (), {"username": user})
                asking.learns(lambda: person)()
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": says.encode()})

        parts = [body.encode()[at : at + 1000] for at in range(0, len(body), 1000)] or [b""]
        messages = [{"type": "http.request", "body": it, "more_body": True} for it in parts[:-1]]
        messages.append({"type": "http.request", "body": parts[-1], "more_body": False})

        async def receive():
            return messages.pop(0)

        async def send(_message):
            pass

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"authorization", basic("alice", "s3cret")), *headers],
        }
        watched = getattr(ask, "watched", None) or audit.Audit(app, "vision", proxied, lines.append)
        watched.app, watched.proxied = app, proxied
        ask.watched = watched
        asyncio.run(watched(scope, receive, send))
        return lines

    return ask


API = "/api/2.0/mlflow/"


@pytest.mark.parametrize(
    ("method", "path", "body", "route", "things"),
    [
        ("POST", "experiments/delete", '{"experiment_id": "3"}', "experiments/delete", {"experiment_id": "3"}),
        ("POST", "runs/search", "{}", None, None),
        ("POST", "experiments/search-datasets", "{}", None, None),
        ("POST", "registered-models/get-latest-versions", "{}", None, None),
        ("GET", "experiments/get", "", None, None),
        ("POST", "review-queues/get-or-create-user", "{}", "review-queues/get-or-create-user", {}),
        ("DELETE", "logged-models/m-12ab", "", "logged-models/ID", {"id": "m-12ab"}),
        ("PATCH", "logged-models/m-12ab/tags", "{}", "logged-models/ID/tags", {"id": "m-12ab"}),
        ("GET", "logged-models/m-12ab/artifacts/files", "", "logged-models/ID/artifacts/files", {"id": "m-12ab"}),
        ("POST", "artifacts/presigned-download-url", "{}", "artifacts/presigned-download-url", {}),
        (
            "POST",
            "users/create",
            '{"username": "bob", "password": "s3cret", "token": "s3cret"}',
            "users/create",
            {"username": "bob"},
        ),
    ],
)
def test_what_changes_something_or_reads_an_artifact_is_a_line(ask, method, path, body, route, things):
    for prefix in (API, "/ajax-api/3.0/mlflow/", "/some/where/api/2.0/mlflow/"):
        lines = ask(method, prefix + path, body)
        assert lines.names() == ([] if route is None else [(route, things)])
        assert "s3cret" not in json.dumps(lines)
        lines.clear()


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("GET", "mlflow-artifacts/artifacts"),
        ("PUT", "mlflow-artifacts/artifacts"),
        ("DELETE", "mlflow-artifacts/artifacts"),
        ("POST", "mlflow-artifacts/mpu/complete"),
        ("GET", "mlflow-artifacts/presigned"),
    ],
)
def test_an_artifact_is_named_whatever_it_is_called(ask, method, route):
    lines = ask(method, f"/api/2.0/{route}/1/run/runs/search", "a file")
    assert lines.names() == [(route, {"path": "1/run/runs/search"})]


def test_a_line_says_who_asked_from_where_and_what_came_of_it(ask):
    (line,) = ask(
        "POST",
        API + "runs/create",
        '{"experiment_id": "1"}',
        says='{"run": {"info": {"run_id": "ab12"}, "data": {}}}',
        headers=[(b"x-forwarded-for", b"192.0.2.7"), (b"user-agent", b"mlops.mlflow")],
    )
    assert {key: line[key] for key in ("team", "user", "address", "method", "status", "agent")} == {
        "team": "vision",
        "user": "alice",
        "address": "192.0.2.7",
        "method": "POST",
        "status": 200,
        "agent": "mlops.mlflow",
    }
    assert line["resource"] == {"run_id": "ab12", "experiment_id": "1"}
    assert isinstance(line["ms"], int)


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ('{"experimentId": "3"}', ""),
        (json.dumps('{"experiment_id": "3"}'), ""),
        ('{"experiment_id": "3"}', "experiment_id=4&name=other"),
    ],
)
def test_nobody_hides_what_is_deleted_by_saying_it_otherwise(ask, body, query):
    """MLflow reads names of both kinds, JSON within JSON, and no query where there is a body."""
    (line,) = ask("POST", API + "experiments/delete", body, query=query)
    assert line["resource"] == {"experiment_id": "3"}


def test_where_two_are_said_both_are_told(ask):
    (line,) = ask("POST", API + "experiments/delete", '{"experiment_id": "3", "experimentId": "4"}')
    assert line["resource"] == {"experiment_id": ["3", "4"]}


def test_what_is_deleted_by_the_query_is_told_whatever_the_body_says(ask):
    """With a body that is not said to be JSON, MLflow reads the query."""
    plain = [(b"content-type", b"text/plain")]
    body = '{"username": "bob", "name": "x"}'
    (line,) = ask("DELETE", API + "users/delete", body, query="username=alice&role_id=3", headers=plain)
    assert line["resource"] == {"username": ["bob", "alice"], "name": "x", "role_id": "3"}
    (line,) = ask("DELETE", API + "users/delete", '{"username": {"a": 1}}', query="username=eve", headers=plain)[1:]
    assert line["resource"] == {"username": ["{}", "eve"]}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        # MLflow calls int() for it.
        (5.9, "5.9"),
        (True, "True"),
        (list(range(12)), [*map(str, range(10)), "and 2 more"]),
        ({"a": "s3cret"}, "{}"),
        ([["s3cret"], {"a": "s3cret"}], ["{}", "{}"]),
    ],
)
def test_nobody_hides_what_a_grant_is_about_by_its_kind(ask, said, told):
    (line,) = ask("POST", API + "roles/delete", json.dumps({"role_id": said, "user_id": None}))
    assert line["resource"] == {"role_id": told}


def test_what_was_made_is_what_the_server_says(ask):
    body = '{"name": "mine", "experiment_id": "3"}'
    (line,) = ask("POST", API + "experiments/create", body, query="name=a", says='{"experiment_id": "7"}')
    assert line["resource"] == {"name": "mine", "experiment_id": "7"}


def test_an_upload_of_the_browser_is_named_by_its_query_whatever_is_in_it(ask):
    path = "/ajax-api/2.0/mlflow/upload-artifact"
    (line,) = ask("POST", path, '{"path": "b"}', query="run_uuid=ab12&path=a.json")
    assert line["resource"] == {"run_uuid": "ab12", "path": "a.json"}


@pytest.mark.parametrize("body", ["", '{"experiment_id": "4", "run_id": "other", "name": "x"}'])
def test_traces_are_told_with_where_they_went(ask, body):
    """OpenTelemetry has it in the head of a request, and MLflow deep in the body."""
    where = [(b"x-mlflow-experiment-id", b"3"), (b"x-mlflow-experiment-id", b"4"), (b"x-mlflow-run-id", b"ab12")]
    told = ask("POST", "/v1/traces", body, headers=where).pop()["resource"]
    assert (told["experiment_id"], told["run_id"]) == ("3", "ab12")
    assert ask("POST", "/v1/traces", headers=where[:1]).pop()["resource"] == {"experiment_id": "3"}


@pytest.mark.parametrize("place", ["trace_location", "traceLocation"])
def test_a_trace_that_is_begun_is_told_with_its_experiment(ask, place):
    info = {place: {"mlflow_experiment": {"experiment_id": "3"}}, "trace_id": "tr-12"}
    lines = ask("POST", "/api/3.0/mlflow/traces", json.dumps({"trace": {"trace_info": info}}))
    assert lines.names() == [("traces", {"experiment_id": "3"})]
    for body in ('{"trace": []}', '{"trace": {"trace_info": {"trace_location": 3}}}'):
        assert ask("POST", "/api/3.0/mlflow/traces", body).names()[-1] == ("traces", {})


def test_a_page_that_makes_a_user_says_whom(ask):
    form = [(b"content-type", b"application/x-www-form-urlencoded")]
    lines = ask("POST", API + "users/create-ui", "username=bob&password=s3cret&csrf_token=s3cret", headers=form)
    assert lines.names() == [("users/create-ui", {"username": "bob"})]


def test_which_file_of_a_logged_model_was_read_is_told(ask):
    lines = ask("GET", API + "logged-models/m-12ab/artifacts/files", query="artifact_file_path=model/weights.pt")
    assert lines.pop()["resource"] == {"id": "m-12ab", "artifact_file_path": "model/weights.pt"}


def test_where_others_reach_the_port_an_address_is_only_claimed(ask):
    headers = [(b"x-forwarded-for", b"192.0.2.7")]
    (line,) = ask("POST", API + "runs/delete", "{}", headers=headers, proxied=False)
    assert "address" not in line
    assert line["claimed_address"] == "192.0.2.7"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_is_refused_is_told_once_and_then_counted(ask, method):
    for _time in range(3):
        lines = ask(method, API + "experiments/search", status=401)
    (line,) = lines
    assert (line["user"], line["claimed_user"], line["status"]) == (None, "alice", 401)
    ask.watched.strangers.settle(end=True)
    assert [it.get("count") for it in lines] == [None, 2]
    assert ask("GET", API + "runs/get", status=403)[-1]["user"] == "alice"


@pytest.mark.parametrize("status", [200, 400, 401, 404, 405, None])
def test_strangers_fill_no_journal_whatever_they_say_to_be_and_ask_for(ask, status):
    for number in range(3 * audit.STRANGERS):
        headers = [(b"x-forwarded-for", str(number).encode())]
        lines = ask("POST", f"/{number}", status=status, user=None, headers=headers, proxied=False)
    assert len(lines) == audit.STRANGERS + 1
    # Who has a log-in is told of nevertheless.
    assert ask("POST", API + "runs/delete", "{}")[-1]["route"] == "runs/delete"
    ask.watched.strangers.settle(end=True)
    assert len(lines) == audit.STRANGERS + 3
    assert (lines[-1]["route"], lines[-1]["status"], lines[-1]["count"]) == ("others", status, 2 * audit.STRANGERS - 1)


def test_what_people_are_refused_fills_no_journal_either(ask):
    """Who wants a line to be dropped would only have to make journald drop all that there are."""
    for number in range(2 * audit.REFUSED):
        lines = ask("GET", f"{API}logged-models/m-{number}/artifacts/files", status=403)
    assert len(lines) == audit.REFUSED + 1
    assert {line["user"] for line in lines} == {"alice"}
    assert ask("POST", API + "runs/delete", "{}")[-1]["route"] == "runs/delete"
    ask.watched.refused.settle(end=True)
    assert (lines[-1]["route"], lines[-1]["user"], lines[-1]["count"]) == ("others", "alice", audit.REFUSED - 1)


def test_what_training_says_all_the_time_is_summed_up_by_the_minute():
    now, lines = [0.0], Lines()
    repeated = audit.Repeated(lines.append, lambda: now[0])
    for number in range(100):
        repeated.tell({"time": number, "ms": number, "route": "runs/log-metric", "resource": {"run_id": "a"}})
    repeated.tell({"time": 0, "ms": 1, "route": "runs/log-metric", "resource": {"run_id": "b"}})
    assert len(lines) == 2
    now[0] = 60.0
    repeated.settle()
    assert [(line["resource"]["run_id"], line.get("count")) for line in lines] == [("a", None), ("b", None), ("a", 99)]
    for number in range(3 * audit.REMEMBERED):
        repeated.tell({"route": str(number)})
    assert len(repeated.known) == audit.REMEMBERED


@pytest.mark.parametrize(
    "body",
    [
        '{"experiment_id": "3"}' + " " * (1 << 21),
        '{"experiment_id": ' + "[" * 100_000,
        '{"experiment_id": {"a": 1}, "name": [["a"]]}',
        '["experiment_id"]',
        "\xff",
        '{"experiment_id": 1e999}',
    ],
)
def test_no_body_ends_a_request_or_hides_that_it_was(ask, body):
    (line,) = ask("POST", API + "experiments/delete", body)
    assert line["route"] == "experiments/delete"
    assert ("unread_bytes" in line["resource"]) is (len(body) > 1 << 20)


def test_a_line_is_one_whatever_things_are_called(ask, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(tmp_path / "socket"))
        name = "a\nPRIORITY=0\n\x1b[31m\u202e\ud800" + "x" * 1000
        (line,) = ask("POST", API + "experiments/create", json.dumps({"name": name}))
        with contextlib.closing(audit.Journal(str(tmp_path / "socket"))) as journal:
            journal.write(line)
        fields = journald.recv(65536).decode("ascii").splitlines()
    assert fields[:3] == ["SYSLOG_IDENTIFIER=mlflow-audit", "PRIORITY=6", f"MLFLOW_STATUS={line['status']}"]
    assert json.loads(fields[3].removeprefix("MESSAGE="))["resource"]["name"] == name[:250]
    assert len(fields) == 4


def test_nobody_waits_for_the_journal(tmp_path):
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald,
        contextlib.closing(audit.Journal(str(tmp_path / "socket"))) as journal,
    ):
        journal.write({"number": 1})
        journald.bind(str(tmp_path / "socket"))
        number = 1
        while journal.missed < 5:
            number += 1
            journal.write({"number": number, "long": "x" * 1000})
        while journal.missed:
            journald.recv(65536)
            journal.write({"number": 0})
        journald.setblocking(False)
        said = []
        with contextlib.suppress(BlockingIOError):
            while True:
                said.append(journald.recv(65536).decode())
    assert '"missed": 5' in said[-1]
