"""Nobody takes away what somebody is denied by making a prompt of a model, or a model of a prompt."""

from __future__ import annotations

import secrets
import typing as t
from collections.abc import Iterator

import as_unit
import mlflow_person
import project
import pytest
import servers
from mlflow_person import Person
from mlflow_reader import V2, V3, Reader, reader_for

ADMIN = "the admin's own word"
ANN, BOB, EVE = ("ann", "a word of ann's"), ("bob", "a word of bob's"), ("eve", "a word of eve's")
MARK = "mlflow.prompt.is_prompt"
KINDS = ("registered_model", "prompt")


@pytest.fixture(scope="module", params=[*project.between_mlflows(), project.MLFLOW.name, *project.next_mlflows()])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Reader, Person]]:
    """A server where ann, of a group, and bob read all models and prompts."""
    home, venv = tmp_path_factory.mktemp("marks") / "home", project.BUILD / request.param
    home.mkdir(mode=0o700)
    with as_unit.serving(venv, home, ADMIN) as uri, mlflow_person.working(venv, uri, home) as person:
        numbers = [int(part) for part in servers.version_of(venv).split(".")]
        reader = reader_for(uri, ADMIN, (numbers[0], numbers[1]))
        for who in (ANN, BOB, EVE):
            reader.create_user(*who)
        role = reader.ask("POST", V3 + "roles/create", name="readers", workspace="default")["role"]["id"]
        reader.ask("POST", V3 + "roles/assign", role_id=role, username=ANN[0])
        for kind in KINDS:
            give(reader, kind, "*", "READ")
        yield reader, person


@pytest.fixture
def reader(served: tuple[Reader, Person]) -> Reader:
    return served[0]


def give(reader: Reader, kind: str, name: str, level: str) -> None:
    """Give a group and bob a level."""
    role = reader.role("readers")
    row = {"resource_type": kind, "resource_pattern": name, "permission": level}
    reader.ask("POST", V3 + "roles/permissions/add", role_id=role and role["id"], **row)
    reader.grant(BOB[0], kind, name, level)


def marked(kind: str) -> list[dict[str, str]]:
    """The tags of what is of a kind."""
    return [{"key": MARK, "value": "true"}] if kind == "prompt" else []


def version(kind: str) -> dict[str, t.Any]:
    """A version of what is of a kind, with the source that MLflow wants."""
    return {"tags": marked(kind), "source": {"prompt": "prompt-template"}.get(kind, "s3://nothing/here")}


def denied(reader: Reader, kind: str, name: str) -> None:
    """Let eve make something with a version, of which nobody else knows anything."""
    if reader.version < (3, 17):
        pytest.skip("before 3.17, nothing is denied")
    reader.ask("POST", V2 + "registered-models/create", EVE, name=name, tags=marked(kind))
    reader.ask("POST", V2 + "model-versions/create", EVE, name=name, **version(kind))
    give(reader, kind, name, "DENY")


def known(reader: Reader, name: str) -> list[str]:
    """By which ways whoever is denied it comes to know of it."""
    found = []
    for who in (ANN, BOB):
        found += [
            f"{who[0]}: {route}"
            for route, more in (("registered-models/get", {}), ("model-versions/get", {"version": "1"}))
            if reader.status("GET", V2 + route, who, name=name, **more) != 403
        ]
        # It lists models, or prompts where it is asked for these.
        for route, wanted in (
            (route, wanted)
            for route in ("registered-models", "model-versions")
            for wanted in ("", f"tag.`{MARK}` = 'true'")
        ):
            answer = reader.ask("GET", f"{V2}{route}/search", who, filter=wanted)
            things = answer.get(route.replace("-", "_"), [])
            found += [f"{who[0]}: {route}/search {wanted}" for thing in things if thing["name"] == name]
    return found


# By what a thing or its version would be of the other kind.
CHANGES = [
    ("registered_model", "POST", "registered-models/set-tag", {"value": "true"}),
    ("registered_model", "POST", "model-versions/set-tag", {"version": "1", "value": "TRUE"}),
    ("prompt", "POST", "registered-models/set-tag", {"value": "false"}),
    ("prompt", "DELETE", "registered-models/delete-tag", {}),
    ("prompt", "POST", "model-versions/set-tag", {"version": "1", "value": ""}),
    ("prompt", "DELETE", "model-versions/delete-tag", {"version": "1"}),
]


@pytest.mark.parametrize("api", ["/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/"])
@pytest.mark.parametrize(("kind", "method", "route", "more"), CHANGES)
def test_what_is_denied_stays_of_its_kind(
    reader: Reader, kind: str, method: str, route: str, more: dict[str, str], api: str
) -> None:
    name = secrets.token_hex(8)
    denied(reader, kind, name)
    assert known(reader, name) == []
    status = reader.status(method, api + route, EVE, name=name, key=MARK, **more)
    assert (status, known(reader, name)) == (403, [])


@pytest.mark.parametrize("kind", KINDS)
def test_a_version_is_of_the_kind_of_its_thing(reader: Reader, kind: str) -> None:
    name = secrets.token_hex(8)
    denied(reader, kind, name)
    other = next(it for it in KINDS if it != kind)
    status = reader.status("POST", V2 + "model-versions/create", EVE, name=name, **version(other))
    assert (status, known(reader, name)) == (403, [])


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_may_do_more_with_a_thing_by_making_it_another(reader: Reader, kind: str) -> None:
    name, zoe = secrets.token_hex(8), (secrets.token_hex(8), "a word of zoe's")
    reader.create_user(*zoe)
    reader.ask("POST", V2 + "registered-models/create", EVE, name=name, tags=marked(kind))
    reader.grant(zoe[0], kind, name, "EDIT")
    reader.grant(zoe[0], next(it for it in KINDS if it != kind), "*", "MANAGE")

    def changed(who: tuple[str, str] | None, value: str) -> int:
        return reader.status("POST", V2 + "registered-models/set-tag", who, name=name, key=MARK, value=value)

    was, would = ("true", "false") if kind == "prompt" else ("false", "true")
    # What it is already it may be called.
    assert [changed(zoe, value) for value in (was, would)] == [200, 403]
    assert reader.status("DELETE", V2 + "registered-models/delete", zoe, name=name) == 403
    assert changed(None, would) == 200
    assert reader.status("DELETE", V2 + "registered-models/delete", zoe, name=name) == 200


def test_mlflows_client_registers_prompts_as_ever(served: tuple[Reader, Person]) -> None:
    reader, person = served
    name = secrets.token_hex(8)
    assert [person.registers(EVE, name, text) for text in ("To {{ whom }}", "For {{ whom }}")] == [1, 2]
    for kind, tag in (
        ("registered-models", {"name": name, "key": "of"}),
        ("model-versions", {"name": name, "key": "of", "version": "2"}),
    ):
        assert reader.status("POST", f"{V2}{kind}/set-tag", EVE, **tag, value="eve") == 200
        assert reader.status("DELETE", f"{V2}{kind}/delete-tag", EVE, **tag) == 200
    reader.ask("POST", V2 + "registered-models/alias", EVE, name=name, alias="live", version="2")
    assert person.loads(EVE, name, "live") == "For {{ whom }}"
