"""Where a team's data may be, and how much network that takes."""

import pytest
from ansible_collections.mlops.mlflow.plugins.lookup import teams as lookup
from ansible_collections.mlops.mlflow.plugins.plugin_utils.declaration import read_teams, team_schema

SCHEMA = team_schema(lookup.DOCUMENTATION)


def read(*teams):
    declared = [{"admin_password": "correct horse", "port": 5000 + n, **team} for n, team in enumerate(teams, 1)]
    return read_teams([("", {"name": f"team-{n}", **team}) for n, team in enumerate(declared)], SCHEMA, lookup.DEFAULTS)


def destination(uri):
    return {"artifacts": {"destination": uri}}


@pytest.mark.parametrize(
    ("team", "found"),
    [
        ({}, []),
        (destination("s3://bucket/path"), []),
        (destination("/var/lib/mlflow/team-0/below"), []),
        (destination("/srv/artifacts/vision"), ["/srv/artifacts/vision"]),
        (destination("file:///srv/big%20disk/vision"), ["/srv/big disk/vision"]),
        ({"backend_store_uri": "sqlite:////srv/a%20b/one.db?timeout=30"}, ["/srv/a%20b"]),
        ({"auth_database_uri": "sqlite+pysqlite:////srv/auth/one.db"}, ["/srv/auth"]),
        (
            {"backend_store_uri": "sqlite:////srv/db/one.db", "auth_database_uri": "sqlite:////srv/db/two.db"},
            ["/srv/db"],
        ),
    ],
)
def test_directories_the_role_has_to_make(team, found):
    (read_team,), problems = read(team)
    assert (read_team["storage_dirs"], problems) == (found, [])


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("/srv", "'/srv' is to belong to the team alone; use a directory below it"),
        ("/", "'/' is to belong to the team alone; use a directory below it"),
        ("/home/vision/artifacts", "is below /home, which the unit does not see"),
        ("/tmp/artifacts", "is below /tmp, which the unit does not see"),  # noqa: S108 - to be refused
        ("/var/lib/mlflow/other/artifacts", "is below /var/lib/mlflow, but not the team's own"),
        ("/srv/a/../../etc", "has quotes, dollars, backslashes or '..'; use a plain path"),
        ("/srv/a$HOME", "use a plain path"),
        ("/srv/größer", "use a plain path"),
    ],
)
def test_places_that_cannot_be(uri, problem):
    problems = read(destination(uri))[1]
    assert len(problems) == 1
    assert problems[0].startswith("mlflow_teams: team-0: artifacts: destination: ")
    assert problem in problems[0]


@pytest.mark.parametrize(("second", "clash"), [("/srv/a/b", True), ("/srv/a/b/c", True), ("/srv/a/c", False)])
def test_two_teams_in_one_place(second, clash):
    problems = read(destination("/srv/a/b"), destination(second))[1]
    assert problems == ([f"mlflow_teams: 'team-0' and 'team-1' both want {second} for themselves"] if clash else [])


@pytest.mark.parametrize(
    ("team", "private", "networks"),
    [
        ({}, True, []),
        (destination("/srv/a/b"), True, []),
        (destination("s3://bucket/path"), False, []),
        ({"backend_store_uri": "postgresql+psycopg://u:p@localhost/db"}, False, ["localhost"]),
        ({"backend_store_uri": "postgresql+psycopg://u:p@[::1]:5432/db"}, False, ["localhost"]),
        ({"backend_store_uri": "postgresql+psycopg://u:p@127.0.0.1/db", **destination("s3://b")}, False, []),
        ({"backend_store_uri": "postgresql+psycopg://u:p@127.example.org/db"}, False, []),
        ({"allowed_networks": ["10.0.0.0/8"]}, False, ["10.0.0.0/8"]),
        ({"private_network": False}, False, []),
    ],
)
def test_no_more_network_than_the_stores_need(team, private, networks):
    (found,), problems = read(team)
    assert (found["private_network"], found["allowed_networks"], problems) == (private, networks, [])


@pytest.mark.parametrize(
    ("team", "problem"),
    [
        ({"allowed_networks": ["db.example.org"]}, "'db.example.org' is neither an IP address or network"),
        ({"allowed_networks": ["::1"], "private_network": True}, "has no meaning with private_network: true"),
    ],
)
def test_networks_that_cannot_be(team, problem):
    (found,) = read(team)[1]
    assert found.startswith(f"mlflow_teams: team-0: allowed_networks: {problem}")
