"""The registered model modules, on every server."""

import pytest

NAMES = ["模型 ünï 🧪", 'it\'s a "name"', "100%41 & more?x=1#y", "n" * 250, "'; DROP TABLE"]


def test_a_model_comes_changes_and_goes(lab, some):
    name = some("detector")
    lab.converge("registered_model", name=name, description="Finds things", tags={"owner": "alice"})
    found = lab.reader.models()[name]
    assert (found["description"], found["tags"]) == ("Finds things", {"owner": "alice"})
    lab.converge("registered_model", name=name, description="Finds more", tags={"stage": 2})
    found = lab.reader.models()[name]
    assert (found["description"], found["tags"]) == ("Finds more", {"owner": "alice", "stage": "2"})
    assert lab.ok("registered_model_info", name=name)["registered_models"] == [
        {"name": name, "description": "Finds more", "tags": {"owner": "alice", "stage": "2"}}
    ]
    lab.converge("registered_model", name=name, state="absent")
    assert name not in lab.reader.models()
    assert lab.ok("registered_model_info", name=name)["registered_models"] == []


def test_a_model_is_renamed_with_its_grants(lab, some, secret):
    old, new, user = some("before"), some("after"), some("hank")
    lab.reader.create_model(old)
    lab.reader.create_user(user, secret())
    lab.reader.grant(user, "registered_model", old, "EDIT")
    lab.converge("registered_model", name=new, rename_from=old)
    assert new in lab.reader.models()
    assert old not in lab.reader.models()
    assert lab.reader.user(user)["grants"] == {("registered_model", new): "EDIT"}


@pytest.mark.parametrize("word", NAMES, ids=lambda word: word[:9])
def test_hostile_names(lab, some, word):
    name = word if len(word) == 250 else some(word)
    lab.ok("registered_model", name=name, tags={"a key": 'it\'s "so"'})
    lab.unchanged("registered_model", name=name, tags={"a key": 'it\'s "so"'})
    assert lab.reader.models()[name]["tags"] == {"a key": 'it\'s "so"'}
    lab.ok("registered_model", name=name, state="absent")
    assert name not in lab.reader.models()


def test_models_are_listed(lab, some):
    small, large = some("case"), some("case").upper()
    for name in (small, large):
        lab.ok("registered_model", name=name)
    listed = lab.ok("registered_model_info")["registered_models"]
    assert [found["name"] for found in listed] == sorted(lab.reader.models())
    lab.ok("registered_model", name=large, state="absent")
    assert small in lab.reader.models()
    assert large not in lab.reader.models()
