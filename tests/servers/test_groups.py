"""The group modules: where there are roles, and where there are none."""

import pytest


def members(lab, *names):
    return {lab.reader.user(name)["id"] for name in names}


@pytest.fixture
def team(lab, some, secret):
    """Two users, with their passwords."""
    people = [(some("jack"), secret()), (some("kate o'k"), secret())]
    for who in people:
        lab.reader.create_user(*who)
    return people


def test_a_group_comes_changes_and_goes(lab, some, team):
    if not lab.has_groups:
        pytest.skip("no groups")
    (jack, kate), group, resource = (who[0] for who in team), some("gruppe 'ä' 100%"), some("shared")
    number = lab.reader.create_experiment(resource)
    grants = [{"experiment": resource, "permission": "EDIT"}, {"registered_model": "*", "permission": "READ"}]
    lab.converge("group", name=group, description="Those who label", members=[jack], grants=grants)
    role = lab.reader.role(group)
    assert role["description"] == "Those who label"
    assert role["members"] == members(lab, jack)
    assert role["grants"] == {("experiment", number): "EDIT", ("registered_model", "*"): "READ"}
    assert lab.person.level(team[0], "experiment", number) == "EDIT"
    assert lab.person.level(team[1], "experiment", number) == "NO_PERMISSIONS"
    grants = [{"experiment": resource, "permission": "READ"}]
    lab.converge("group", name=group, description="Others", members=[kate], grants=grants)
    role = lab.reader.role(group)
    assert (role["description"], role["members"]) == ("Others", members(lab, kate))
    assert role["grants"] == {("experiment", number): "READ"}
    assert lab.person.level(team[0], "experiment", number) == "NO_PERMISSIONS"
    assert lab.person.level(team[1], "experiment", number) == "READ"
    fact = {"name": group, "description": "Others", "members": [kate], "grants": grants}
    assert lab.ok("group_info", name=group)["groups"] == [fact]
    assert fact in lab.ok("group_info")["groups"]
    assert lab.ok("user_info", name=kate)["users"][0]["groups"] == [group]
    lab.converge("permission", group=group, experiment=resource, permission="MANAGE")
    assert lab.reader.role(group)["grants"] == {("experiment", number): "MANAGE"}
    assert lab.ok("permission_info", group=group)["permissions"] == [
        {"group": group, "experiment": resource, "permission": "MANAGE"}
    ]
    lab.converge("group", name=group, state="absent")
    assert lab.reader.role(group) is None
    assert lab.person.level(team[1], "experiment", number) == "NO_PERMISSIONS"


def test_members_store_artifacts_of_their_runs(lab, some, team):
    if not lab.has_groups:
        pytest.skip("no groups")
    resource = some("logged")
    number = lab.reader.create_experiment(resource)
    lab.ok("group", name=some("loggers"), members=[team[0][0]], grants=[{"experiment": resource, "permission": "EDIT"}])
    # MLflow 3.12 lets a group's members work with the experiment, but not with the runs in it.
    assert lab.person.transfers(team[0], number) is (lab.version >= (3, 13))


def test_a_member_is_removed_from_the_server(lab, some, team):
    if not lab.has_groups:
        pytest.skip("no groups")
    (jack, kate), group = (who[0] for who in team), some("shrinks")
    lab.ok("group", name=group, members=[jack, kate], grants=[])
    lab.converge("user", name=jack, state="absent")
    assert lab.reader.user(jack) is None
    assert lab.reader.role(group)["members"] == members(lab, kate)


def test_groups_differ_by_case(lab, some):
    if not lab.has_groups:
        pytest.skip("no groups")
    small, large = some("case"), some("case").upper()
    for name in (small, large):
        lab.ok("group", name=name)
    lab.ok("group", name=large, state="absent")
    assert lab.reader.role(small)
    assert lab.reader.role(large) is None


def test_without_roles_the_version_needed_is_named(lab, some):
    if lab.has_groups:
        pytest.skip("there are groups")
    group, resource = some("impossible"), some("resource")
    for check in (False, True):
        assert "2.22.4" in lab.refused("group", check, name=group)
        assert "3.12 or later" in lab.refused("group", check, name=group)
    assert lab.ok("group_info")["groups"] == []
    lab.unchanged("group", name=group, state="absent")
    lab.reader.create_experiment(resource)
    message = lab.refused("permission", group=group, experiment=resource, permission="READ")
    assert group in message
