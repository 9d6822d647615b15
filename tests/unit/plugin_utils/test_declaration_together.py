"""Teams beside each other, and what is filled in where a team says nothing."""

import pytest
from ansible_collections.mlops.mlflow.plugins.lookup.teams import DEFAULTS, DOCUMENTATION
from ansible_collections.mlops.mlflow.plugins.plugin_utils.declaration import read_teams, team_schema

SCHEMA = team_schema(DOCUMENTATION)


def team(name="vision", port=5001, **settings):
    return {"name": name, "port": port, "admin_password": "some-pass-word", **settings}


def read(*teams, **defaults):
    return read_teams(
        [(f"mlflow_teams: number {n}", each) for n, each in enumerate(teams, 1)], SCHEMA, {**DEFAULTS, **defaults}
    )


def test_two_teams_of_one_name():
    assert read(team(), team(port=5002))[1] == ["mlflow_teams: name: two teams are called 'vision'"]


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ([], [], True),
        ([], ["one"], True),
        (["one"], [], True),
        (["one"], ["one"], True),
        (["one", "two"], ["two", "three"], True),
        (["one"], ["two"], False),
    ],
)
def test_two_teams_on_one_port(first, second, clash):
    found = [line for line in read(team(servers=first), team("nlp", servers=second))[1] if "(servers)" not in line]
    assert found == (["mlflow_teams: port: 'vision' and 'nlp' both want 5001"] if clash else [])


def test_the_port_of_a_team_that_is_to_be_gone_is_free():
    assert read(team(state="absent"), team("nlp"))[1] == []
    assert read(team(state="stopped"), team("nlp"))[1] != []


def test_three_teams_on_one_port_are_three_pairs():
    assert len(read(team("a"), team("b"), team("c"))[1]) == 3


def test_defaults_are_filled_in():
    (found,), problems = read(team())
    assert problems == []
    worked_out = {
        "artifacts_dir",
        "client_root",
        "creator_names",
        "databases",
        "disk_max_bytes",
        "jobs",
        "own_address",
        "places",
        "sleeps",
        "sqlite_files",
        "state_dir",
        "storage_dirs",
        "tracking_uri",
    }
    assert set(found) == {*SCHEMA, *worked_out}
    assert found == {
        **team(),
        "access_kinds": [],
        "access_policy": "exclusive",
        "jobs": False,
        "genai": None,
        "judge_username": None,
        "own_address": None,
        "keep_users": [],
        "leader": None,
        "listed": True,
        "owner": "",
        "proxied": True,
        "update_password": "always",
        "admin_username": "admin",
        "allowed_hosts": [],
        "allowed_networks": [],
        "artifacts": {"serve": True, "destination": None, "root": None, "presigned": False},
        "artifacts_dir": "/var/lib/mlflow/vision/artifacts",
        "client_root": None,
        "auth_cache_ttl_seconds": 60,
        "auth_database_uri": "sqlite:////var/lib/mlflow/vision/mlflow.db",
        "backend_store_uri": "sqlite:////var/lib/mlflow/vision/mlflow.db",
        "cors_allowed_origins": [],
        "cpu_weight": 100,
        "creator_names": None,
        "creators": None,
        "databases": [
            {
                "name": "mlflow",
                "uri": "sqlite:////var/lib/mlflow/vision/mlflow.db",
                "file": "/var/lib/mlflow/vision/mlflow.db",
            }
        ],
        "default_permission": "NO_PERMISSIONS",
        "description": "",
        "direct_clients": [],
        "disk_max": "infinity",
        "disk_max_bytes": None,
        "environment": {},
        "experiments": [],
        "gc_older_than": "never",
        "groups": [],
        "idle_timeout": "30min",
        "listen_address": "127.0.0.1",
        "memory_max": "2G",
        "places": {
            "auth": "/var/lib/mlflow/vision/mlflow.db",
            "tracking": "/var/lib/mlflow/vision/mlflow.db",
            "artifacts": "/var/lib/mlflow/vision/artifacts",
        },
        "private_network": True,
        "gateway_endpoints": [],
        "gateway_secrets": [],
        "prompts": [],
        "registered_models": [],
        "servers": [],
        "sleeps": True,
        "sqlite_files": ["/var/lib/mlflow/vision/mlflow.db"],
        "state": "present",
        "state_dir": "/var/lib/mlflow/vision",
        "storage_dirs": [],
        "tasks_max": 512,
        "tracking_uri": "http://127.0.0.1:5001",
        "users": [],
        "version": "3.17.2",
        "webhooks": [],
        "workers": 1,
    }


