"""Nobody learns by a search of what they may not read: neither from a page nor from where the next one begins."""

from __future__ import annotations

import secrets
import typing as t
from collections.abc import Iterator

import as_unit
import project
import pytest
from mlflow_reader import V2, V3, Reader

ADMIN, ANN, EVE = "the admin's own word", ("ann", "a word of ann's"), ("eve", "a word of eve's")
PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}
VERSIONS = """query ($input: MlflowSearchModelVersionsInput)
{ mlflowSearchModelVersions(input: $input) { modelVersions { name } nextPageToken } }"""
# Without that, it finds none.
OF_PROMPTS = " AND tags.`mlflow.prompt.is_prompt` = 'true'"
# What is searched for, its route, by which methods, and what a tag is called in a filter.
SEARCHES = {
    "experiments": (V2 + "experiments/search", ("GET", "POST"), "tags.says"),
    "registered_models": (V2 + "registered-models/search", ("GET",), "tags.says"),
    "model_versions": (V2 + "model-versions/search", ("GET",), "tags.`mlflow.prompt.text`"),
    "models": (V2 + "logged-models/search", ("POST",), "tags.says"),
}
APIS = ("/api/", "/ajax-api/")


@pytest.fixture(scope="module", params=[*project.between_mlflows(), project.MLFLOW.name, *project.next_mlflows()])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    home, venv = tmp_path_factory.mktemp("pages") / "home", project.BUILD / request.param
    with as_unit.read(venv, home, ADMIN, ANN, EVE) as reader:
        yield reader


def make(reader: Reader, who: tuple[str, str], name: str, says: str) -> str:
    """Make one of everything that is searched for, of this name and which says that; return the experiment's number."""
    ask, tags = reader.ask, [{"key": "says", "value": says}]
    number: str = ask("POST", V2 + "experiments/create", who, name=name, tags=tags)["experiment_id"]
    ask("POST", V2 + "logged-models", who, experiment_id=number, name=name, tags=tags)
    ask("POST", V2 + "registered-models/create", who, name=name, tags=[PROMPT, *tags])
    text = [PROMPT, {"key": "mlflow.prompt.text", "value": says}]
    ask("POST", V2 + "model-versions/create", who, name=name, source="prompt-template", tags=text)
    return number


class Made(t.NamedTuple):
    """What all of it is called, what it says, and the numbers of the experiments."""

    prefix: str
    says: str
    experiments: list[str]


@pytest.fixture(scope="module")
def made(reader: Reader) -> Made:
    """What is ann's before and behind all of eve's, of which one says something else."""
    prefix, says, numbers = secrets.token_hex(4), secrets.token_hex(4), []
    whose = {"a": ANN, "b": ANN, "m": EVE, "n": ANN, "o": EVE, "p": EVE, "y": ANN, "z": ANN}
    for letter, who in whose.items():
        numbers.append(make(reader, who, f"{prefix}-{letter}", says + ("-secret" if who == ANN else "-own")))
    return Made(prefix, says, numbers)


def page(
    reader: Reader, who: tuple[str, str] | None, kind: str, method: str, api: str, made: Made, **more: t.Any
) -> tuple[list[str], str]:
    """Return the names on a page, and what the next one begins with."""
    route, tag = SEARCHES[kind][0].replace("/api/", api), more.pop("tag", "%")
    order: t.Any = more.pop("order", "name ASC")
    filter_string = f"{SEARCHES[kind][2]} LIKE '{made.says}{tag}'"
    if kind in ("registered_models", "model_versions"):
        filter_string += OF_PROMPTS
    if kind == "models":
        more |= {"experiment_ids": made.experiments}
        order = [{"field_name": "name", "ascending": order.endswith("ASC")}]
    elif method == "POST":
        order = [order]
    found = reader.ask(method, route, who, filter=filter_string, order_by=order, **more)
    rows = [row.get("info", row)["name"] for row in found.get(kind, [])]
    return [name.rpartition("-")[2] for name in rows], found.get("next_page_token", "")


ALL = [(kind, method) for kind, (_route, methods, _tag) in SEARCHES.items() for method in methods]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("order", ["name ASC", "name DESC"])
@pytest.mark.parametrize(("kind", "method"), ALL)
def test_a_search_tells_the_same_whatever_others_have(
    reader: Reader, made: Made, kind: str, method: str, order: str, api: str
) -> None:
    for most in (1, 2, 3, 100):
        found = [
            page(reader, EVE, kind, method, api, made, tag=tag, max_results=most, order=order) for tag in ("%", "-own")
        ]
        if kind == "models" and found[0][1]:
            # It says what is searched for, too.
            found = [(names, bool(token)) for names, token in found]  # type: ignore[misc]
        assert found[0] == found[1]
        nothing = page(reader, EVE, kind, method, api, made, tag="-s%", max_results=most, order=order)
        assert nothing == ([], "")


@pytest.mark.parametrize(("kind", "method"), ALL)
def test_its_pages_have_everything_once(reader: Reader, made: Made, kind: str, method: str) -> None:
    for who, letters in ((EVE, "mop"), (ANN, "abnyz"), (None, "abmnopyz")):
        for most in (1, 2, 5):
            found: list[str] = []
            more: dict[str, t.Any] = {}
            while True:
                names, token = page(reader, who, kind, method, "/api/", made, max_results=most, **more)
                found += names
                if not token:
                    break
                assert len(names) == most
                more = {"page_token": token}
            assert "".join(found) == letters


