"""Teams that would write to each other's databases and stores."""

import pytest
from unit.plugin_utils.refusals import faults, team


def two(first, second, **settings):
    return faults(team(**first, **settings), team("nlp", 5002, **second, **settings))


def database(uri):
    return {"backend_store_uri": uri}


def destination(uri, **environment):
    return {"artifacts": {"destination": uri}, "environment": environment}


ON_DB = "the database x (postgresql on db.example.org:5432)"


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        (database("postgresql+psycopg://db.example.org/x"), database("postgresql+psycopg://db.example.org/x"), ON_DB),
        (
            database("postgresql+psycopg://a:b@db.example.org/x"),
            database("postgresql+psycopg://c@DB.example.org:5432/x"),
            ON_DB,
        ),
        (
            database("postgresql+psycopg://db.example.org/x"),
            {"auth_database_uri": "postgresql+psycopg://db.example.org/x?sslmode=require"},
            ON_DB,
        ),
        (
            database("postgresql+psycopg://localhost/x"),
            database("postgresql+psycopg:///x?host=/run/postgresql"),
            "the database x (postgresql on this host:5432)",
        ),
        # Each of several hosts, with its port.
        (
            database("postgresql+psycopg:///x?host=db:5433&host=other"),
            database("postgresql+psycopg://db:5433/x"),
            "the database x (postgresql on db:5433)",
        ),
        (
            database("postgresql+psycopg:///x?host=one,two&port=5432,5433"),
            database("postgresql+psycopg:///x?host=[fd00::1]:5433,two:5433"),
            "the database x (postgresql on two:5433)",
        ),
        (
            database("postgresql+psycopg:///x?host=[fd00::1]:5433"),
            database("postgresql+psycopg://[fd00::1]:5433/x"),
            "the database x (postgresql on fd00::1:5433)",
        ),
        (destination("s3://bucket/a"), destination("s3://bucket/a/"), "s3://bucket/a"),
        (destination("s3://bucket"), destination("s3://bucket/a"), "s3://bucket/a"),
        (destination("s3://bucket/a"), destination("s3://bucket"), "s3://bucket/a"),
        (
            destination("s3://bucket/a"),
            {"experiments": [{"name": "e", "artifact_location": "s3://bucket/a/1"}]},
            "s3://bucket/a/1",
        ),
        (destination("s3://bucket/a"), {"artifacts": {"serve": False, "root": "s3://bucket/a/b"}}, "s3://bucket/a/b"),
    ],
)
def test_what_two_teams_would_share(first, second, what):
    (line,) = two(first, second)
    assert line.startswith(f"mlflow_teams: 'vision' and 'nlp' both want {what} for themselves; give each team ")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (database("postgresql+psycopg://db/x"), database("postgresql+psycopg://db/y")),
        (database("postgresql+psycopg://db/x"), database("postgresql+psycopg://other/x")),
        (database("postgresql+psycopg://db/x"), database("postgresql+psycopg://db:5433/x")),
        (database("postgresql+psycopg://db/x"), database("postgresql+psycopg:///x?host=db:5433,other")),
        (
            database("postgresql+psycopg://db/x?options=-csearch_path%3Da"),
            database("postgresql+psycopg://db/x?options=-csearch_path%3Db"),
        ),
        (destination("s3://bucket/a"), destination("s3://bucket/ab")),
        (
            destination("s3://bucket/a", MLFLOW_S3_ENDPOINT_URL="http://one:9000"),
            destination("s3://bucket/a", MLFLOW_S3_ENDPOINT_URL="http://two:9000"),
        ),
    ],
)
def test_what_two_teams_have_apart(first, second):
    assert two(first, second) == []


def test_a_name_that_every_host_means_itself_by_is_shared_on_one_host_alone():
    local = database("postgresql+psycopg://localhost/x")
    assert faults(team(servers=["one"], **local), team("nlp", servers=["two"], **local)) == []
    assert len(faults(team(servers=["one"], **local), team("nlp", 5002, servers=["one"], **local))) == 1
    away = database("postgresql+psycopg://db/x")
    assert len(faults(team(servers=["one"], **away), team("nlp", servers=["two"], **away))) == 1


def test_a_team_may_follow_one_that_is_to_be_gone():
    away = database("postgresql+psycopg://db/x")
    assert faults(team(state="absent", **away), team("nlp", 5002, **away)) == []


@pytest.mark.parametrize(
    ("mine", "theirs"), [("/srv/a/b", "/srv/a/b/c"), ("/srv/a/b/c", "/srv/a/b"), ("/srv/a/b", "/srv/a/b")]
)
def test_one_team_s_directory_in_another_s(mine, theirs):
    served, written = {"artifacts": {"destination": mine}}, {"artifacts": {"serve": False, "root": theirs}}
    (line,) = two(served, written)
    assert line == f"mlflow_teams: 'vision' and 'nlp' both want {max(mine, theirs)} for themselves"
