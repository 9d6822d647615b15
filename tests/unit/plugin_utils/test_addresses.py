"""Names and addresses of a team: in DNS, in Host headers, as origins, and where it listens."""

import fnmatch

import pytest
from ansible_collections.mlops.mlflow.plugins.plugin_utils.addresses import answered_hosts
from unit.plugin_utils.refusals import fault_of, faults, team

HYPHEN = "ends with a hyphen, which no name in DNS does; end it with a letter or a digit"
RESERVED = "has hyphens in third and fourth place, which DNS keeps for names in other alphabets; leave one of them out"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a-", HYPHEN),
        ("vision-", HYPHEN),
        ("a--", HYPHEN),
        ("ab--c", RESERVED),
        ("xn--vision", RESERVED),
        ("ab--", HYPHEN),
    ],
)
def test_names_that_are_no_labels(name, said):
    assert faults(team(name)) == [f"mlflow_teams: {name}: name: '{name}' {said}"]
    # Or nothing could end a team of a time when this was not asked.
    assert faults(team(name, state="absent")) == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a\nb", "a\\nb"), ("a\x1b[2J", "a\\u001b[2J"), ("a" * 25, "a" * 25), ("-a", "-a"), ("a_b", "a_b")],
)
def test_names_that_are_none(name, shown):
    (line,) = faults(team(name))
    assert line.startswith(
        f"mlflow_teams: {shown}: name: '{shown}' is not a valid name; use 1 to 24 lower-case letters"
    )


MORE = "is an address with more than a host in it; give what a Host header holds, such as mlflow.example.org"
NOTHING = "is not valid in a Host header"


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("https://mlflow.example.org", MORE),
        ("http://mlflow.example.org:5001", MORE),
        ("//mlflow.example.org", MORE),
        ("mlflow.example.org/", MORE),
        ("mlflow.example.org/vision", MORE),
        ("10.0.0.0/8", MORE),
        ("a.example.org,b.example.org", "has a comma; give each host as an item of its own"),
        ("", NOTHING),
        (" mlflow.example.org", NOTHING),
        ("mlflow.example.org ", NOTHING),
        ("mlflow example", NOTHING),
        ("user@mlflow.example.org", NOTHING),
        ("mlflow.example.org:", NOTHING),
        ("mlflow.example.org:https", NOTHING),
        ("mlflow.example.org\n", NOTHING),
        ("bücher.example.org", NOTHING),
        ("{{ host }}", NOTHING),
    ],
)
def test_hosts_that_nobody_asks_for(host, said):
    line = fault_of(allowed_hosts=[host])
    assert line.startswith("allowed_hosts: '")
    assert said in line


@pytest.mark.parametrize(
    "host",
    [
        "mlflow.example.org",
        "mlflow1",
        "*.example.org",
        "mlflow.example.org:5001",
        "mlflow1:*",
        "10.*",
        "[::1]:*",
        "[[]::1]:*",
        "*",
    ],
)
def test_hosts_that_somebody_asks_for(host):
    assert faults(team(allowed_hosts=[host])) == []


NO_SCHEME = "has no scheme; give the whole origin, such as https://mlflow.example.org"
NO_ORIGIN = "is not a valid origin; give scheme, host and port alone"


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ("mlflow.example.org", NO_SCHEME),
        ("mlflow.example.org:5001", NO_SCHEME),
        ("//mlflow.example.org", NO_SCHEME),
        ("", NO_SCHEME),
        ("null", NO_SCHEME),
        ("https:mlflow.example.org", NO_SCHEME),
        ("ftp://mlflow.example.org", "is not a valid origin of a page on the web; begin it with https:// or http://"),
        ("https://mlflow.example.org/", "has a path, which no origin has"),
        ("https://mlflow.example.org/vision", "has a path, which no origin has"),
        ("https://a.example.org,https://b.example.org", NO_ORIGIN),
        ("https://user@mlflow.example.org", NO_ORIGIN),
        ("https://mlflow.example.org:port", NO_ORIGIN),
        ("https://mlflow.example.org:99999", NO_ORIGIN),
        ("https://mlflow.example.org ", NO_ORIGIN),
        ("https://mlflow.example.org:443", "the port that browsers leave out; write https://mlflow.example.org"),
        ("http://[::1]:80", "the port that browsers leave out; write http://[::1]"),
        ("https://MLflow.example.org", "has capitals, which no browser sends; write https://mlflow.example.org"),
        ("https://", NO_ORIGIN),
        ("https://mlflow.example.org\n", NO_ORIGIN),
    ],
)
def test_origins_that_no_page_has(origin, said):
    line = fault_of(cors_allowed_origins=[origin])
    assert line.startswith("cors_allowed_origins: '")
    assert said in line


@pytest.mark.parametrize(
    "origin", ["https://mlflow.example.org", "http://mlflow1:8080", "https://*.example.org", "http://[::1]:3000", "*"]
)
def test_origins_that_pages_have(origin):
    assert faults(team(cors_allowed_origins=[origin])) == []


