"""What `genai: true` means for a team, and what it does not go with."""

import pytest
from ansible_collections.mlops.mlflow.plugins.lookup import teams as lookup
from ansible_collections.mlops.mlflow.plugins.plugin_utils.addresses import answered_hosts
from ansible_collections.mlops.mlflow.plugins.plugin_utils.declaration import read_teams, team_schema
from ansible_collections.mlops.mlflow.plugins.plugin_utils.network import NOT_MEANT, network_filters
from unit.plugin_utils.refusals import CANARY, fault_of, faults, team

SCHEMA = team_schema(lookup.DOCUMENTATION)
JOBS, GATEWAY = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "MLFLOW_ENABLE_AI_GATEWAY"
# Of port 5001: 19 * 256 + 137.
OWN = "127.77.19.137"


def read(**settings):
    """A team without a fault, with all that is filled in."""
    (found,), problems = read_teams([("", team(**settings))], SCHEMA, lookup.DEFAULTS)
    assert problems == []
    return found


@pytest.mark.parametrize(
    ("declared", "filled_in"),
    [
        ({}, ("30min", True, "2G", 512, False, True, None)),
        ({"genai": False}, ("30min", True, "2G", 512, False, True, None)),
        ({"genai": True}, ("never", False, "4G", 2048, True, False, OWN)),
        (
            {"genai": True, "idle_timeout": "never", "memory_max": "8G", "tasks_max": 4000, "private_network": False},
            ("never", False, "8G", 4000, True, False, OWN),
        ),
        ({"genai": True, "memory_max": "infinity"}, ("never", False, "infinity", 2048, True, False, OWN)),
        # By hand.
        ({"environment": {JOBS: "true"}, "idle_timeout": "never"}, ("never", False, "2G", 512, True, True, OWN)),
        ({"environment": {GATEWAY: "true"}}, ("30min", True, "2G", 512, False, True, None)),
    ],
)
def test_all_that_it_needs_is_filled_in(declared, filled_in):
    keys = ("idle_timeout", "sleeps", "memory_max", "tasks_max", "jobs", "private_network", "own_address")
    assert tuple(read(**declared)[key] for key in keys) == filled_in


def test_nobody_has_to_take_it_out_of_the_environment():
    found = read(genai=True, environment={JOBS: "true", GATEWAY: "1"})
    assert (found["jobs"], found["sleeps"]) == (True, False)
    assert read(genai=False, environment={JOBS: "false", GATEWAY: False})["jobs"] is False


def test_two_teams_of_a_host_have_two_addresses_of_their_own():
    ports = (1024, 1279, 5001, 5002, 65535)
    found = [read(genai=True, port=port)["own_address"] for port in ports]
    assert found == ["127.77.4.0", "127.77.4.255", OWN, "127.77.19.138", "127.77.255.255"]


@pytest.mark.parametrize(
    ("networks", "allowed"),
    [(None, OWN), (["10.0.0.0/8"], OWN), (["0.0.0.0/0"], OWN)],
)
def test_it_reaches_itself_and_nothing_else_of_its_host(networks, allowed):
    filters = network_filters(read(genai=True, allowed_networks=networks))
    assert allowed in filters["network_allow"]
    assert "localhost" not in filters["network_allow"]
    assert set(NOT_MEANT) <= set(filters["network_deny"]) or filters["network_deny"] == ["any"]
    assert OWN not in network_filters(read(private_network=False))["network_allow"]


def test_it_answers_under_its_own_address():
    assert {OWN, f"{OWN}:*"} <= set(answered_hosts(read(genai=True), []))
    assert OWN not in answered_hosts(read(), [])


SECRET = {"name": "openai", "values": {"api_key": CANARY}}
ENDPOINT = {"name": "judge", "models": [{"provider": "openai", "model": "gpt-4o", "secret": "openai"}]}
JUDGES = {"genai": True, "users": [{"name": "judges", "password": CANARY}]}


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (
            {"genai": True, "environment": {JOBS: "false"}},
            f"environment: {JOBS} says otherwise than genai: true; leave it out",
        ),
        (
            {"genai": True, "environment": {GATEWAY: CANARY}},
            f"environment: {GATEWAY} says otherwise than genai: true; leave it out",
        ),
        (
            {"genai": False, "environment": {GATEWAY: "true"}},
            f"environment: {GATEWAY} says otherwise than genai: false; leave one of them out",
        ),
        (
            {"genai": False, "environment": {JOBS: "1"}, "idle_timeout": "never"},
            f"environment: {JOBS} says otherwise than genai: false; leave one of them out",
        ),
        (
            {"genai": True, "idle_timeout": "2h"},
            "idle_timeout: '2h' would end what genai: true does with nobody connected; leave it out, or use 'never'",
        ),
        (
            {"genai": True, "version": "3.15.2"},
            "genai: needs MLflow 3.17 or later, which asks who may have a judge read which traces; "
            "this team has 3.15.2",
        ),
        (
            {"genai": True, "private_network": True},
            "private_network: true keeps genai: true from every provider of models; leave it out, or say false",
        ),
        (
            {"genai": True, "memory_max": "2000M"},
            "memory_max: 2000M is too little for what genai: true starts; 2048M is the least",
        ),
        (
            {"genai": False, "gateway_secrets": [SECRET]},
            "gateway_secrets: need the gateway, which genai: false switches off; say true, or leave them out",
        ),
        (
            {"genai": False, "gateway_endpoints": [ENDPOINT]},
            "gateway_endpoints: need the gateway, which genai: false switches off; say true, or leave them out",
        ),
        (
            {"judge_username": "judges", "users": JUDGES["users"]},
            "judge_username: has no meaning without genai: true",
        ),
        (
            {"genai": True, "judge_username": "judges"},
            "judge_username: 'judges' is not a user of this team; declare them, with USE on what judges ask",
        ),
        (
            {"genai": True, "judge_username": "admin"},
            "judge_username: 'admin' may use all there is, and so could whoever sets a judge up; "
            "name a user with USE on what judges ask",
        ),
        (
            {"genai": True, "judge_username": "jüdges", "keep_users": ["jüdges"]},
            "judge_username: 'jüdges' has letters that MLflow's gateway does not take in a log-in; use ASCII alone",
        ),
        (
            {"environment": {"MLFLOW_GATEWAY_URI": CANARY}},
            "environment: MLFLOW_GATEWAY_URI is set by the role; judges would send what lets them in there; use genai",
        ),
    ],
)
def test_what_does_not_go_together(settings, fault):
    assert fault_of(**settings) == fault


def test_who_judges_are():
    assert read(**JUDGES, judge_username="judges")["judge_username"] == "judges"
    assert read(genai=True, keep_users=["judges"], judge_username="judges")["judge_username"] == "judges"


def test_everything_is_said_at_once():
    found = faults(team(genai=True, version="3.16.1", idle_timeout="1h", private_network=True, environment={JOBS: "0"}))
    assert [line.split(": ")[2] for line in found] == ["environment", "genai", "idle_timeout", "private_network"]
