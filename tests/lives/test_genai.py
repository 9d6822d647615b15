"""A team comes to language models: judges ask its gateway, by hand and on a schedule, under its hardened unit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import language_model
import loopback
import mlflow_person
import project
import pytest
from e2e.stage import ALICE, Stage, example, soon
from lives import code_of_ones_own

pytestmark = pytest.mark.on_request

WHO = (ALICE["name"], ALICE["password"])
BOB = ("bob", "bob-try-out-only")
JUDGES = {"name": "judges", "password": "judges-try-out-only"}
SECONDS = 400
# The providers are this test's, on the network of the hosts and without TLS, and code of people's own is let in;
# nobody waits for five minutes, nor long for whom the unit cannot reach.
HERE = {
    "MLFLOW_GATEWAY_API_BASE_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_GATEWAY_API_BASE_ALLOWED_SCHEMES": "http",
    "MLFLOW_GATEWAY_ROUTE_TIMEOUT_SECONDS": "10",
    "MLFLOW_ONLINE_SCORING_DEFAULT_TRACE_COMPLETION_BUFFER_SECONDS": "0",
    "MLFLOW_SERVER_ENABLE_CUSTOM_SCORERS": "true",
}
# One that the host runs itself, for everybody but the unit.
PORT = 8001
SERVE = "import language_model as it; it.Provider('0.0.0.0', {}).serve_forever()"
REACH = "import socket; socket.create_connection(('{}', {}), 5)"
ASKED = {"messages": [{"role": "user", "content": "is all well?"}]}


class Place(NamedTuple):
    """The host, where the provider outside it is, and who works with the team."""

    host: Stage
    provider: language_model.Provider
    person: mlflow_person.Person
    experiment: str

    def asks(self, endpoint: str, who: tuple[str, str] = WHO) -> int:
        """Return the status that somebody's question to an endpoint is answered with."""
        return self.host.ask(5001, *who, f"/gateway/{endpoint}/mlflow/invocations", ASKED)

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """Return how the server answers Alice."""
        return dict(json.loads(self.host.answer(5001, *WHO, path, body)[1]))

    def journal(self) -> str:
        """Return what the server wrote last."""
        return self.host.sh("journalctl --no-pager -n 60 -u mlflow@vision")


def declared(host: Stage, provider: language_model.Provider, **changes: Any) -> dict[str, Any]:
    """Return the team with endpoints that Alice may ask, and judges; Bob may not."""
    team = example("vision", genai=True, judge_username=JUDGES["name"], environment=HERE, **changes)
    team["users"].append(JUDGES)
    team["listen_address"] = host.host.address
    grants = {ALICE["name"]: "USE", JUDGES["name"]: "USE"}
    places = {
        "judge": provider.uri,
        "loopback": f"http://127.0.0.1:{PORT}/v1",
        "beside": f"http://{host.host.address}:{PORT}/v1",
    }
    secret = {"provider": "openai", "values": {"api_key": language_model.KEY}}
    secrets = [{**secret, "name": name, "auth_config": {"api_base": uri}} for name, uri in places.items()]
    model = {"provider": "openai", "model": "gpt-4o"}
    endpoints = [{"name": name, "models": [{**model, "secret": name}], "grants": grants} for name in places]
    return {**team, "gateway_secrets": secrets, "gateway_endpoints": endpoints}


