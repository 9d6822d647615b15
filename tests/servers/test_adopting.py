"""What a server holds, told so that it can be declared; and what has outlived its experiment or model."""

import pytest


@pytest.fixture
def found(lab, some, secret):
    """A server that people set up by hand, and somebody on it."""
    who = (some("lena o'l"), secret())
    lab.reader.create_user(*who)
    experiment, model = some('实验 "x" 100%'), some("modèl")
    number = lab.reader.create_experiment(experiment)
    lab.reader.create_model(model)
    lab.reader.grant(who[0], "experiment", number, "EDIT")
    lab.reader.grant(who[0], "registered_model", model, "READ")
    if lab.has_groups:
        grants = [{"experiment": "*", "permission": "READ"}]
        lab.ok("group", name=some("viewers"), members=[who[0], "admin"], grants=grants)
    return {"who": who, "experiment": experiment, "number": number, "model": model}


def test_a_declaration_given_back_changes_nothing(lab, found):
    name = found["who"][0]
    told = lab.ok("access_info", names=[name])["access_info"]
    assert told["version"].startswith("{}.{}.".format(*lab.version))
    declared = told["declaration"]
    assert {"name": name} in declared["users"]
    assert {"name": found["model"], "grants": {name: "READ"}} in declared["registered_models"]
    lab.unchanged("access", **declared)
    lab.ok("access", check=True, **declared)


def test_effective_levels_are_what_the_client_finds(lab, found):
    name = found["who"][0]
    told = lab.ok("access_info", names=[name], default_permission="NO_PERMISSIONS")["access_info"]
    effective = [entry for entry in told["effective"] if entry["user"] == name]
    levels = {entry["experiment"]: entry for entry in effective if "experiment" in entry}
    assert levels[found["experiment"]]["permission"] == "EDIT"
    assert "EDIT: granted" in levels[found["experiment"]]["reasons"]
    assert lab.person.level(found["who"], "experiment", found["number"]) == "EDIT"
    # Group or not, somebody else's experiment.
    assert levels["Default"]["permission"] == lab.person.level(found["who"], "experiment", "0")
    models = {entry["registered_model"]: entry["permission"] for entry in effective if "registered_model" in entry}
    assert models[found["model"]] == lab.person.level(found["who"], "registered_model", found["model"]) == "READ"


def test_grants_on_what_is_gone_are_removed(lab, found):
    name, gone = found["who"][0], "987654321"
    # As `mlflow gc` leaves it; on SQLite the id comes again.
    lab.reader.grant(name, "experiment", gone, "MANAGE")
    listed = lab.ok("permission_info", user=name)["permissions"]
    assert len(listed) == 2
    declared = {"users": [{"name": name}], "policy": "additive"}
    done = lab.converge("access", **declared)
    assert f"- {name} MANAGE experiment {gone}, which is gone" in done["access"]["changes"]
    assert set(lab.reader.user(name)["grants"]) == {
        ("experiment", found["number"]),
        ("registered_model", found["model"]),
    }


def test_grants_on_a_model_that_somebody_deleted(lab, found, some):
    name, model, group = found["who"][0], found["model"], some("viewers")
    if lab.has_groups:
        lab.ok("permission", group=group, registered_model=model, permission="EDIT")
    lab.reader.ask("DELETE", "/api/2.0/mlflow/registered-models/delete", name=model)
    lab.ok("access", users=[{"name": name}], policy="additive")
    assert set(lab.reader.user(name)["grants"]) == {("experiment", found["number"])}
    if lab.has_groups:
        assert lab.reader.role(group)["grants"] == {("experiment", "*"): "READ"}
    lab.unchanged("access", users=[{"name": name}], policy="additive")


def test_grants_on_a_model_that_somebody_renamed(lab, found, some):
    name, model, group, new = found["who"][0], found["model"], some("viewers"), some("renamed")
    if lab.has_groups:
        lab.ok("permission", group=group, registered_model=model, permission="EDIT")
    lab.reader.ask("POST", "/api/2.0/mlflow/registered-models/rename", name=model, new_name=new)
    lab.ok("access", users=[{"name": name}], policy="additive")
    assert ("registered_model", model) not in lab.reader.user(name)["grants"]
    if lab.has_groups:
        assert ("registered_model", model) not in lab.reader.role(group)["grants"]
    lab.unchanged("access", users=[{"name": name}], policy="additive")


def test_a_deleted_experiment_keeps_its_grants_until_it_is_back(lab, found):
    name = found["who"][0]
    lab.ok("experiment", name=found["experiment"], state="absent")
    lab.unchanged("access", users=[{"name": name}], policy="additive")
    lab.ok("experiment", name=found["experiment"])
    assert lab.reader.user(name)["grants"][("experiment", found["number"])] == "EDIT"
