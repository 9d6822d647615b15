"""What a team with `genai: true` is for: the gateway, judges that people run, and judges on a schedule."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import time
import typing as t
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import language_model
import loopback
import mlflow_person
import project
import pytest
import servers
from mlflow_reader import V2, V3, Reader, reader_for

SERVE = project.ROOT / "roles" / "mlflow_server" / "files" / "mlflowctl" / "in_mlflow"
VENV = project.MLFLOW
PASSWORD = "the admin's own word"
ALICE, BOB, JUDGES = ("alice", "a word of alice's"), ("bob", "a word of bob's"), ("judges", "a word of nobody's")
GATEWAY = V3 + "gateway/"
INVOCATIONS = "/gateway/judge/mlflow/invocations"
CHAT = "/gateway/mlflow/v1/chat/completions"
QUESTION = [{"role": "user", "content": "is all well?"}]
# A minute until MLflow looks, and as much for a busy machine to load MLflow for a job.
PATIENCE = 600


class Place(t.NamedTuple):
    """A server as a team's unit runs it, what it asks, and who works with it."""

    reader: Reader
    provider: language_model.Provider
    person: mlflow_person.Person
    experiment: str
    process: int

    def asked(self, words: str) -> int:
        """How often the provider was asked something with these words in it."""
        return sum(words in json.dumps(body) for body in self.provider.asked)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One with jobs and gateway on, whose jobs find it at an address of its own."""
    home = tmp_path_factory.mktemp("genai") / "home"
    home.mkdir(mode=0o700)
    port = servers.free_port()
    address = f"127.77.{port >> 8}.{port & 255}"
    settings = servers.settings(home, PASSWORD, stock=False, auth_database="mlflow.db", gateway=True)
    settings |= {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true",
        "MLFLOW_HOST": address,
        "MLFLOW_PORT": str(port),
        "MLFLOW_WORKERS": "1",
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{address},{address}:*",
        "MLOPS_MLFLOW_JUDGES_AS": JUDGES[0],
        "RUNTIME_DIRECTORY": str(home),
        # The provider is this test, without TLS; and nobody waits for five minutes.
        "MLFLOW_GATEWAY_API_BASE_ALLOWED_SCHEMES": "http",
        "MLFLOW_ONLINE_SCORING_DEFAULT_TRACE_COMPLETION_BUFFER_SECONDS": "0",
    }
    command = [str(VENV / "bin" / "python"), str(SERVE), "serve", "server", "--app-name", "basic-auth"]
    uri = f"http://{address}:{port}"
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=home, env=settings, stdout=log, stderr=log, start_new_session=True)
    try:
        servers.wait_until_healthy(process, uri, home / "server.log")
        reader = reader_for(uri, PASSWORD, (3, 17))
        with (
            loopback.listening(language_model.Provider()) as provider,
            mlflow_person.working(VENV, uri, home) as person,
        ):
            yield Place(reader, provider, person, settled(reader, provider), process.pid)
    finally:
        servers.stop(process)


def settled(reader: Reader, provider: language_model.Provider) -> str:
    """Let alice and whom judges are use an endpoint, and alice and bob an experiment; give its number."""
    secret = {"secret_name": "key", "secret_value": {"api_key": language_model.KEY}, "provider": "openai"}
    made = reader.ask("POST", GATEWAY + "secrets/create", **secret, auth_config={"api_base": provider.uri})
    model = {"name": "judge", "secret_id": made["secret"]["secret_id"], "provider": "openai", "model_name": "gpt-4o"}
    made = reader.ask("POST", GATEWAY + "model-definitions/create", **model)
    number = made["model_definition"]["model_definition_id"]
    configs = [{"model_definition_id": number, "linkage_type": "PRIMARY", "weight": 1}]
    made = reader.ask("POST", GATEWAY + "endpoints/create", name="judge", model_configs=configs)
    endpoint, experiment = made["endpoint"]["endpoint_id"], reader.create_experiment("answers")
    for who in (ALICE, BOB, JUDGES):
        reader.create_user(*who)
    for name, kind, key, level in (
        (ALICE[0], "gateway_endpoint", endpoint, "USE"),
        (JUDGES[0], "gateway_endpoint", endpoint, "USE"),
        (ALICE[0], "experiment", experiment, "EDIT"),
        (BOB[0], "experiment", experiment, "EDIT"),
    ):
        grant = {"username": name, "resource_type": kind, "resource_id": key, "permission": level}
        reader.ask("POST", V3 + "users/permissions/grant", **grant)
    return experiment


def soon(look: Callable[[], t.Any]) -> t.Any:
    """What is there to be seen in the end."""
    end = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.5)
    return found


def test_whoever_was_granted_an_endpoint_asks_it(place: Place) -> None:
    before = len(place.provider.asked)
    answer = place.reader.ask("POST", INVOCATIONS, ALICE, messages=QUESTION)
    assert json.loads(answer["choices"][0]["message"]["content"]) == language_model.VERDICT
    assert place.reader.status("POST", CHAT, ALICE, model="judge", messages=QUESTION) == 200
    assert [body["model"] for body in place.provider.asked[before:]] == ["gpt-4o", "gpt-4o"]
    assert place.reader.status("POST", INVOCATIONS, BOB, messages=QUESTION) == 403
    assert place.reader.status("POST", CHAT, BOB, model="judge", messages=QUESTION) == 403
    assert place.reader.status("POST", INVOCATIONS, ("nobody", "at all"), messages=QUESTION) == 401
    assert len(place.provider.asked) == before + 2


def test_an_answer_comes_in_pieces_as_they_are_there(place: Place) -> None:
    place.provider.may_go_on.clear()
    data = json.dumps({"messages": QUESTION, "stream": True}).encode()
    request = urllib.request.Request(place.reader.uri + INVOCATIONS, data, {"Content-Type": "application/json"})  # noqa: S310 - a server of ours
    request.add_header("Authorization", "Basic " + base64.b64encode(":".join(ALICE).encode()).decode())
    with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310 - the same
        first = answer.readline()
        assert (b"first" in first, b"second" in first) == (True, False)
        # Not before: the provider waits for it.
        place.provider.may_go_on.set()
        assert b"second" in answer.read()


def ended(place: Place, who: tuple[str, str], job: str) -> dict[str, t.Any] | None:
    """A job of somebody's, once it has ended."""
    found = place.reader.ask("GET", f"/ajax-api/3.0/jobs/{job}", who)
    return found if found["status"] not in ("PENDING", "RUNNING") else None


