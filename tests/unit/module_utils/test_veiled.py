"""What a diff shows of what may give access elsewhere: it goes to screens and logs."""

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._gateway import secret_after, secret_facts, veiled_secret
from ansible_collections.mlops.mlflow.plugins.module_utils._webhooks import veiled_webhook


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.org/services/T0/B0/key", "https://hooks.example.org/***"),
        ("https://e.org?token=key", "https://e.org/***"),
        ("https://e.org/#key", "https://e.org/***"),
        ("https://bot:key@e.org:8443/x", "https://e.org:8443/***"),
        ("https://key@[2001:db8::1]:8443", "https://[2001:db8::1]:8443/***"),
        ("https://bot:k/ey@e.org", "***"),
        ("https://bot:k@ey@e.org/", "https://e.org/***"),
        ("https://e.org\\key/x", "***"),
        ("key", "***"),
        ("HTTPS://e.org/", "HTTPS://e.org/"),
        ("https://e.org:443", "https://e.org:443"),
        ("", ""),
    ],
)
def test_an_address_is_shown_as_far_as_it_leads(url, shown):
    assert veiled_webhook(None, {"name": "hook", "url": url}) == (None, {"name": "hook", "url": shown})


def test_that_an_address_becomes_another_is_shown():
    facts = [{"url": f"https://e.org/{key}"} for key in ("first", "second")]
    assert veiled_webhook(*facts) == ({"url": "https://e.org/***"}, {"url": "https://e.org/*** (another)"})
    assert veiled_webhook(facts[0], facts[0]) == ({"url": "https://e.org/***"},) * 2
    assert facts[0] == {"url": "https://e.org/first"}


def test_nothing_is_shown_of_a_secret_but_how_its_parts_are_called():
    present = {"secret_name": "key", "masked_values": {"api_key": "sk-...9xyZ"}}
    wanted = {"provider": None, "auth_config": None, "values": {"api_key": "abcdefgh"}}
    shown = veiled_secret(secret_facts(present), secret_after(present, wanted))
    assert [it["masked_values"] for it in shown] == [{"api_key": "***"}] * 2
    assert veiled_secret(None, None) == (None, None)
