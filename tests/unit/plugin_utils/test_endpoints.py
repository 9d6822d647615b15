"""Where people reach a team through the proxies, and where the proxies reach its servers."""

import pytest
from ansible_collections.mlops.mlflow.plugins.plugin_utils.endpoints import (
    address_for,
    door_problems,
    merge,
    server_of,
    with_endpoints,
)

DOMAIN = "mlflow.example.org"


def team(**settings):
    declared = {"name": "vision", "proxied": True, "allowed_hosts": [], "cors_allowed_origins": [], "port": 5001}
    return {**declared, "listen_address": "0.0.0.0", "sqlite_files": [], **settings}


def test_a_name_of_its_own():
    opened = with_endpoints(team(), DOMAIN, ["name"], 443)
    assert opened["urls"] == ["https://vision.mlflow.example.org"]
    assert opened["allowed_hosts"] == ["vision.mlflow.example.org", "vision.mlflow.example.org:*"]
    assert opened["cors_allowed_origins"] == ["https://vision.mlflow.example.org"]


def test_a_path_of_its_own_on_another_port():
    opened = with_endpoints(team(), DOMAIN, ["path"], 8443)
    assert opened["urls"] == ["https://mlflow.example.org:8443/vision"]
    assert opened["allowed_hosts"] == [DOMAIN, f"{DOMAIN}:*"]
    assert opened["cors_allowed_origins"] == ["https://mlflow.example.org:8443"]


def test_both_ways_beside_what_the_team_says_itself():
    declared = team(allowed_hosts=["here", DOMAIN], cors_allowed_origins=["https://here"])
    opened = with_endpoints(declared, DOMAIN, ["path", "name"], 443)
    assert opened["urls"] == ["https://mlflow.example.org/vision", "https://vision.mlflow.example.org"]
    names = ["vision.mlflow.example.org", "vision.mlflow.example.org:*"]
    assert opened["allowed_hosts"] == ["here", DOMAIN, f"{DOMAIN}:*", *names]
    assert opened["cors_allowed_origins"][0] == "https://here"


@pytest.mark.parametrize("closed", [team(proxied=False), team()])
def test_without_a_proxy_nothing_changes(closed):
    assert with_endpoints(closed, DOMAIN if not closed["proxied"] else "", ["name"], 443) == {**closed, "urls": []}


@pytest.mark.parametrize(
    ("domain", "ways", "port", "named"),
    [
        ("localhost", ["name"], 443, "mlflow_proxy_domain: 'localhost' is not a valid host name"),
        ("Mlflow.example.org", ["name"], 443, "in lower case"),
        ("a.example.org; deny all", ["name"], 443, "is not a valid host name"),
        ("https://mlflow.example.org", ["name"], 443, "is not a valid host name"),
        ("mlflow.example.org.", ["name"], 443, "is not a valid host name"),
        ("mlflow-.example.org", ["name"], 443, "is not a valid host name"),
        ("-mlflow.example.org", ["name"], 443, "is not a valid host name"),
        (f"{'m' * 64}.example.org", ["name"], 443, "is not a valid host name"),
        ("10.0.0.1", ["name"], 443, "is not a valid host name"),
        (f"{DOMAIN}\n", ["name"], 443, "is not a valid host name"),
        (DOMAIN, [], 443, "mlflow_proxy_routing: []"),
        (DOMAIN, ["host"], 443, "mlflow_proxy_routing: ['host'] is not a list of 'name', 'path' or both"),
        (DOMAIN, ["name"], 0, "mlflow_proxy_https_port: 0"),
    ],
)
def test_what_is_wrong_is_named(domain, ways, port, named):
    (problem,) = door_problems(domain, ways, port)
    assert named in problem


def test_nothing_is_wrong():
    assert list(door_problems("", ["name"], 443)) == []
    assert list(door_problems(DOMAIN, ["path", "name"], 8443)) == []


@pytest.mark.parametrize(
    ("listens_on", "from_host", "address"),
    [
        ("127.0.0.1", "one", "127.0.0.1:5001"),
        ("127.0.0.1", "proxy", None),
        ("::1", "proxy", None),
        ("0.0.0.0", "one", "127.0.0.1:5001"),
        ("0.0.0.0", "proxy", "one.example.org:5001"),
        ("::", "one", "[::1]:5001"),
        ("10.0.0.7", "one", "10.0.0.7:5001"),
        ("10.0.0.7", "proxy", "10.0.0.7:5001"),
        ("fd00::7", "proxy", "[fd00::7]:5001"),
    ],
)
def test_where_a_host_reaches_a_server(listens_on, from_host, address):
    assert address_for(server_of(team(listen_address=listens_on), "one", "one.example.org"), from_host) == address


def servers(*hosts, **settings):
    return [(team(**settings), server_of(team(), host, host)) for host in hosts]


def test_replicas_are_one_team():
    (found,), problems = merge(servers("one", "two"))
    assert ([server["host"] for server in found["hosts"]], problems) == (["one", "two"], [])


def test_two_databases_are_not_one_team():
    _found, (problem,) = merge(servers("one", "two", "three", sqlite_files=["/x"]))
    assert problem.startswith("mlflow_teams: vision: servers: one and two would each have a database of their own")
    assert merge(servers("one", "two", sqlite_files=["/x"], proxied=False))[1] == []
