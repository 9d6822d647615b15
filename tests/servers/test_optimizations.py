"""Nobody has a prompt or dataset of others read by optimizing it in an experiment of their own."""

from __future__ import annotations

import json
import secrets
import typing as t
from collections.abc import Iterator

import as_unit
import project
import pytest
from mlflow_reader import V2, V3, Reader

ADMIN, ANN, EVE = "the admin's own word", ("ann", "a word of ann's"), ("eve", "a word of eve's")
APIS = ("/api/3.0/mlflow/", "/ajax-api/3.0/mlflow/")
# There are no jobs on the server: who may is answered that, and who may not that they may not.
MAY, MAY_NOT = 500, 403
PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}


@pytest.fixture(scope="module", params=[*project.between_mlflows(), project.MLFLOW.name, *project.next_mlflows()])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    home, venv = tmp_path_factory.mktemp("optimizations") / "home", project.BUILD / request.param
    with as_unit.read(venv, home, ADMIN, ANN, EVE) as reader:
        yield reader


class Things(t.NamedTuple):
    """What somebody has."""

    experiment: str
    prompt: str
    dataset: str


def things(reader: Reader, who: tuple[str, str]) -> Things:
    ask, name = reader.ask, f"{who[0]}.{secrets.token_hex(8)}"
    number = ask("POST", V2 + "experiments/create", who, name=name)["experiment_id"]
    ask("POST", V2 + "registered-models/create", who, name=name, tags=[PROMPT])
    text = {"key": "mlflow.prompt.text", "value": f"{who[0]} says {{{{ it }}}}"}
    ask("POST", V2 + "model-versions/create", who, name=name, source="prompt-template", tags=[PROMPT, text])
    dataset = ask("POST", V3 + "datasets/create", who, name=name, experiment_ids=[number])["dataset"]["dataset_id"]
    records = json.dumps([{"inputs": {"asked": who[0]}, "expectations": {"answer": "none"}}])
    ask("POST", f"{V3}datasets/{dataset}/records", who, records=records)
    return Things(number, name, dataset)


def optimized(reader: Reader, api: str, number: str, prompt: str, dataset: str) -> int:
    """Let eve ask for it, and return how that is answered."""
    config = {"optimizer_type": "OPTIMIZER_TYPE_METAPROMPT", "dataset_id": dataset, "scorers": ["Correctness"]}
    config["optimizer_config_json"] = json.dumps({"reflection_model": "openai:/any"})
    words = {"experiment_id": number, "source_prompt_uri": prompt, "config": config}
    return reader.status("POST", api + "prompt-optimization/jobs", EVE, **words)


@pytest.mark.parametrize("api", APIS)
def test_what_is_optimized_is_ones_own(reader: Reader, api: str) -> None:
    hers, mine = things(reader, ANN), things(reader, EVE)
    asked = [
        optimized(reader, api, mine.experiment, prompt, dataset)
        for prompt, dataset in (
            (f"prompts:/{hers.prompt}/1", mine.dataset),
            (f"prompts:/{hers.prompt}@latest", ""),
            (hers.prompt, ""),
            ("prompts:/nobodys/1", mine.dataset),
            (f"prompts:/{mine.prompt}/1", hers.dataset),
            (f"prompts:/{mine.prompt}/1", "d-nobodys"),
        )
    ]
    assert asked == [MAY_NOT] * len(asked)
    runs = reader.ask("POST", V2 + "runs/search", EVE, experiment_ids=[mine.experiment])
    assert runs.get("runs", []) == []
    assert optimized(reader, api, mine.experiment, f"prompts:/{mine.prompt}/1", mine.dataset) == MAY
    assert optimized(reader, api, mine.experiment, mine.prompt, "") == MAY
    # What comes of it is a version of the prompt.
    for level, seen in (("READ", MAY_NOT), ("EDIT", MAY)):
        reader.grant(EVE[0], "prompt", hers.prompt, level)
        assert optimized(reader, api, mine.experiment, f"prompts:/{hers.prompt}/1", mine.dataset) == seen
        reader.ask(
            "POST", V3 + "users/permissions/revoke", username=EVE[0], resource_type="prompt", resource_id=hers.prompt
        )
    reader.grant(EVE[0], "experiment", hers.experiment, "READ")
    assert optimized(reader, api, mine.experiment, f"prompts:/{mine.prompt}/1", hers.dataset) == MAY


def test_no_other_prompt_is_meant(reader: Reader) -> None:
    hers, mine = things(reader, ANN), things(reader, EVE)
    for prompt in (
        f"prompts:///{hers.prompt}/1",
        f"prompts:/{mine.prompt}/../{hers.prompt}/1",
        f"prompts:/{hers.prompt[:3]}\n{hers.prompt[3:]}/1",
        f"prompts:/{hers.prompt}/1?{mine.prompt}",
        f"prompts:/{hers.prompt}#/1",
        f"prompts:/{hers.prompt}@a@b",
        f"PROMPTS:/{hers.prompt}/1",
        f" {hers.prompt}",
        f"models:/{hers.prompt}/1",
        f"{mine.prompt}@latest",
    ):
        assert optimized(reader, APIS[0], mine.experiment, prompt, "") in (400, MAY_NOT), prompt