@pytest.fixture(scope="module")
def place(converged: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The team, with a provider outside the host, and one on it."""
    outside = re.findall(r"default via (\S+)", converged.sh("ip -4 route show default"))[0]
    converged.sh("cat > /root/language_model.py", Path(language_model.__file__).read_text())
    unit = "systemd-run --quiet --collect --unit=provider --working-directory=/root"
    converged.sh(f'{unit} python3 -c "{SERVE.format(PORT)}"')
    home = tmp_path_factory.mktemp("genai")
    with loopback.listening(language_model.Provider(outside)) as provider:
        run = converged.play("site", mlflow_team_vision=declared(converged, provider))
        assert run.code == 0, run.output[-5000:]
        by_name = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=resnet"
        number = json.loads(converged.answer(5001, *WHO, by_name)[1])["experiment"]["experiment_id"]
        with mlflow_person.working(project.MLFLOW, converged.url(5001), home) as person:
            yield Place(converged, provider, person, number)
    converged.sh("systemctl stop provider; rm -r /root/language_model.py /root/__pycache__")


def test_who_was_granted_an_endpoint_asks_it_and_the_unit_reaches_what_it_may(place: Place) -> None:
    assert [place.asks("judge", who) for who in (WHO, BOB)] == [200, 403]
    # Root finds the other one wherever it is asked for; the team's server on no loopback but its own.
    for address in ("127.0.0.1", place.host.host.address):
        place.host.sh(f'python3 -c "{REACH.format(address, PORT)}"')
    assert (place.asks("beside"), place.asks("loopback") >= 500) == (200, True), place.journal()


def test_judges_score_under_the_hardened_unit(place: Place) -> None:
    words = {"question": "how far?", "answer": "384400 km"}
    trace = place.person.ask(WHO, "trace", experiment_id=place.experiment, **words)
    assert isinstance(trace, str), trace
    judge = place.person.ask(WHO, "judge", name="sound", endpoint="judge", experiment_id=place.experiment)
    assert isinstance(judge, str), judge
    scored: list[Any] = []

    def is_scored() -> bool:
        scored[:] = place.person.ask(WHO, "scores", trace_id=trace)
        return bool(scored)

    assert soon(is_scored, SECONDS), place.journal()
    assert scored == [{"name": "sound", "value": True, "error": None}]
    # Nothing of it is to be seen of others, and the unit is the one that it was.
    assert place.host.leaks(language_model.KEY, JUDGES["password"]) == []
    exposure = place.host.sh("systemd-analyze security --no-pager mlflow@vision.service")
    assert float(exposure.rsplit("Overall exposure level", 1)[1].split(":")[1].split()[0]) <= 1.1


def test_code_of_peoples_own_gets_no_further_than_the_team(place: Place) -> None:
    provider = [place.provider.address, place.provider.server_port]
    tries = {
        ("read", "/var/lib/mlflow/vision/mlflow.db"): True,
        ("connect", tuple(provider)): True,
        ("read", "/etc/shadow"): False,
        ("read", "/var/lib/mlflow/nlp/mlflow.db"): False,
        ("read", "/etc/mlflow/vision/kept_secrets.json"): False,
        ("write", "/etc/mlflow/vision/x"): False,
        ("write", "/usr/local/x"): False,
        ("connect", ("127.0.0.1", PORT)): False,
        ("connect", ("127.0.0.1", 5002)): False,
        ("execute", 4096): False,
    }
    question = json.dumps(list(tries))
    trace = place.person.ask(WHO, "trace", experiment_id=place.experiment, question=question, answer="none")
    assert isinstance(trace, str), trace
    code = code_of_ones_own.serialized()
    invoke = {"experiment_id": place.experiment, "serialized_scorer": code, "trace_ids": [trace]}
    begun = place.post("/ajax-api/3.0/mlflow/scorer/invoke", **invoke)
    assert "jobs" in begun, begun
    job: dict[str, Any] = {}

    def is_done() -> bool:
        path = f"/ajax-api/3.0/jobs/{begun['jobs'][0]['job_id']}"
        job.update(json.loads(place.host.answer(5001, *WHO, path)[1]))
        return job["status"] not in ("PENDING", "RUNNING")

    assert soon(is_done, SECONDS), place.journal()
    result = job["result"][trace]
    assert result["failures"] == [], result
    found = json.loads(result["assessments"][0]["feedback"]["value"])
    assert {each: word == "done" for each, word in zip(tries, found, strict=True)} == tries, found


def test_with_networks_named_the_unit_reaches_those_alone(place: Place) -> None:
    networks = [place.provider.address, "localhost"]
    team = declared(place.host, place.provider, allowed_networks=networks)
    run = place.host.play("site", mlflow_team_vision=team)
    assert run.code == 0, run.output[-5000:]
    assert [place.asks(endpoint) for endpoint in ("judge", "loopback")] == [200, 200], place.journal()
    assert place.asks("beside") >= 500