@pytest.mark.parametrize(
    "address", ["", "localhost", "1.2.3", "256.1.1.1", "::::", "10.0.0.1/8", "10.0.0.1:80", " 10.0.0.1", "[::1]"]
)
def test_addresses_that_are_none(address):
    defaults = {"listen_address": address} if address else {"listen_address": "none"}
    assert fault_of(**defaults) == f"listen_address: '{defaults['listen_address']}' is not a valid IP address"


@pytest.mark.parametrize("address", ["224.0.0.1", "ff02::1", "fe80::1%eth0", "fe80::1", "255.255.255.255", "240.0.0.1"])
def test_addresses_that_no_server_has(address):
    assert (
        fault_of(listen_address=address) == f"listen_address: '{address}' is not an address that a server can listen on"
    )


def test_an_address_that_is_another_s():
    line = fault_of(listen_address="::ffff:10.0.0.1")
    assert line.endswith("is an IPv4 address, which nobody asks for in this way; write 10.0.0.1")


@pytest.mark.parametrize("address", ["169.254.1.1", "100.64.0.5", "fd00::5", "::1", "0.0.0.0", "::"])
def test_addresses_that_a_server_may_have(address):
    assert faults(team(listen_address=address)) == []


def answers(host, listens_on, allowed=()):
    """Compare a Host header as mlflow.server.security_utils does."""
    declared = {"listen_address": listens_on, "port": 5001, "own_address": None, "allowed_hosts": list(allowed)}
    patterns = answered_hosts(declared, ["MLflow1.example.org", "10.1.2.3", "2001:db8::1"])
    return any(fnmatch.fnmatchcase(host, each) if "*" in each else host == each for each in patterns)


@pytest.mark.parametrize(
    ("host", "listens_on", "allowed"),
    [
        ("localhost", "127.0.0.1", []),
        ("localhost:5001", "127.0.0.1", []),
        ("127.0.0.1:5001", "10.0.0.5", []),
        ("[::1]:5001", "127.0.0.1", []),
        # What others call the host.
        ("mlflow1.example.org", "10.0.0.5", []),
        ("mlflow1.example.org:5001", "0.0.0.0", []),
        ("10.1.2.3:5001", "10.0.0.5", []),
        ("[2001:db8::1]:5001", "10.0.0.5", []),
        # What it listens on.
        ("10.0.0.5:5001", "10.0.0.5", []),
        ("100.64.0.5:5001", "100.64.0.5", []),
        ("203.0.113.9:5001", "203.0.113.9", []),
        ("[fd00::5]:5001", "fd00::5", []),
        ("[2001:db8::5]:5001", "2001:db8::5", []),
        ("[2001:db8:0:0::5]:5001", "2001:db8::5", []),
        ("100.64.0.5:5001", "0.0.0.0", []),
        ("203.0.113.9:5001", "0.0.0.0", []),
        ("203.0.113.9:5001", "::", []),
        ("[2001:db8::77]:5001", "::", []),
        # What is allowed besides; a name covers its ports.
        ("ml.example.org:5001", "127.0.0.1", ["ml.example.org"]),
        ("ml.example.org", "127.0.0.1", ["ml.example.org"]),
        # Clients send it in lower case, whatever their users write.
        ("ml.example.org:5001", "127.0.0.1", ["ML.example.org"]),
        ("ml.example.org:5001", "127.0.0.1", ["ml.example.org:5001"]),
        ("a.example.org:5001", "127.0.0.1", ["*.example.org"]),
        ("[2001:db8::7]:5001", "127.0.0.1", ["[2001:db8::7]"]),
        ("[2001:db8::7]:5001", "127.0.0.1", ["[2001:db8::7]:*"]),
        ("[2001:db8::7]:5001", "127.0.0.1", ["[2001:db8::7]:5001"]),
        ("[2001:db8::7]:5001", "127.0.0.1", ["2001:db8::7"]),
        ("[2001:db8::7]:5001", "127.0.0.1", ["[[]2001:db8::7]:*"]),
        ("[2001:db8::7]:5001", "127.0.0.1", ["[2001:db8:*]"]),
        ("any.example.net:1", "127.0.0.1", ["*"]),
    ],
)
def test_hosts_that_are_answered(host, listens_on, allowed):
    assert answers(host, listens_on, allowed)


@pytest.mark.parametrize(
    ("host", "listens_on", "allowed"),
    [
        ("evil.example.net:5001", "0.0.0.0", []),
        ("evil.example.net", "::", []),
        # As MLflow's own 10.* takes it.
        ("10.evil.example.net:5001", "0.0.0.0", []),
        ("mlflow1.example.org.evil.example.net:5001", "0.0.0.0", []),
        ("10.0.0.6:5001", "10.0.0.5", []),
        ("203.0.113.9:5001", "127.0.0.1", []),
        ("203.0.113.9:5002", "0.0.0.0", []),
        ("[2001:db8::8]:5001", "127.0.0.1", ["[2001:db8::7]"]),
        ("2:5001", "127.0.0.1", ["[2001:db8::7]"]),
        ("ml.example.org:5002", "127.0.0.1", ["ml.example.org:5001"]),
    ],
)
def test_hosts_that_are_not_answered(host, listens_on, allowed):
    assert not answers(host, listens_on, allowed)
