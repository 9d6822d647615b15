"""The lookup gathers teams from all variables of a host, and resolves their templates."""

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.mlops.mlflow.plugins.lookup.teams import LookupModule
from unit.lookup.trust import trust_as_template, untrusted

CANARY = "canary-pass-word"


def team(name="vision", port=5001, **settings):
    return {"name": name, "port": port, "admin_password": CANARY, **settings}


def look(*terms, variables=None, **options):
    variables = {"inventory_hostname": "one", **(variables or {})}
    lookup = LookupModule(loader=None, templar=Templar(loader=DataLoader(), variables=variables))
    return lookup.run(list(terms), variables, **options)


def names(*terms, **variables):
    return [found["name"] for found in look(*terms, variables=variables)]


def test_no_teams_are_no_fault():
    assert look() == []
    assert look(problems=True) == []


def test_both_ways_of_declaring():
    variables = {"mlflow_teams": [team()], "mlflow_team_b": team("nlp", 5002), "mlflow_team_a": team("audio", 5003)}
    assert names(**variables) == ["vision", "audio", "nlp"]


def test_one_name_in_both_ways_is_a_fault():
    with pytest.raises(AnsibleLookupError, match="two teams are called 'vision'"):
        names(mlflow_teams=[team()], mlflow_team_vision=team(port=5002))


def test_only_the_teams_named():
    variables = {"mlflow_teams": [team(), team("nlp", 5002)]}
    assert names("nlp", **variables) == ["nlp"]


def test_a_name_that_no_team_has():
    with pytest.raises(AnsibleLookupError, match="team: no team 'npl' is declared; there is nlp, vision"):
        names("npl", mlflow_teams=[team(), team("nlp", 5002)])
    assert look("npl", problems=True) == ["team: no team 'npl' is declared; there is none"]


def test_only_the_teams_of_this_host():
    teams = [team(), team("nlp", 5002, servers=["one"]), team("audio", 5002, servers=["three"])]
    assert names(mlflow_teams=teams) == ["vision", "nlp"]


def test_a_host_that_the_inventory_does_not_have_is_named():
    variables = {"mlflow_teams": [team(servers=["oen"])], "groups": {"all": ["one", "two"]}}
    problems = look(variables=variables, problems=True)
    assert problems == ["mlflow_teams: vision: servers: the inventory has no host 'oen'"]


def test_templates_are_resolved():
    declared = trust_as_template("{{ the_team }}")
    inner = {**team(), "admin_password": trust_as_template("{{ vault }}"), "port": trust_as_template("{{ base + 1 }}")}
    vault = untrusted(f"{CANARY} {{{{")
    (found,) = look(variables={"mlflow_team_x": declared, "the_team": inner, "vault": vault, "base": 5000})
    assert found["admin_password"] == f"{CANARY} {{{{"
    assert found["port"] == 5001


@pytest.mark.parametrize("broken", ["{{ nobody_has_this }}", "{{ ", "{{ 1 / 0 }}", "{{ base | no_such_filter }}"])
def test_a_template_that_cannot_be_filled_in_shows_nothing_of_what_stands_beside_it(broken):
    beside = trust_as_template(f"{CANARY}{broken}")
    for variables in (
        {"mlflow_team_x": {**team(), "admin_password": CANARY, "description": trust_as_template(broken)}},
        {"mlflow_team_x": {**team(), "admin_password": beside}},
        {"mlflow_team_x": trust_as_template("{{ inner }}"), "inner": {**team(), "admin_password": beside}},
    ):
        found = look(problems=True, variables={"base": 1, **variables})
        assert found
        assert CANARY not in str(found)


def test_defaults_for_all_teams():
    variables = {"mlflow_version": "3.16.1", "mlflow_listen_address": "0.0.0.0", "mlflow_teams": [team()]}
    (found,) = look(variables=variables)
    assert (found["version"], found["listen_address"]) == ("3.16.1", "0.0.0.0")
    assert found["tracking_uri"] == "http://127.0.0.1:5001"


def test_a_version_that_yaml_took_for_a_number():
    assert look(problems=True, variables={"mlflow_version": 3.17, "mlflow_teams": [team()]}) == [
        "mlflow_teams: vision: version: '3.17' is not pinned; give all three numbers, like 3.17.2"
    ]


@pytest.mark.parametrize("value", [{}, {"vision": team()}, "vision", None, 5])
def test_teams_that_are_no_list(value):
    assert look(problems=True, variables={"mlflow_teams": value}) == ["mlflow_teams: is not a list of teams"]


def test_all_problems_are_one_error_without_passwords():
    teams = [team("Vision"), team("nlp", 80, users=[{"name": "a:b", "password": CANARY}])]
    with pytest.raises(AnsibleLookupError) as caught:
        look(variables={"mlflow_teams": teams})
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[:3] for line in lines] == [
        ["mlflow_teams", "Vision", "name"],
        ["mlflow_teams", "nlp", "port"],
        ["mlflow_teams", "nlp", "users"],
    ]
    assert CANARY not in str(caught.value)
    assert look(problems=True, variables={"mlflow_teams": teams}) == lines


def test_a_variable_that_is_no_team_is_named():
    assert "mlflow_team_nlp" in look(problems=True, variables={"mlflow_team_nlp": "nlp"})[0]
