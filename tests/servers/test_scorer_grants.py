"""Nobody gets a grant on somebody else's scorer for a version, or takes those of others by deleting one."""

from __future__ import annotations

import base64
import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator

import as_unit
import project
import pytest
from mlflow_reader import V2, V3, Reader

ADMIN, ANN, EVE = "the admin's own word", ("ann", "a word of ann's"), ("eve", "a word of eve's")
APIS = ("api", "ajax-api")
SCORERS, REVOKE = V3 + "scorers/", V3 + "users/permissions/revoke"


@pytest.fixture(scope="module", params=[*project.between_mlflows(), project.MLFLOW.name, *project.next_mlflows()])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    home, venv = tmp_path_factory.mktemp("scorers") / "home", project.BUILD / request.param
    with as_unit.read(venv, home, ADMIN, ANN, EVE) as reader:
        yield reader


@pytest.fixture
def judge(reader: Reader) -> dict[str, str]:
    """A scorer of ann's in an experiment that eve may edit."""
    number = reader.ask("POST", V2 + "experiments/create", ANN, name=secrets.token_hex(8))["experiment_id"]
    reader.grant(EVE[0], "experiment", number, "EDIT")
    named = {"experiment_id": number, "name": "judge"}
    reader.ask("POST", SCORERS + "register", ANN, **named, serialized_scorer=json.dumps({"name": "ann's"}))
    return named


def may(reader: Reader, who: tuple[str, str], judge: dict[str, str]) -> bool:
    """Say whether somebody reads the first version."""
    return reader.status("GET", SCORERS + "get", who, **judge, version=1) == 200


def test_a_version_is_no_grant_on_the_scorer(reader: Reader, judge: dict[str, str]) -> None:
    more = {**judge, "serialized_scorer": json.dumps({"name": "eve's"})}
    assert (may(reader, ANN, judge), may(reader, EVE, judge)) == (True, False)
    assert reader.ask("POST", SCORERS + "register", EVE, **more)["version"] == 2
    assert not may(reader, EVE, judge)
    assert reader.status("DELETE", SCORERS + "delete", EVE, **judge, version=1) == 403
    # Nor is it more than the grant that there is; who makes one has all on it, as ever.
    reader.grant(EVE[0], "scorer", f"{judge['experiment_id']}/judge", "READ")
    assert reader.ask("POST", SCORERS + "register", EVE, **more)["version"] == 3
    assert may(reader, EVE, judge)
    assert reader.status("DELETE", SCORERS + "delete", EVE, **judge) == 403
    assert reader.ask("POST", SCORERS + "register", EVE, **{**more, "name": "hers"})["version"] == 1
    assert reader.status("DELETE", SCORERS + "delete", EVE, **{**judge, "name": "hers"}) == 200


def test_grants_go_with_the_scorer_alone(reader: Reader, judge: dict[str, str]) -> None:
    bob, zoe = ((secrets.token_hex(8), "a word of theirs") for _each in range(2))
    on, denies = f"{judge['experiment_id']}/judge", reader.version >= (3, 17)
    for who in (bob, zoe):
        reader.create_user(*who)
        reader.grant(who[0], "experiment", judge["experiment_id"], "READ")
    reader.grant(bob[0], "scorer", on, "READ")
    if denies:
        reader.grant(zoe[0], "scorer", "*", "READ")
        reader.grant(zoe[0], "scorer", on, "DENY")
    reader.ask("POST", SCORERS + "register", ANN, **judge, serialized_scorer=json.dumps({"name": "ann's"}))
    assert reader.status("DELETE", SCORERS + "delete", ANN, **judge, version=2) == 200
    assert [may(reader, who, judge) for who in (ANN, bob, zoe)] == [True, True, False]
    assert reader.status("DELETE", SCORERS + "delete", ANN, **judge) == 200
    reader.ask("POST", SCORERS + "register", EVE, **judge, serialized_scorer=json.dumps({"name": "eve's"}))
    assert [may(reader, who, judge) for who in (EVE, ANN, bob)] == [True, False, False]


