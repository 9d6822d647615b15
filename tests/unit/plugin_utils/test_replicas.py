"""A team on several hosts: what is refused, and who leads."""

import pytest
from ansible_collections.mlops.mlflow.plugins.lookup.teams import LookupModule
from ansible_collections.mlops.mlflow.plugins.plugin_utils.replicas import roles_of
from unit.plugin_utils.refusals import fault_of, faults, team
from unit.plugin_utils.test_resources import read

DATABASE = "postgresql+psycopg://db.example.org/x"
SHARED = {
    "servers": ["one", "two"],
    "backend_store_uri": DATABASE,
    "artifacts": {"destination": "s3://bucket/x"},
}
ONE = "or name one host in servers"
# With what stands before it, as many letters as PostgreSQL keeps.
LONG = "x" * (63 - len("mlflow@vision@"))


def shared(**settings):
    return {**SHARED, **settings}


def test_what_several_hosts_can_serve():
    assert faults(team(**SHARED)) == []
    assert faults(team(**shared(leader="two"))) == []
    assert faults(team(**shared(artifacts={"serve": False, "root": "s3://bucket/x"}))) == []
    assert faults(team(**shared(servers=[f"{LONG[:-1]}1", f"{LONG[:-1]}2"]))) == []
    # One host may have all of it on its disk.
    assert faults(team(servers=["one", "one"], leader="one")) == []
    # And a team can always go.
    assert faults(team(servers=["one", "two"], state="absent")) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"servers": [f"{LONG}-1", f"{LONG}-2"]},
            f"servers: '{LONG}-1' and '{LONG}-2' begin alike for so long that they have one name to PostgreSQL, which "
            "keeps 63 letters with mlflow@vision@ before; give one a shorter name",
        ),
        (
            {"servers": ["one", "zwölf"]},
            "servers: 'zwölf' has letters that PostgreSQL keeps no name with; call the host by another one",
        ),
        (
            {"backend_store_uri": None},
            "backend_store_uri: one and two (servers) would each have an SQLite of their own; give the team a database "
            f"in PostgreSQL that all of them reach, {ONE}",
        ),
        (
            {"servers": ["one", "two", "three"], "auth_database_uri": "sqlite:////srv/x/people.db"},
            "auth_database_uri: one, two and three (servers) would each have an SQLite of their own; give the team a "
            f"database in PostgreSQL that all of them reach, {ONE}",
        ),
        (
            {"backend_store_uri": "postgresql+psycopg://localhost/x"},
            "backend_store_uri: one and two (servers) would each mean a database of their own by its address; give the "
            f"team a database in PostgreSQL that all of them reach, {ONE}",
        ),
        (
            {"artifacts": None},
            "artifacts: destination: one and two (servers) would each keep artifacts on a disk of their own; name an "
            f"object store that all of them reach, such as s3://bucket/vision, {ONE}",
        ),
        (
            {"artifacts": {"serve": False, "root": "/srv/x"}},
            "artifacts: root: one and two (servers) would each keep artifacts on a disk of their own; name an object "
            f"store that all of them reach, such as s3://bucket/vision, {ONE}",
        ),
        (
            {"environment": {"MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:9000"}},
            "environment: MLFLOW_S3_ENDPOINT_URL: one and two (servers) would each mean a store of their own by it; "
            f"name an object store that all of them reach, such as s3://bucket/vision, {ONE}",
        ),
        (
            {"environment": {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true"}, "idle_timeout": "never"},
            "servers: jobs wait in a queue of the host that took them, and one and two would each have one; name one "
            "host in servers",
        ),
        (
            {"leader": "three"},
            "leader: 'three' is none of the team's servers (one, two); name one of them, or leave it out, and the "
            "first of servers leads",
        ),
    ],
)
def test_what_several_hosts_cannot_serve(settings, said):
    assert fault_of(**shared(**settings)) == said


def test_a_leader_without_servers():
    assert fault_of(leader="one").startswith("leader: 'one' needs servers beside it, or leave it out")


def test_a_mysql_of_several_hosts():
    packages = ["pymysql", "psycopg[binary]", "boto3"]
    (line,) = faults(team(**shared(backend_store_uri="mysql+pymysql://db/x")), packages=packages)
    assert "backend_store_uri: one and two (servers) can share a database in PostgreSQL alone; give" in line


@pytest.mark.parametrize(
    ("servers", "leader", "host", "expected"),
    [
        ([], None, "one", ([], "", True)),
        (["one"], "one", "one", ([], "", True)),
        (["one", "two"], None, "one", (["one", "two"], "one", True)),
        (["one", "two"], None, "two", (["one", "two"], "one", False)),
        (["one", "two"], "two", "one", (["one", "two"], "two", False)),
        (["one", "two", "one"], "two", "two", (["one", "two"], "two", True)),
    ],
)
def test_who_leads(servers, leader, host, expected):
    found = roles_of({"servers": servers, "leader": leader}, host)
    assert (found["replicas"], found["leader"], found["leads"]) == expected


def test_each_host_is_told_whether_it_leads():
    lookup = LookupModule()
    lookup._plain = lambda value: value
    for host, leads in (("one", True), ("two", False), ("three", None)):
        variables = {"inventory_hostname": host, "mlflow_teams": [team(**SHARED)]}
        assert [found["leads"] for found in lookup.run([], variables)] == ([] if leads is None else [leads])


def test_a_log_in_is_remembered_as_shortly_as_among_several_workers():
    (alone,), _problems = read({"workers": 1})
    (several,), _problems = read({"workers": 1, **SHARED})
    assert (alone["auth_cache_ttl_seconds"], several["auth_cache_ttl_seconds"]) == (60, 5)
