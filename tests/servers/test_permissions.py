"""The permission modules, on every server; what a level is worth is tried with MLflow's own client."""

import pytest
from mlflow_reader import V2

# Up to 3.12 a denial of a user is the absence of permissions.
DENIED = {(2, 22): "NO_PERMISSIONS", (3, 12): "NO_PERMISSIONS"}


@pytest.fixture
def ivy(lab, some, secret):
    """Somebody with a name and a password, and nothing else."""
    who = (some("ivy"), secret())
    lab.reader.create_user(*who)
    return who


def test_levels_on_an_experiment(lab, some, ivy):
    name, resource = ivy[0], some("ivys")
    number = lab.reader.create_experiment(resource)
    assert lab.person.level(ivy, "experiment", number) == "NO_PERMISSIONS"
    for level in ("READ", "MANAGE", "EDIT"):
        grant = {"user": name, "experiment": resource, "permission": level}
        assert lab.converge("permission", **grant)["permission"] == grant
        assert lab.reader.user(name)["grants"] == {("experiment", number): level}
        assert lab.person.level(ivy, "experiment", number) == level
        assert lab.ok("permission_info", user=name)["permissions"] == [grant]
    lab.converge("permission", user=name, experiment=resource, state="absent")
    assert lab.reader.user(name)["grants"] == {}
    assert lab.person.level(ivy, "experiment", number) == "NO_PERMISSIONS"


def test_levels_on_a_model(lab, some, ivy):
    name, resource = ivy[0], some('ivy\'s "modèl" 100%')
    lab.reader.create_model(resource)
    for level in ("READ", "EDIT"):
        lab.converge("permission", user=name, registered_model=resource, permission=level)
        assert lab.reader.user(name)["grants"] == {("registered_model", resource): level}
        assert lab.person.level(ivy, "registered_model", resource) == level
    lab.converge("permission", user=name, registered_model=resource, state="absent")
    assert lab.person.level(ivy, "registered_model", resource) == "NO_PERMISSIONS"


def test_grants_on_prompts_are_left_alone_where_nobody_speaks_of_them(lab, some, ivy):
    """Up to 3.12 they are of kind registered_model, and no list of models has prompts."""
    name, prompt = ivy[0], some("greeting")
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    lab.reader.ask("POST", V2 + "registered-models/create", ivy, name=prompt, tags=tags)
    assert not lab.ok("access", users=[{"name": name, "password": ivy[1]}])["changed"]
    assert lab.reader.status("POST", V2 + "registered-models/set-tag", ivy, name=prompt, key="a", value="b") == 200
    found = lab.ok("access_info", names=[name])["access_info"]
    assert [it["reasons"] for it in found["effective"] if (it["user"], it.get("prompt")) == (name, prompt)] == [
        ["MANAGE: granted" if lab.version < (3, 13) else "MANAGE: created it"]
    ]
    own = next(user for user in found["declaration"]["users"] if user["name"] == name)
    assert own["grants"] == [{"prompt": prompt, "permission": "MANAGE"}]
    assert not [it for it in found["unmanaged"] if it["holder"] == name]
    # What is really gone is still revoked. 2.22 deletes it, and then misses a grant of the admin's.
    lab.reader.status("DELETE", V2 + "registered-models/delete", name=prompt)
    lab.ok("access", policy="additive", users=[{"name": name, "password": ivy[1]}], kinds=["prompt"])
    assert lab.reader.user(name)["grants"] == {}


def test_use_is_there_from_3_9_on(lab, some, ivy):
    name, resource = ivy[0], some("used")
    number = lab.reader.create_experiment(resource)
    grant = {"user": name, "experiment": resource, "permission": "USE"}
    if lab.version < (3, 9):
        assert "3.9 or later" in lab.refused("permission", **grant)
        assert "3.9 or later" in lab.refused("permission", check=True, **grant)
        return
    lab.converge("permission", **grant)
    assert lab.reader.user(name)["grants"] == {("experiment", number): "USE"}
    assert lab.person.level(ivy, "experiment", number) == "READ"


def test_a_user_is_denied_an_experiment(lab, some, ivy):
    name, resource = ivy[0], some("denied")
    number = lab.reader.create_experiment(resource)
    lab.reader.grant(name, "experiment", number, "EDIT")
    if not lab.can_deny:
        assert "needs 3.17 or later" in lab.refused("permission", user=name, experiment=resource, permission="DENY")
        return
    lab.converge("permission", user=name, experiment=resource, permission="DENY")
    assert lab.reader.user(name)["grants"] == {("experiment", number): DENIED.get(lab.version, "DENY")}
    assert lab.person.level(ivy, "experiment", number) == "NO_PERMISSIONS"
    found = lab.ok("permission_info", user=name)["permissions"]
    assert found == [{"user": name, "experiment": resource, "permission": "DENY"}]
    lab.converge("permission", user=name, experiment=resource, permission="EDIT")
    assert lab.person.level(ivy, "experiment", number) == "EDIT"


def test_a_denial_wins_over_a_group_or_is_refused(lab, some, ivy):
    if not lab.has_groups:
        pytest.skip("no groups")
    name, resource, group = ivy[0], some("divided"), some("group")
    number = lab.reader.create_experiment(resource)
    lab.ok("group", name=group, members=[name], grants=[{"experiment": resource, "permission": "EDIT"}])
    assert lab.person.level(ivy, "experiment", number) == "EDIT"
    denial = {"experiment": resource, "permission": "DENY"}
    if lab.version < (3, 17):
        assert " or later" in lab.refused("permission", user=name, **denial)
        assert " or later" in lab.refused("permission", group=group, **denial)
        return
    lab.converge("permission", user=name, **denial)
    assert lab.person.level(ivy, "experiment", number) == "NO_PERMISSIONS"


def test_a_group_denies(lab, some, ivy):
    if lab.version < (3, 17):
        pytest.skip("refused, which another test shows")
    name, resource, group = ivy[0], some("barred"), some("group")
    number = lab.reader.create_experiment(resource)
    lab.reader.grant(name, "experiment", number, "MANAGE")
    lab.ok("group", name=group, members=[name], grants=[])
    lab.converge("permission", group=group, experiment=resource, permission="DENY")
    assert lab.person.level(ivy, "experiment", number) == "NO_PERMISSIONS"


def test_everything_of_a_kind(lab, some, ivy):
    name, number = ivy[0], lab.reader.create_experiment(some("any"))
    grant = {"user": name, "experiment": "*", "permission": "READ"}
    if lab.version < (3, 13):
        assert "3.13 or later" in lab.refused("permission", **grant)
        return
    lab.converge("permission", **grant)
    assert lab.reader.user(name)["grants"] == {("experiment", "*"): "READ"}
    assert lab.person.level(ivy, "experiment", number) == "READ"


def test_what_is_not_there_is_named(lab, some, ivy):
    nobody, nothing = some("nobody"), some("nothing")
    message = lab.refused("permission", user=ivy[0], experiment=nothing, permission="READ")
    assert message.startswith(f"experiment: '{nothing}' does not exist")
    lab.reader.create_experiment(nothing)
    message = lab.refused("permission", user=nobody, experiment=nothing, permission="READ")
    assert message.startswith(f"user: '{nobody}' does not exist")
