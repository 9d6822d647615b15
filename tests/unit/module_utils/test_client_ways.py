"""By which way the client goes to a server: proxies, IPv6, one look at the authorities; and what it leaves behind."""

import subprocess
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _client
from ansible_collections.mlops.mlflow.plugins.module_utils._client import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest, RequestRefused
from ansible_collections.mlops.mlflow.plugins.module_utils._here import is_here


def client_of(uri, **options):
    return Client(**{"tracking_uri": uri, "username": "admin", "password": "canary", **options})


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_through_the_environment_s_proxy(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.uri)
    client_of("http://mlflow.example:5001").get("/api/x")
    (request,) = server.requests
    assert request["path"] == "http://mlflow.example:5001/api/x"
    assert request["headers"]["Host"] == "mlflow.example:5001"


def test_past_a_proxy_that_is_not_for_this_host(server, other_server, monkeypatch):
    monkeypatch.setenv("http_proxy", other_server.uri)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    client_of(server.uri).get("/api/x")
    assert [request["path"] for request in server.requests] == ["/api/x"]
    assert other_server.requests == []


def test_nothing_of_this_host_s_goes_through_a_proxy(server, other_server, monkeypatch):
    monkeypatch.setenv("http_proxy", other_server.uri)
    client_of(server.uri).get("/api/x")
    client_of(server.uri.replace("127.0.0.1", "localhost")).get("/api/x")
    assert [request["path"] for request in server.requests] == ["/api/x"] * 2
    assert other_server.requests == []


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.7.6", True),
        ("::1", True),
        # What a host listens on everywhere by, it is asked for by itself.
        ("0.0.0.0", True),
        ("::", True),
        ("203.0.113.5", False),
        ("2001:db8::5", False),
        ("nowhere.invalid", False),
        ("", False),
        ("a" * 70 + ".example.org", False),
    ],
)
def test_what_is_this_host_s(host, own):
    assert is_here(host) is own


def test_each_address_of_this_host_is_its_own():
    addresses = subprocess.run(["hostname", "--all-ip-addresses"], capture_output=True, text=True, check=True).stdout
    assert all(map(is_here, addresses.split()))


def test_a_server_that_answers_to_other_names_is_told_from_one_that_allows_less(server):
    server.answers(403, "Invalid Host header - possible DNS rebinding attack detected")
    with pytest.raises(RequestRefused) as caught:
        client_of(server.uri).get("/api/x")
    assert "Host check does not know the name in" in str(caught.value)
    assert "allowed_hosts" in str(caught.value)
    assert "log in as an admin" not in str(caught.value)


def test_a_unix_socket_needs_no_proxy(unix_server, other_server, monkeypatch):
    monkeypatch.setenv("http_proxy", other_server.uri)
    client_of("http://mlflow.example:5001", unix_socket=unix_server.server_address).get("/api/x")
    assert [request["path"] for request in unix_server.requests] == ["/api/x"]
    assert other_server.requests == []


def test_ipv6(ipv6_server):
    client_of(ipv6_server.uri).get("/api/x")
    assert ipv6_server.requests[0]["headers"]["Host"] == ipv6_server.uri.removeprefix("http://")


def test_trust_is_read_once(tls_server):
    client = client_of(tls_server.uri, ca_path=str(tls_server.certificate))
    client.get("/api/x")
    Path(tls_server.certificate).unlink()
    client.get("/api/x")
    assert len(tls_server.requests) == 2


def test_authorities_are_read_only_where_somebody_may_show_a_certificate(server, other_server, monkeypatch):
    read, make = [], _client.make_context
    monkeypatch.setattr(_client, "make_context", lambda **options: read.append(options) or make(**options))
    client_of(server.uri).get("/api/x")
    assert read == []
    # Perhaps by HTTPS, which only the environment says.
    monkeypatch.setenv("http_proxy", other_server.uri)
    client_of("http://mlflow.example:5001").get("/api/x")
    assert len(other_server.requests) == len(read) == 1


def test_no_cookie_is_kept(server):
    server.answers(200, {}, Set_Cookie="session=admin; Path=/")
    client = client_of(server.uri)
    client.get("/api/x")
    client.login_works("bob", "any")
    assert [request["headers"].get("Cookie") for request in server.requests] == [None, None]


def test_no_netrc_is_read(server, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login root password canary\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    client_of(server.uri, username="").get("/api/x")
    assert "Authorization" not in server.requests[0]["headers"]


@pytest.mark.parametrize("address", ["http://al:canary@127.0.0.1:5001", "https://canary@mlflow.example/team"])
def test_an_address_with_credentials_is_refused_unseen(address):
    with pytest.raises(InvalidRequest, match=r"^tracking_uri: give the account as username and password") as caught:
        client_of(address)
    assert "canary" not in str(caught.value)


def test_an_at_sign_further_on_is_no_account(server):
    client_of(f"{server.uri}/team@site").get("/api/x")
    assert server.requests[0]["path"] == "/team@site/api/x"