def test_what_was_denied_is_no_part_of_them(reader: Reader, made: Made) -> None:
    bob = (f"bob{secrets.token_hex(4)}", "a word of bob's")
    reader.create_user(*bob)
    grant = {"username": bob[0], "resource_type": "experiment"}
    reader.ask("POST", V3 + "users/permissions/grant", **grant, resource_id="*", permission="READ")
    level = "DENY" if reader.version >= (3, 17) else None
    if level is None:
        pytest.skip("nothing is denied before 3.17")
    reader.ask("POST", V3 + "users/permissions/grant", **grant, resource_id=made.experiments[0], permission=level)
    names, token = page(reader, bob, "experiments", "POST", "/api/", made, max_results=100)
    assert ("".join(names), token) == ("bmnopyz", "")


def test_nor_are_logged_models_that_all_are_denied(reader: Reader, made: Made) -> None:
    if reader.version < (3, 17):
        pytest.skip("nothing is denied before 3.17")
    bob = (f"bob{secrets.token_hex(4)}", "a word of bob's")
    reader.create_user(*bob)
    grant: dict[str, t.Any] = {"username": bob[0], "resource_type": "experiment", "permission": "READ"}
    for number in (made.experiments["abmnopyz".index(letter)] for letter in "mop"):
        reader.ask("POST", V3 + "users/permissions/grant", **grant, resource_id=number)
    assert page(reader, bob, "models", "POST", "/api/", made, max_results=1)[0] == ["m"]
    grant |= {"resource_type": "logged_model", "permission": "DENY"}
    reader.ask("POST", V3 + "users/permissions/grant", **grant, resource_id="*")
    for most in (1, 2, 100):
        assert page(reader, bob, "models", "POST", "/api/", made, max_results=most) == ([], "")


def test_nor_is_it_told_otherwise(reader: Reader, made: Made) -> None:
    text, found = SEARCHES["model_versions"][2], []
    for tag in ("-s%", "%", "-own"):
        words = {"filter": f"{text} LIKE '{made.says}{tag}'{OF_PROMPTS}", "maxResults": 1, "orderBy": ["name ASC"]}
        answer = reader.ask("POST", "/graphql", EVE, query=VERSIONS, variables={"input": words})["data"]
        rows, token = answer["mlflowSearchModelVersions"].values()
        found.append(([row["name"].rpartition("-")[2] for row in rows], token or None))
    assert found[0] == ([], None)
    assert found[1] == found[2]
    # Before 3.17, this has no prompts for anybody but admins.
    assert found[1][0] == (["m"] if reader.version >= (3, 17) else [])


@pytest.mark.parametrize("route", ["experiments", "registered-models", "model-versions"])
def test_what_is_wrong_is_still_said(reader: Reader, route: str) -> None:
    for more in ({"page_token": "evil"}, {"max_results": 10**7}, {"filter": "evil"}, {"order_by": "evil"}):
        assert reader.status("GET", f"{V2}{route}/search", EVE, **more) == 400, more


@pytest.mark.parametrize("route", ["experiments", "registered-models", "model-versions"])
def test_no_page_of_nothing_tells_what_there_is(reader: Reader, made: Made, route: str) -> None:
    for most in (0, -1, -2):
        for name in (f"{made.prefix}-a", f"{made.prefix}-q"):
            words = {"filter": f"name = '{name}'", "max_results": most}
            assert reader.status("GET", f"{V2}{route}/search", EVE, **words) == 400, words


def test_a_demo_that_others_have_is_made_once(reader: Reader) -> None:
    for who in (ANN, EVE):
        reader.ask("POST", "/ajax-api/3.0/mlflow/demo/generate", who, features=["prompts"])
    words = {"filter": "name LIKE 'mlflow-demo%'" + OF_PROMPTS, "max_results": 1000}
    found = reader.ask("GET", V2 + "model-versions/search", **words)["model_versions"]
    assert {version["version"] for version in found} <= {"1", "2", "3", "4"}


def test_servers_of_tools_are_found_so_too(reader: Reader) -> None:
    name = f"com.{secrets.token_hex(4)}/s"
    for letter, who in {"a": ANN, "m": EVE, "n": ANN, "o": EVE, "z": ANN}.items():
        reader.ask("POST", V3 + "mcp-servers", who, name=name + letter)
    for words, own in ((f"{name}%", "mo"), (f"{name}a%", ""), (f"{name}m%", "m")):
        found, more = "", {"filter_string": f"name LIKE '{words}'", "max_results": 1}
        while True:
            answer = reader.ask("GET", V3 + "mcp-servers", EVE, **more)
            found += "".join(server["name"][-1] for server in answer["mcp_servers"])
            if not answer.get("next_page_token"):
                break
            more["page_token"] = answer["next_page_token"]
        # Only what says that nothing follows may have nothing, where nothing is one's own.
        assert "".join(sorted(found)) == own
        assert len(answer["mcp_servers"]) == min(len(own), 1)
