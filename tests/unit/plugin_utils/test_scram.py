"""Passwords as PostgreSQL keeps them."""

from ansible_collections.mlops.mlflow.plugins.plugin_utils import scram

# Password, salt and number are those of RFC 7677's example.
KEPT = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


def test_knows_what_a_password_was_kept_as():
    assert scram.is_of(KEPT, "pencil")
    assert not scram.is_of(KEPT, "pencil ")


def test_keeps_one_password_in_another_way_each_time():
    first, second = scram.verifier("p@ss/w%rd"), scram.verifier("p@ss/w%rd")
    assert first != second
    assert scram.is_of(first, "p@ss/w%rd")
    assert scram.is_of(second, "p@ss/w%rd")
    assert "p@ss" not in first


def made_up(kept):
    """What a role may set as its own: with a number or a salt that nobody makes."""
    return [kept.replace("4096", number) for number in ("0", "999999999")] + [kept.replace("W22Z", "=W22Z")]


def test_what_is_kept_otherwise_is_no_password():
    for kept in (None, "", "md5" + "0" * 32, "SCRAM-SHA-256$x:a$b:c", *made_up(KEPT)):
        assert not scram.is_of(kept, "pencil")
