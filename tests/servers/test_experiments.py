"""The experiment modules, on every server."""

import pytest

NAMES = [
    "实验 ünï 🧪",
    'it\'s a "name"',
    "a/b/../c",
    "100%41 & more?x=1#y",
    "a:b",
    " spaces ",
    "n" * 250,
    "'; DROP TABLE",
]


def test_an_experiment_comes_changes_goes_and_comes_back(lab, some):
    name = some("resnet")
    done = lab.converge("experiment", name=name, tags={"owner": "alice", "n": 1})
    found = lab.reader.experiments()[name]
    assert found["experiment_id"] == done["experiment"]["experiment_id"]
    assert found["tags"]["owner"] == "alice"
    assert found["tags"]["n"] == "1"
    lab.converge("experiment", name=name, tags={"owner": "bob"})
    found = lab.reader.experiments()[name]
    assert (found["tags"]["owner"], found["tags"]["n"]) == ("bob", "1")
    lab.converge("experiment", name=name, state="absent")
    assert lab.reader.experiments()[name]["lifecycle_stage"] == "deleted"
    assert "was deleted" in lab.refused("experiment", name=name, on_deleted="fail")
    lab.converge("experiment", name=name)
    back = lab.reader.experiments()[name]
    assert back["lifecycle_stage"] == "active"
    assert back["experiment_id"] == found["experiment_id"]


def test_an_experiment_is_renamed(lab, some):
    old, new = some("before"), some("after")
    number = lab.reader.create_experiment(old)
    lab.converge("experiment", name=new, rename_from=old)
    assert lab.reader.experiments()[new]["experiment_id"] == number
    assert old not in lab.reader.experiments()


def test_the_artifact_location_is_for_ever(lab, some, tmp_path):
    name, location = some("stored"), f"file://{tmp_path}/artifacts"
    lab.converge("experiment", name=name, artifact_location=location)
    assert lab.reader.experiments()[name]["artifact_location"] == location
    message = lab.refused("experiment", name=name, artifact_location=location + "/elsewhere")
    assert location in message


@pytest.mark.parametrize("word", NAMES, ids=lambda word: word[:9])
def test_hostile_names(lab, some, word):
    name = word if len(word) == 250 else some(word)
    lab.ok("experiment", name=name)
    lab.unchanged("experiment", name=name)
    assert lab.reader.experiments()[name]["lifecycle_stage"] == "active"
    assert [found["name"] for found in lab.ok("experiment_info", name=name)["experiments"]] == [name]


def test_names_that_differ_only_by_case(lab, some):
    small, large = some("case"), some("case").upper()
    for name in (small, large):
        lab.ok("experiment", name=name)
    lab.ok("experiment", name=large, state="absent")
    assert lab.reader.experiments()[small]["lifecycle_stage"] == "active"
    assert lab.reader.experiments()[large]["lifecycle_stage"] == "deleted"


def test_experiments_are_listed(lab, some):
    active, deleted = some("active"), some("deleted")
    for name in (active, deleted):
        lab.reader.create_experiment(name)
    lab.ok("experiment", name=deleted, state="absent")
    seen = {}
    for view in ("active", "deleted", "all"):
        seen[view] = {found["name"] for found in lab.ok("experiment_info", view=view)["experiments"]}
    everything = lab.reader.experiments()
    assert seen["all"] == set(everything)
    assert seen["deleted"] == {name for name, found in everything.items() if found["lifecycle_stage"] == "deleted"}
    assert seen["active"] == seen["all"] - seen["deleted"]
    assert {active, deleted} <= seen["all"]
    assert lab.ok("experiment_info", name=some("none"))["experiments"] == []


def test_a_place_that_somebody_else_has_chosen_is_told(lab, some, tmp_path):
    name, location = some("squatted"), f"file://{tmp_path}/their own"
    lab.reader.ask("POST", "/api/2.0/mlflow/experiments/create", name=name, artifact_location=location)
    for check in (True, False):
        result = lab.ok("experiment", check=check, name=name)
        assert f"keeps its artifacts at {location}, which is not where this server puts" in str(result["warnings"])
    assert "warnings" not in lab.ok("experiment", name=name, artifact_location=location)
    assert "warnings" not in lab.ok("experiment", name=some("ours"))
    assert "warnings" not in lab.ok("experiment", name="Default")
