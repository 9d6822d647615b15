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
    facts = {"name": name, "description": "Finds more", "tags": {"owner": "alice", "stage": "2"}}
    assert lab.ok("registered_model_info", name=name)["registered_models"] == [
        {**facts, "aliases": {}, "version": None}
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


def test_aliases_mean_versions(lab, some):
    name = some("aliased 100% 模型")
    lab.ok("registered_model", name=name)
    refusal = f"registered_model '{name}' has no version"
    for wish in (1, "latest"):
        assert refusal in lab.refused("registered_model", check=True, name=name, aliases={"champion": wish})
    for number in (1, 2, 3):
        lab.reader.create_version(name)
        lab.converge("registered_model", name=name, aliases={"champion": number, "Best-of_all": "latest"})
        assert lab.reader.aliases(name) == {"champion": str(number), "Best-of_all": str(number)}
    # By text, too, as a template of Ansible's gives it; others are left.
    done = lab.converge("registered_model", name=name, aliases={"champion": "2"})["registered_model"]
    assert (done["aliases"], done["version"]) == ({"champion": 2, "Best-of_all": 3}, 3)
    lab.converge("registered_model", name=name, aliases={"champion": None})
    assert lab.reader.aliases(name) == {"Best-of_all": "3"}
    lab.converge("access", registered_models=[{"name": name, "aliases": {"Best-of_all": 1, "never": None}}])
    assert lab.reader.aliases(name) == {"Best-of_all": "1"}
    lab.converge("registered_model", name=name + " too", rename_from=name, aliases={"Best-of_all": 2})
    assert lab.reader.aliases(name + " too") == {"Best-of_all": "2"}


@pytest.mark.parametrize("alias", ["Latest", "v12", "with a blank", "ä/b", ""])
def test_what_is_no_alias_is_refused_before_anything_is_done(newest, some, alias):
    assert "alias" in newest.refused("registered_model", name=some("refused"), aliases={alias: 1})