def test_judges_score_for_those_who_may_ask_and_on_a_schedule(place: Place) -> None:
    question = {"question": "how far is the moon?", "answer": "384400 km"}
    trace = place.person.ask(ALICE, "trace", experiment_id=place.experiment, **question)
    assert isinstance(trace, str), trace
    judge = place.person.ask(ALICE, "judge", name="sound", endpoint="judge", experiment_id=place.experiment)
    assert isinstance(judge, str), judge
    # By hand, in the name of who does it: before the minute is over, or after it.
    invoke = {"experiment_id": place.experiment, "serialized_scorer": judge, "trace_ids": [trace]}
    results = {}
    for who in (ALICE, BOB):
        jobs = place.reader.ask("POST", "/ajax-api/3.0/mlflow/scorer/invoke", who, **invoke)["jobs"]
        job = jobs[0]["job_id"]
        others = BOB if who == ALICE else ALICE
        assert place.reader.status("GET", f"/ajax-api/3.0/jobs/{job}", others) == 403
        results[who[0]] = soon(lambda who=who, job=job: ended(place, who, job))["result"][trace]
    assert results["alice"]["failures"] == []
    assert [each["feedback"]["value"] for each in results["alice"]["assessments"]] == [True]
    (failure,) = results["bob"]["failures"]
    assert "403" in failure["error_message"] or "ermission denied" in failure["error_message"], failure
    # On a schedule, as whom the team has named for it.
    scored = soon(lambda: place.person.ask(ALICE, "scores", trace_id=trace))
    assert scored == [{"name": "sound", "value": True, "error": None}]
    assert place.asked("384400 km") == 2


def commands(session: int) -> list[list[str]]:
    """Return what the processes of a server run, by their session, which is the number of its first."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            words = stat.read_text().rpartition(")")[2].split()
            if int(words[3]) == session:
                found.append(stat.with_name("cmdline").read_text().split("\0"))
    return found


def test_what_takes_jobs_is_loaded_once(place: Place) -> None:
    running = commands(place.process)
    # The runner, one for each kind of job, and one for schedules.
    assert sum("job_runner" in command for command in running) >= 8
    assert [command for command in running if "huey.bin.huey_consumer" in command] == []


CODE = {
    "name": "mine",
    "call_source": "return open('/etc/passwd').read()",
    "call_signature": "(outputs)",
    "original_func_name": "mine",
    "mlflow_version": "3.17.2",
    "serialization_version": 1,
}


def test_code_of_peoples_own_is_refused_where_nothing_holds_it(place: Place) -> None:
    own = {"experiment_id": place.experiment, "name": "mine", "serialized_scorer": json.dumps(CODE)}
    with pytest.raises(urllib.error.HTTPError) as refused:
        place.reader.ask("POST", V3 + "scorers/register", ALICE, **own)
    with contextlib.closing(refused.value):
        assert (refused.value.code, b"MLFLOW_SERVER_ENABLE_CUSTOM_SCORERS" in refused.value.read()) == (400, True)


def test_nobody_begins_a_job_in_the_name_of_somebody_else(place: Place) -> None:
    params = {"experiment_id": place.experiment, "serialized_scorer": "{}", "trace_ids": [], "username": "admin"}
    job = {"job_name": "invoke_scorer", "params": params}
    assert place.reader.status("POST", "/ajax-api/3.0/jobs/", BOB, **job) == 403
    assert place.reader.status("POST", "/ajax-api/3.0/jobs", BOB, **job) == 403
    # MLflow's route takes it for the first.
    assert place.reader.status("POST", "/ajax-api/3.0/jobs/%0A", BOB, **job) == 400
    found = place.reader.ask("POST", "/ajax-api/3.0/jobs/search", BOB)["jobs"]
    assert not [each for each in found if each["params"].get("username") == "admin"]
    assert place.reader.status("GET", V2 + "users/current", BOB) == 200
