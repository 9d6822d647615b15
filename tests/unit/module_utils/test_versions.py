"""Prompts, versions and aliases: what is planned, and what cannot be."""

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest, RequestRefused
from ansible_collections.mlops.mlflow.plugins.module_utils._registry import MODEL, alias_problem, prompt_facts
from ansible_collections.mlops.mlflow.plugins.module_utils._shapes import Misfit, fit
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import lines
from ansible_collections.mlops.mlflow.plugins.module_utils._versions import prompt_after, prompt_steps
from unit.engine import RecordingClient, apply

WANTED = {"name": "p", "description": None, "template": None, "commit_message": None, "tags": None, "aliases": None}


def plan(present=None, unlisted=(), **wanted):
    client = RecordingClient(unlisted=unlisted)
    steps = prompt_steps(client, present, {**WANTED, "state": "present", **wanted})
    return client, steps


def prompt(**facts):
    return {"name": "p", "description": "", "tags": {}, "aliases": {}, "version": 2, "template": "old", **facts}


@pytest.mark.parametrize(
    ("present", "wanted", "expected"),
    [
        (None, {}, ["+ prompt p"]),
        (None, {"template": "new", "aliases": {"a": "latest"}}, ["+ prompt p", "+ prompt p version 1", "to version 1"]),
        (prompt(), {"template": "old"}, []),
        (prompt(), {"template": "old "}, ["+ prompt p version 3"]),
        (prompt(version=None, template=None), {"template": "old"}, ["+ prompt p version 1"]),
        # A version that is a chat, or was made without a text, has no text that could be compared.
        (prompt(template=None), {"template": "old"}, ["+ prompt p version 3"]),
        (prompt(aliases={"a": 2}), {"aliases": {"a": "latest"}}, []),
        (prompt(aliases={"a": 2}), {"aliases": {"a": "2", "b": None}}, []),
        (prompt(aliases={"a": 2}), {"aliases": {"a": None}}, ["- prompt p alias a"]),
        (prompt(), {"description": "for all"}, ["~ prompt p description"]),
        (prompt(), {"state": "absent"}, ["- prompt p"]),
        (None, {"state": "absent"}, []),
    ],
)
def test_what_is_planned(present, wanted, expected):
    _client, steps = plan(present, **wanted)
    found = lines(steps)
    assert len(found) == len(expected)
    # Beside strict, which Python has from 3.10 on.
    assert all(part in line for part, line in zip(expected, found)), found  # noqa: B905


def test_an_alias_means_the_version_that_was_really_made():
    client, steps = plan(prompt(), template="new", aliases={"live": "latest", "old": 2}, unlisted=["p"])
    apply(steps)
    aliases = [body["version"] for _method, path, body in client.written if path == "registered-models/alias"]
    # Somebody was quicker: the server gave it another number than was planned.
    assert aliases == ["9", "2"]


@pytest.mark.parametrize("wish", [3, "latest"])
def test_an_alias_needs_its_version(wish):
    with pytest.raises(InvalidRequest, match="has no version"):
        plan(prompt(version=None, template=None), aliases={"a": wish})


def test_what_is_shown_is_what_will_be():
    wanted = {**WANTED, "template": "new", "aliases": {"a": "latest", "b": None, "c": "1"}}
    found = prompt_after(prompt(aliases={"b": 1, "d": 2}, tags={"x": "1"}), wanted, {"y": "2"})
    assert (found["version"], found["template"]) == (3, "new")
    assert found["aliases"] == {"a": 3, "c": 1, "d": 2}
    assert found["tags"] == {"x": "1", "y": "2"}


@pytest.mark.parametrize(
    ("alias", "version"),
    [("latest", 1), ("V3", 1), ("a b", 1), ("", 1), (7, 1), ("a" * 256, 1)]
    + [("a", wish) for wish in ("0", 0, -1, True, "newest", 1.5, "", "1" * 19, ["1"], "\uff11")],
)
def test_what_is_no_alias(alias, version):
    assert alias_problem(alias, version)


@pytest.mark.parametrize(("alias", "version"), [("über-1_x", 1), ("a", "12"), ("a", "latest"), ("a", None)])
def test_what_is_one(alias, version):
    assert alias_problem(alias, version) is None


def test_the_newest_version_is_that_of_the_highest_number():
    versions = [
        {"version": number, "tags": [{"key": "mlflow.prompt.text", "value": f"text {number}"}]}
        for number in ("9", "10", "2")
    ]
    found = prompt_facts({"name": "p", "latest_versions": versions})
    assert (found["version"], found["template"]) == (10, "text 10")


@pytest.mark.parametrize("version", [1, "x", "", "1" * 19, None])
def test_a_number_that_is_none_is_no_answer_of_mlflow(version):
    with pytest.raises(Misfit, match="version"):
        fit(MODEL, {"name": "p", "aliases": [{"alias": "a", "version": version}]})


@pytest.mark.parametrize(("status", "there", "raises"), [(404, [], False), (404, ["p"], True), (500, [], True)])
def test_what_was_deleted_although_mlflow_complains_is_deleted(monkeypatch, status, there, raises):
    client = RecordingClient(unlisted=there)

    def complain(*_request, **_body):
        raise RequestRefused("no permission of the account's own", status, "RESOURCE_DOES_NOT_EXIST")

    monkeypatch.setattr(client, "write", complain)
    [step] = prompt_steps(client, prompt(), {**WANTED, "state": "absent"})
    if raises:
        with pytest.raises(RequestRefused):
            step.do()
    else:
        step.do()
