"""Nobody takes away what somebody is denied by making a prompt of a model, or a model of a prompt."""

from __future__ import annotations

import secrets
import typing as t
from collections.abc import Iterator

import as_unit
import mlflow_person
import project
import pytest
from mlflow_person import Person
from mlflow_reader import V2, V3, Reader, reader_for

ADMIN = "the admin's own word"
ANN, BOB, EVE = ("ann", "a word of ann's"), ("bob", "a word of bob's"), ("eve", "a word of eve's")
MARK = "mlflow.prompt.is_prompt"
KINDS = ("registered_model", "prompt")


@pytest.fixture(scope="module", params=[project.MLFLOW.name, *project.next_mlflows()])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Reader, Person]]:
    """A server where ann, of a group, and bob read all models and prompts."""
    home, venv = tmp_path_factory.mktemp("marks") / "home", project.BUILD / request.param
    home.mkdir(mode=0o700)
    with as_unit.serving(venv, home, ADMIN) as uri, mlflow_person.working(venv, uri, home) as person:
        reader = reader_for(uri, ADMIN, (3, 17))
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
