"""No endpoint of the gateway leaves its traces where its maker may not edit."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import as_unit
import project
import pytest
from mlflow_reader import V2, Reader
from mlflow_things import GATEWAY

ADMIN, ANN, EVE = "the admin's own word", ("ann", "a word of ann's"), ("eve", "a word of eve's")
ENDPOINTS = GATEWAY + "endpoints/"


@pytest.fixture(scope="module", params=[*project.between_mlflows(), project.MLFLOW.name, *project.next_mlflows()])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    home, venv = tmp_path_factory.mktemp("traced") / "home", project.BUILD / request.param
    with as_unit.read(venv, home, ADMIN, gateway=True) as reader:
        yield reader


def test_traces_go_where_their_maker_may_edit(reader: Reader) -> None:
    for who in (ANN, EVE):
        reader.create_user(*who)
    hers, mine = (
        reader.ask("POST", V2 + "experiments/create", who, name=who[0])["experiment_id"] for who in (ANN, EVE)
    )
    secret = {"secret_name": "key", "secret_value": {"api_key": "x"}, "provider": "openai"}
    key = reader.ask("POST", GATEWAY + "secrets/create", EVE, **secret)["secret"]["secret_id"]
    model = {"name": "gpt", "secret_id": key, "provider": "openai", "model_name": "gpt-4"}
    made = reader.ask("POST", GATEWAY + "model-definitions/create", EVE, **model)["model_definition"]
    configs = [{"model_definition_id": made["model_definition_id"], "linkage_type": "PRIMARY", "weight": 1}]
    named: dict[str, t.Any] = {"model_configs": configs, "usage_tracking": True}

    def answered(what: str, **more: t.Any) -> int:
        return reader.status("POST", ENDPOINTS + what, EVE, **more)

    assert answered("create", name="evil", **named, experiment_id=hers) == 403
    reader.grant(EVE[0], "experiment", hers, "READ")
    assert answered("create", name="evil", **named, experiment_id=hers) == 403
    assert answered("create", name="hers", **named, experiment_id=mine) == 200
    # Without one, it makes one of its own.
    endpoint = reader.ask("POST", ENDPOINTS + "create", EVE, name="quiet", **named)["endpoint"]
    number = {"endpoint_id": endpoint["endpoint_id"]}
    assert answered("update", **number, experiment_id=hers) == 403
    assert answered("update", **number, experiment_id=endpoint["experiment_id"], name="loud") == 200
    assert answered("update", **number, experiment_id=mine) == 200
    assert reader.status("POST", ENDPOINTS + "update", **number, experiment_id=hers) == 200


def test_nobody_waits_for_an_endpoint_with_an_experiment_of_its_name(reader: Reader) -> None:
    zoe = "zoe", "a word of zoe's"
    reader.create_user(*zoe)

    def answered(what: str, who: tuple[str, str] | None = zoe, **values: str) -> int:
        return reader.status("POST", V2 + f"experiments/{what}", who, **values)

    number = reader.ask("POST", V2 + "experiments/create", zoe, name="hers")["experiment_id"]
    assert answered("create", name="gateway/judge") == 403
    assert answered("update", experiment_id=number, new_name="gateway/judge") == 403
    assert answered("update", experiment_id=number, new_name="the gateway/judge") == 200
    secret = {"secret_name": "another", "secret_value": {"api_key": "x"}, "provider": "openai"}
    key = reader.ask("POST", GATEWAY + "secrets/create", zoe, **secret)["secret"]["secret_id"]
    model = {"name": "another", "secret_id": key, "provider": "openai", "model_name": "gpt-4"}
    made = reader.ask("POST", GATEWAY + "model-definitions/create", zoe, **model)["model_definition"]
    configs = [{"model_definition_id": made["model_definition_id"], "linkage_type": "PRIMARY", "weight": 1}]
    named: dict[str, t.Any] = {"name": "judge", "model_configs": configs, "usage_tracking": True}
    endpoint = reader.ask("POST", ENDPOINTS + "create", zoe, **named)["endpoint"]
    found = reader.ask("GET", V2 + "experiments/get", experiment_id=endpoint["experiment_id"])["experiment"]
    assert found["name"] == "gateway/judge"
    # What is there is there, and admins name things as they like.
    assert answered("create", name="gateway/judge") == 400
    assert answered("create", None, name="gateway/admins") == 200