def test_defaults_of_what_is_inside():
    (found,), problems = read(
        team(
            users=[{"name": "al", "password": "some-pass-word"}],
            groups=[{"name": "g", "grants": [{"experiment": "*", "permission": "READ"}]}],
            experiments=[{"name": "e"}],
            registered_models=[{"name": "m"}],
            artifacts={},
        )
    )
    assert problems == []
    assert found["users"][0]["admin"] is False
    assert found["groups"][0] == {
        "name": "g",
        "description": None,
        "members": [],
        "grants": [{"experiment": "*", "permission": "READ"}],
    }
    assert found["experiments"][0] == {
        "name": "e",
        "tags": {},
        "grants": {},
        "artifact_location": None,
        "rename_from": None,
    }
    assert found["registered_models"][0] == {
        "name": "m",
        "aliases": {},
        "tags": {},
        "grants": {},
        "description": None,
        "rename_from": None,
    }
    assert found["artifacts"] == {"serve": True, "destination": None, "root": None, "presigned": False}


def test_a_team_s_own_word_wins():
    own = team(version="3.16.1", listen_address="10.0.0.1")
    (found,), problems = read(own, version="3.13.0", listen_address="0.0.0.0")
    assert problems == []
    assert (found["version"], found["listen_address"]) == ("3.16.1", "10.0.0.1")


@pytest.mark.parametrize(
    ("address", "host"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("10.0.0.1", "10.0.0.1")],
)
def test_where_the_host_itself_reaches_the_server(address, host):
    assert read(team(listen_address=address))[0][0]["tracking_uri"] == f"http://{host}:5001"


def test_brackets_around_ipv6_addresses():
    assert read(team(listen_address="fd00::1"))[0][0]["tracking_uri"] == "http://[fd00::1]:5001"


@pytest.mark.parametrize(
    ("settings", "private"),
    [
        ({}, True),
        ({"backend_store_uri": "sqlite:////var/lib/x.db"}, True),
        ({"backend_store_uri": "postgresql+psycopg://db/mlflow"}, False),
        ({"auth_database_uri": "postgresql+psycopg://db/mlflow"}, False),
        ({"artifacts": {"destination": "/srv/artifacts"}}, True),
        ({"artifacts": {"destination": "file:///srv/artifacts"}}, True),
        ({"artifacts": {"destination": "s3://bucket"}}, False),
        ({"artifacts": {"serve": False, "root": "s3://bucket"}}, False),
        ({"backend_store_uri": "postgresql+psycopg://db/mlflow", "private_network": True}, True),
        ({"private_network": False}, False),
    ],
)
def test_a_network_only_where_it_is_needed(settings, private):
    assert read(team(**settings))[0][0]["private_network"] is private


DENIAL = {"experiment": "resnet", "permission": "DENY"}


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"users": [{"name": "bob", "grants": [DENIAL]}]}, "users: bob"),
        ({"groups": [{"name": "readers", "grants": [DENIAL]}]}, "groups: readers"),
        ({"users": [{"name": "bob"}], "experiments": [{"name": "a", "grants": {"bob": "DENY"}}]}, "experiments: a"),
    ],
)
def test_a_denial_that_the_team_s_version_does_not_have(settings, place):
    assert read(team(**settings))[1] == []
    problems = read(team(version="3.16.1", **settings))[1]
    assert problems == [f"mlflow_teams: vision: {place}: grants: DENY needs MLflow 3.17 or later; this team has 3.16.1"]


@pytest.mark.parametrize(
    ("declared", "names"),
    [
        (None, None),
        ({}, []),
        ({"users": ["robot", "alice"]}, ["alice", "robot"]),
        ({"users": ["admin"], "groups": ["g"]}, ["admin", "alice", "bob"]),
    ],
)
def test_who_may_make_things(declared, names):
    people = [{"name": name, "password": "a long password"} for name in ("alice", "bob")]
    groups = [{"name": "g", "members": ["bob", "alice"]}, {"name": "other", "members": ["bob"]}]
    given = team(users=people, groups=groups, keep_users=["robot"], creators=declared)
    (found,), problems = read(given)
    assert problems == []
    assert found["creator_names"] == names
