"""Whoever prints it, and however it is spelt: a password is not shown."""

import time

import pytest
from mlflowctl import causes, redaction


@pytest.mark.parametrize(
    "said",
    [
        "cannot reach postgresql+psycopg://ann:{raw}@db/x now",
        "cannot reach postgresql+psycopg://ann:{encoded}@db/x now",
        "could not translate host name '{tail}@db'",
        "invalid port '{raw}'",
        "repr {escaped!r}",
        "dsn user=ann password={raw} host=db",
        "dsn user=ann password='{raw}' host=db",
        '{{"password": "{raw}"}}',
        "another://bob:not@known/at all@there",
    ],
)
def test_no_password_is_shown_however_it_is_spelt(said):
    raw, encoded = "p@ss/wo:rd'\\x?#", "p%40ss%2Fwo%3Ard%27%5Cx%3F%23"
    text = said.format(raw=raw, encoded=encoded, tail="ss/wo:rd'\\x?#", escaped=raw)
    known = redaction.secrets_in(f"postgresql+psycopg://ann:{encoded}@db/x")
    line = causes.shown(redaction.hidden(text, known | {raw}))
    for secret in (raw, encoded, "ss/wo:rd", "wo:rd", "%2Fwo", "not@known"):
        assert secret not in line, line


@pytest.mark.parametrize(
    "said",
    [
        # Of a variable and of an option, each with words before.
        "PGPASSWORD=hush3d pg_dump",
        "MLFLOW_TRACKING_PASSWORD: hush3d",
        "dsn user=ann sslpassword=hush3d host=db",
        "AWS_SECRET_ACCESS_KEY=hush3d",
        "AccountName=x;AccountKey=hush3d==;EndpointSuffix=y",
        "{'access_token': 'hush3d'}",
        "OPENAI_API_KEY=hush3d",
        # Quotes within quotes, as libpq, JSON and Python write them.
        r"dsn password='it\'s hush3d' host=db",
        r'{"admin_password": "a\" hush3d"}',
        "GET /x with Authorization: Basic hush3d==",
        "{'authorization': 'Bearer hush3d'}",
    ],
)
def test_what_a_secret_is_called_may_have_more_words(said):
    assert "hush3d" not in redaction.hidden(said)


@pytest.mark.parametrize("said", ["the password is wrong", "no basic authentication", "token expired", "key: value"])
def test_what_is_none_is_shown(said):
    assert redaction.hidden(said) == said


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("postgresql://ann:simple@db/x", "simple"),
        ("postgresql://ann:a@b@db/x", "a@b"),
        ("postgresql://ann@db/x?password=in+query%21", "in query!"),
        ("mssql+pyodbc:///?odbc_connect=DRIVER%3DX%3BUID%3Da%3BPWD%3Din%40odbc", "in@odbc"),
        ("postgresql://ann:a?b#c/d@db/x", "a?b#c/d"),
    ],
)
def test_the_passwords_of_a_uri_are_known(uri, expected):
    assert expected in redaction.secrets_in(uri)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("rest:https://ann:p@ss:w0rd@host:8000/vision", "rest:https://***@host:8000/vision"),
        ("rest:https://t0ken@host/vision", "rest:https://***@host/vision"),
        ("rest:https://host/a@b", "rest:https://host/a@b"),
        ("sftp://ann@host//srv/backups", "sftp://***@host//srv/backups"),
        ("sftp:ann@host:/srv/backups", "sftp:ann@host:/srv/backups"),
        ("/srv/backups", "/srv/backups"),
    ],
)
def test_an_address_is_shown_without_who_logs_in(uri, expected):
    assert redaction.address(uri) == expected


@pytest.mark.parametrize("said", ["://a:", "://", "password=", "authorization:", "@"])
def test_what_somebody_has_written_is_read_once_however_long_it_is(said):
    """A team's code may say it in a migration, which root waits for."""
    began = time.process_time()
    redaction.hidden(said * (400_000 // len(said)))
    assert time.process_time() - began < 20
