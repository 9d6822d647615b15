"""From where a team's port takes connections, and what a server with a network may talk to."""

import pytest
from ansible_collections.mlops.mlflow.plugins.plugin_utils.clients import client_problems, clients_of
from ansible_collections.mlops.mlflow.plugins.plugin_utils.network import network_defaults, network_filters

HOST = {"ansible_host": "10.0.0.5", "mlflow_server_address": None}


def team(**settings):
    return {"listen_address": "0.0.0.0", "urls": ["https://vision.example.org"], "direct_clients": [], **settings}


def clients(given, proxies, host=None):
    found = clients_of(given, proxies, HOST if host is None else host)
    return found["clients"], found["unknown_proxies"]


@pytest.mark.parametrize(
    ("given", "proxies", "allowed"),
    [
        ({}, {"p": {"ansible_host": "10.0.0.9"}}, ["localhost", "10.0.0.5", "10.0.0.9"]),
        (
            {},
            {"p": {"mlflow_proxy_address": ["10.0.0.9", "fd00::9"]}},
            ["localhost", "10.0.0.5", "10.0.0.9", "fd00::9"],
        ),
        (
            {"direct_clients": ["10.1.0.0/16"]},
            {"p": {"ansible_host": "10.0.0.9"}},
            ["localhost", "10.0.0.5", "10.0.0.9", "10.1.0.0/16"],
        ),
        ({"listen_address": "10.0.0.5"}, {"p": {"ansible_host": "10.0.0.9"}}, ["localhost", "10.0.0.5", "10.0.0.9"]),
        # Not proxied, or nobody passes it on.
        ({"urls": []}, {"p": {"ansible_host": "10.0.0.9"}}, []),
        ({}, {}, []),
        ({"urls": [], "direct_clients": ["10.1.0.7"]}, {}, ["localhost", "10.0.0.5", "10.1.0.7"]),
        # Only its own host gets there at all.
        ({"listen_address": "127.0.0.1"}, {"p": {"ansible_host": "10.0.0.9"}}, []),
        ({"listen_address": "::1", "direct_clients": ["10.1.0.7"]}, {}, []),
    ],
)
def test_only_the_proxies_and_who_is_named(given, proxies, allowed):
    assert clients(team(**given), proxies) == (allowed, [])


@pytest.mark.parametrize(
    ("proxy", "host"),
    [
        # Names, which may lead to many addresses or others tomorrow.
        ({"ansible_host": "proxy.example.org"}, HOST),
        ({}, HOST),
        ({"mlflow_proxy_address": "proxy.example.org"}, HOST),
        # Ansible gets there by another network than the proxies do.
        ({"ansible_host": "192.0.2.9"}, {**HOST, "mlflow_server_address": "10.9.0.5"}),
    ],
)
def test_a_proxy_that_is_not_known_leaves_the_port_open_and_is_named(proxy, host):
    proxies = {"known": {"mlflow_proxy_address": "10.0.0.9"}, "strange": proxy}
    assert clients(team(direct_clients=["10.1.0.7"]), proxies, host) == ([], ["strange"])


@pytest.mark.parametrize("wrong", ["proxy.example.org", "any", "10.0.0.0/33", "localhost"])
def test_who_is_no_address_is_refused(wrong):
    (problem,) = client_problems(team(direct_clients=["10.0.0.0/8", wrong]))
    assert problem.startswith(f"direct_clients: '{wrong}' is not a valid IP address or network; use one like")


def filters(networks=None, backend="postgresql+psycopg://u:p@db.example.org/x", **environment):
    declared = {
        "artifacts": {"destination": None, "root": None},
        "backend_store_uri": backend,
        "auth_database_uri": backend,
        "private_network": None,
        "allowed_networks": networks,
        "genai": None,
        "own_address": None,
        "environment": environment,
    }
    found = network_filters({**declared, **network_defaults(declared)})
    return found["network_allow"], found["network_deny"]


NOT_MEANT = {"localhost", "169.254.0.0/16", "fe80::/10", "fd00:ec2::254"}


@pytest.mark.parametrize("networks", [None, [], ["0.0.0.0/0", "::/0"], ["::/0", "0.0.0.0/0"]])
def test_a_server_that_may_reach_all_does_not_reach_what_trusts_the_host(networks):
    allow, deny = filters(networks)
    assert set(deny) >= NOT_MEANT
    assert "any" not in deny
    assert set(allow) == {"127.0.0.53", "127.0.0.54", "127.0.0.11"}


def test_what_is_named_besides_is_reached():
    allow, deny = filters(["0.0.0.0/0", "169.254.169.254"])
    assert "169.254.169.254" in allow
    assert set(deny) >= NOT_MEANT | {"::/0"}


@pytest.mark.parametrize("networks", [["10.0.0.0/8"], ["localhost"], ["0.0.0.0/1"]])
def test_what_is_named_alone_is_all(networks):
    assert filters(networks) == (networks, ["any"])


def test_a_store_is_reached_where_it_is_said_to_be():
    assert "localhost" in filters(MLFLOW_S3_ENDPOINT_URL="http://127.0.0.1:9000")[0]
    assert "169.254.1.2" in filters(backend="postgresql+psycopg://u:p@169.254.1.2/x")[0]
    assert filters(backend="postgresql+psycopg://u:p@127.0.0.1/x") == (["localhost"], ["any"])
