"""With whom a proxy shares an address."""

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.address_sharing import address_sharing
from ansible_collections.mlops.mlflow.plugins.plugin_utils.vrrp import Proxy, is_shareable, sharing

SHARED = "192.0.2.10/24"


def proxy(number, shared=SHARED, own="", reached=None):
    return Proxy(f"proxy{number}", shared, own, f"192.0.2.{number}" if reached is None else reached)


def test_each_knows_the_others_and_who_is_preferred():
    proxies = [proxy(1), proxy(2, own=["fd00::2", "192.0.2.22"], reached="p2.example.org"), proxy(3, shared="")]
    assert sharing("proxy1", proxies) == {"own": "192.0.2.1", "peers": ["192.0.2.22"], "priority": 200, "problems": []}
    assert sharing("proxy2", proxies) == {"own": "192.0.2.22", "peers": ["192.0.2.1"], "priority": 199, "problems": []}


def test_two_pairs_know_nothing_of_each_other():
    proxies = [proxy(1), proxy(2, shared="192.0.2.11/24"), proxy(3), proxy(4, shared="192.0.2.11/24")]
    assert sharing("proxy4", proxies)["peers"] == ["192.0.2.2"]
    assert sharing("proxy3", proxies)["peers"] == ["192.0.2.1"]


def test_one_is_enough():
    assert sharing("proxy1", [proxy(1)])["peers"] == []


@pytest.mark.parametrize("shared", ["", None, "192.0.2.10", "nonsense"])
def test_who_shares_nothing_that_can_be_shared_has_no_peers(shared):
    proxies = [proxy(1, shared=shared), proxy(2, shared=shared)]
    assert sharing("proxy1", proxies) == {"own": "", "peers": [], "priority": 0, "problems": []}


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (proxy(2, reached="p2.example.org"), "mlflow_proxy_address: proxy2 shares 192.0.2.10/24, and its own IPv4"),
        (proxy(2, own="fd00::2"), "mlflow_proxy_address: proxy2 shares 192.0.2.10/24, and its own IPv4"),
        (proxy(2, own=[], reached=""), "mlflow_proxy_address: proxy2 shares 192.0.2.10/24, and its own IPv4"),
        (proxy(2, own="192.0.2.1"), "mlflow_proxy_address: 192.0.2.1 is given for proxy2 and for another proxy"),
        (proxy(2, own="10.9.9.1"), "mlflow_proxy_address: 10.9.9.1 of proxy2 is not in the network of 192.0.2.10/24"),
        (proxy(2, own="127.0.0.1"), "mlflow_proxy_address: 127.0.0.1 of proxy2 is not in the network"),
        (
            proxy(2, shared="192.0.2.10/25"),
            "mlflow_proxy_shared_address: proxy2 writes 192.0.2.10/25 for 192.0.2.10/24",
        ),
        (proxy(2, own="192.0.2.10"), "mlflow_proxy_shared_address: 192.0.2.10 is proxy2's own"),
    ],
)
def test_what_forbids_it_is_named(second, said):
    (problem,) = sharing("proxy1", [proxy(1), second])["problems"]
    assert problem.startswith(said)


def test_the_filter_puts_together_what_belongs_together():
    found = ["proxy1", "proxy2"] | Piped("proxy2", [SHARED, SHARED], ["", "192.0.2.22"], ["192.0.2.1", "p2"])
    assert found["peers"] == ["192.0.2.1"]


class Piped:
    """As a template calls a filter."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __ror__(self, names):
        return address_sharing(names, *self.arguments)


@pytest.mark.parametrize("text", ["192.0.2.10/24", "192.0.2.10/32", "fd00::10/64"])
def test_what_can_be_shared(text):
    assert is_shareable(text)


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.10",
        "192.0.2.10/33",
        "192.0.2.10/255.255.255.0",
        "127.0.0.2/8",
        "192.0.2.0/24",
        "192.0.2.255/24",
        "fe80::1%eth0/64",
        "fe80::1/64",
        "::/0",
        "224.0.0.18/32",
        "a/24",
        "192.0.2.10/24\n}",
        "192.0.2.10/ 24",
    ],
)
def test_what_cannot_be_shared(text):
    assert not is_shareable(text)
