"""A team comes to language models: judges ask its gateway, by hand and on a schedule, under its hardened unit."""

from __future__ import annotations

import json
import re
from typing import Any

import language_model
import loopback
import mlflow_person
import project
import pytest
from e2e.stage import ALICE, Stage, example, soon

pytestmark = pytest.mark.on_request

BOB = ("bob", "bob-try-out-only")
JUDGES = {"name": "judges", "password": "judges-try-out-only"}
SECONDS = 400
# The provider is this test, on the network of the hosts and without TLS; and nobody waits for five minutes.
HERE = {
    "MLFLOW_GATEWAY_API_BASE_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_GATEWAY_API_BASE_ALLOWED_SCHEMES": "http",
    "MLFLOW_ONLINE_SCORING_DEFAULT_TRACE_COMPLETION_BUFFER_SECONDS": "0",
}


def declared(stage: Stage, provider: language_model.Provider) -> dict[str, Any]:
    """Return the team with an endpoint that Alice may ask, and judges; Bob may not."""
    team = example("vision", genai=True, judge_username=JUDGES["name"], environment=HERE)
    team["users"].append(JUDGES)
    team["listen_address"] = stage.host.address
    values = {"api_key": language_model.KEY}
    secret = {"name": "key", "provider": "openai", "values": values, "auth_config": {"api_base": provider.uri}}
    model = {"provider": "openai", "model": "gpt-4o", "secret": "key"}
    grants = {ALICE["name"]: "USE", JUDGES["name"]: "USE"}
    endpoint = {"name": "judge", "models": [model], "grants": grants}
    return {**team, "gateway_secrets": [secret], "gateway_endpoints": [endpoint]}


def test_judges_score_under_the_hardened_unit(converged: Stage, tmp_path: Any) -> None:
    gateway = re.findall(r"default via (\S+)", converged.sh("ip -4 route show default"))[0]
    alice = (ALICE["name"], ALICE["password"])
    with loopback.listening(language_model.Provider(gateway)) as provider:
        run = converged.play("site", mlflow_team_vision=declared(converged, provider))
        assert run.code == 0, run.output[-5000:]
        url = converged.url(5001)
        number = json.loads(
            converged.answer(5001, *alice, "/api/2.0/mlflow/experiments/get-by-name?experiment_name=resnet")[1]
        )["experiment"]["experiment_id"]
        asked = {"messages": [{"role": "user", "content": "is all well?"}]}
        answers = [converged.ask(5001, *who, "/gateway/judge/mlflow/invocations", asked) for who in (alice, BOB)]
        assert answers == [200, 403]
        with mlflow_person.working(project.MLFLOW, url, tmp_path) as person:
            trace = person.ask(alice, "trace", experiment_id=number, question="how far?", answer="384400 km")
            assert isinstance(trace, str), trace
            judge = person.ask(alice, "judge", name="sound", endpoint="judge", experiment_id=number)
            assert isinstance(judge, str), judge
            scored: list[Any] = []

            def is_scored() -> bool:
                scored[:] = person.ask(alice, "scores", trace_id=trace)
                return bool(scored)

            assert soon(is_scored, SECONDS), converged.sh("journalctl --no-pager -n 60 -u mlflow@vision")
        assert scored == [{"name": "sound", "value": True, "error": None}]
    # Nothing of it is to be seen of others, and the unit is the one that it was.
    assert converged.leaks(language_model.KEY, JUDGES["password"]) == []
    exposure = converged.sh("systemd-analyze security --no-pager mlflow@vision.service")
    assert float(exposure.rsplit("Overall exposure level", 1)[1].split(":")[1].split()[0]) <= 1.1
