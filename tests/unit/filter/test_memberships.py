"""Which teams each Unix user is in, and whose password is known."""

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.filter.memberships import memberships


def team(name, urls=True, **passwords):
    users = [{"name": user, "password": password} for user, password in passwords.items()]
    return {"name": name, "urls": [f"https://{name}.example.org"] if urls else [], "users": users}


TEAMS = [team("vision", alice="one", bob=None), team("nlp", alice="two"), team("inside", urls=False, alice="three")]


def names(found, user):
    (theirs,) = [entry["teams"] for entry in found["users"] if entry["name"] == user]
    return [entry["name"] for entry in theirs]


def test_all_teams_that_declare_them_and_that_a_proxy_reaches():
    found = memberships([{"name": "alice"}, {"name": "zoe"}], TEAMS)
    assert (names(found, "alice"), names(found, "zoe")) == (["vision", "nlp"], [])
    assert found["passwords"] == {"alice": {"vision": "one", "nlp": "two"}, "zoe": {}}
    assert found["users"][0]["teams"][1] == {
        "name": "nlp",
        "tracking_uri": "https://nlp.example.org",
        "username": "alice",
    }
    assert (found["problems"], found["unknown"]) == ([], [])


def test_in_the_order_chosen_and_under_another_name():
    found = memberships([{"name": "aa12", "mlflow_user": "alice", "teams": ["nlp", "vision"]}], TEAMS)
    assert names(found, "aa12") == ["nlp", "vision"]
    assert found["users"][0]["teams"][0]["username"] == "alice"


def test_a_team_chosen_that_does_not_declare_them():
    assert names(memberships([{"name": "bob", "teams": ["nlp", "vision"]}], TEAMS), "bob") == ["vision"]


def test_a_password_that_is_not_in_the_inventory():
    found = memberships([{"name": "bob"}], TEAMS)
    assert (names(found, "bob"), found["passwords"], found["unknown"]) == (
        ["vision"],
        {"bob": {}},
        ["bob of team vision"],
    )


def test_who_is_gone_is_in_no_team():
    found = memberships([{"name": "alice"}, {"name": "bob"}], TEAMS, "alice")
    assert (names(found, "alice"), names(found, "bob")) == ([], ["vision"])


def test_what_is_wrong_is_named():
    found = memberships([{"name": "alice", "team": "x", "teams": ["inside"]}], TEAMS)
    assert found["problems"] == [
        "mlflow_client_users: alice: unknown key: team",
        "mlflow_client_users: alice: teams: no team 'inside' is reached by a proxy; is it present, "
        "proxied, and mlflow_proxy_domain in group_vars/all?",
    ]
    with pytest.raises(AnsibleFilterError, match="mlflow_client_users: is not a list of users"):
        memberships(["alice"], TEAMS)