@pytest.mark.parametrize("last", [{"version": 1}, {}])
def test_none_stays_for_the_next_of_its_name(reader: Reader, judge: dict[str, str], last: dict[str, int]) -> None:
    hers = {**judge, "name": "hers"}
    reader.grant(EVE[0], "scorer", "*", "MANAGE")
    try:
        reader.ask("POST", SCORERS + "register", EVE, **hers, serialized_scorer=json.dumps({"name": "eve's"}))
        # However the number of the experiment is written; up to 3.16 there is one way, also with a grant on all.
        spelt = {**hers, "experiment_id": f"0{hers['experiment_id']}", **last}
        assert reader.status("DELETE", SCORERS + "delete", EVE, **spelt) == 200
    finally:
        reader.ask("POST", REVOKE, username=EVE[0], resource_type="scorer", resource_id="*")
    reader.ask("POST", SCORERS + "register", ANN, **hers, serialized_scorer=json.dumps({"name": "ann's"}))
    assert (may(reader, ANN, hers), may(reader, EVE, hers)) == (True, False)


@pytest.mark.parametrize("version", [1.5, True, False, 2**40])
def test_what_is_no_version_is_not_all_of_them(reader: Reader, judge: dict[str, str], version: float) -> None:
    assert reader.status("DELETE", SCORERS + "delete", ANN, **judge, version=version) == 400
    assert may(reader, ANN, judge)


def test_who_names_it_in_a_text_keeps_nothing(reader: Reader, judge: dict[str, str]) -> None:
    hers = {**judge, "name": "hers"}
    reader.ask("POST", SCORERS + "register", EVE, **hers, serialized_scorer=json.dumps({"name": "eve's"}))
    request = urllib.request.Request(reader.uri + SCORERS + "delete", json.dumps(json.dumps(hers)).encode())  # noqa: S310 - a server of ours
    request.method = "DELETE"
    request.add_header("Authorization", "Basic " + base64.b64encode(":".join(EVE).encode()).decode())
    request.add_header("Content-Type", "application/json")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request, timeout=60)  # noqa: S310 - the same
    assert may(reader, EVE, hers)


def test_who_is_denied_a_scorer_runs_none_of_it(reader: Reader, judge: dict[str, str]) -> None:
    if reader.version < (3, 17):
        pytest.skip("before 3.17, nothing is denied")
    named, number = json.dumps({"name": judge["name"]}), {"experiment_id": judge["experiment_id"]}
    evaluation = {**number, "trace_ids": ["tr-1"], "serialized_scorers": [named], "scorer_versions": [1]}

    def answered() -> list[int]:
        asked = reader.status
        return [
            *(asked("PUT", f"/{api}/3.0/mlflow/scorers/online-config", EVE, **judge, sample_rate=0.0) for api in APIS),
            asked("POST", "/ajax-api/3.0/mlflow/genai/evaluate/invoke", EVE, **evaluation),
        ]

    # That there is no such trace is for who may.
    assert 403 not in answered()
    reader.grant(EVE[0], "scorer", f"{judge['experiment_id']}/{judge['name']}", "DENY")
    assert answered() == [403, 403, 403] or reader.version >= (3, 18)
    assert answered()[:2] == [403, 403]


def test_who_is_denied_a_scorer_reads_nothing_of_it(reader: Reader, judge: dict[str, str]) -> None:
    if reader.version < (3, 17):
        pytest.skip("before 3.17, nothing is denied")
    hers, number = {**judge, "name": "hers"}, judge["experiment_id"]
    reader.ask("POST", SCORERS + "register", ANN, **hers, serialized_scorer=json.dumps({"name": "ann's"}))
    found = reader.ask("GET", SCORERS + "list", ANN, experiment_id=number)["scorers"]
    ids = {it["scorer_name"]: it["scorer_id"] for it in found}
    for it in (judge, hers):
        reader.ask("PUT", SCORERS + "online-config", ANN, **it, sample_rate=0.0, filter_string="tags.of = 'ann'")

    def answered() -> list[int]:
        routes = [f"/{api}/3.0/mlflow/scorers/online-configs" for api in APIS]
        return [reader.status("GET", route, EVE, scorer_ids=it) for route in routes for it in ids.values()]

    assert answered() == [200] * 4
    reader.grant(EVE[0], "scorer", f"{number}/judge", "DENY")
    assert answered() == [403 if it == "judge" else 200 for it in ids] * 2
    assert reader.status("GET", SCORERS + "online-configs", ANN, scorer_ids=ids["judge"]) == 200
