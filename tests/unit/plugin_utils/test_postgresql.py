"""Which databases and accounts a PostgreSQL is asked for, and which cannot be made."""

import pytest
from ansible_collections.mlops.mlflow.plugins.filter import database_accounts as of_filter
from ansible_collections.mlops.mlflow.plugins.plugin_utils.postgresql import accounts_of

CANARY = "canary-pass-word"
SERVER = {
    "host": "db1",
    "addresses": ["db.example.org", "pooler.example.org:6432"],
    "port": 5432,
    "login_user": "postgres",
    "login_db": "postgres",
    "local": True,
    "only": [],
}


@pytest.fixture(autouse=True)
def collection_there(monkeypatch):
    """Ask for one that is always there: ansible-core alone has no other than its own."""
    monkeypatch.setattr(of_filter, "COLLECTION", "mlops.mlflow")


def uri(name="nlp", host="db.example.org", user=None, password=CANARY):
    return f"postgresql+psycopg://{name if user is None else user}:{password}@{host}/{name}"


def team(name="nlp", tracking=None, people=None, state="present", hosts=("one",)):
    tracking = tracking or uri(name)
    return {
        "name": name,
        "state": state,
        "hosts": [{"host": host} for host in hosts],
        "backend_store_uri": tracking,
        "auth_database_uri": people or tracking,
    }


def found(*teams, **server):
    return of_filter.database_accounts(list(teams), {**SERVER, **server})


def faults(*teams, **server):
    lines = found(*teams, **server)["problems"]
    for line in lines:
        assert line.isprintable()
        assert "canary" not in line
    return lines


def fault_of(tracking):
    (line,) = faults(team(tracking=tracking))
    assert line.startswith("mlflow_teams: nlp: backend_store_uri: "), line
    return line.removeprefix("mlflow_teams: nlp: backend_store_uri: ")


def test_reads_what_a_uri_names():
    (account,) = accounts_of(team(tracking="postgresql+psycopg://n:p%40%2Fw@[fd00::1]:5433/nlp?sslmode=require"))
    assert (account["role"], account["password"], account["database"]) == ("n", "p@/w", "nlp")
    assert (account["places"], account["sslmode"]) == ([("fd00::1", 5433)], "require")
    several = "postgresql+psycopg://n:p@/nlp?host=a,b,c&port=5432,5433"
    assert accounts_of(team(tracking=several))[0]["places"] == [("a", 5432), ("b", 5433), ("c", 5433)]
    each = "postgresql+psycopg://n:p@/nlp?host=a:5433&host=b:5434&host=c"
    assert accounts_of(team(tracking=each))[0]["places"] == [("a", 5433), ("b", 5434), ("c", 5432)]
    (account,) = accounts_of(team(tracking="postgresql+psycopg://n:p?a=b&w@h:1/a?host=x&port=2&dbname=b"))
    assert (account["password"], account["places"], account["database"]) == ("p?a=b&w", [("x", 2)], "b")


def test_both_databases_of_a_team():
    (one,) = accounts_of(team())
    assert one["option"] == "backend_store_uri"
    tracking, people = accounts_of(team(people=uri("people", user="nlp")))
    assert [tracking["database"], people["database"]] == ["nlp", "people"]
    assert accounts_of(team(tracking="sqlite:////srv/x.db")) == []
    (people,) = accounts_of(team(tracking="sqlite:////srv/x.db", people=uri()))
    assert people["option"] == "auth_database_uri"


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("db.example.org", True),
        ("DB.example.org:5432", True),
        ("db.example.org:5433", False),
        ("pooler.example.org:6432", True),
        ("pooler.example.org", False),
        ("other.example.org", False),
        # Of another host than this one.
        ("127.0.0.1", False),
    ],
)
def test_whose_databases_are_here(host, is_here):
    assert bool(found(team(tracking=uri(host=host)))["accounts"]) is is_here


def test_an_address_of_ipv6_has_its_port_after_brackets():
    for written, port in (("fd00::1", 5432), ("[fd00::1]", 5432), ("[fd00::1]:6432", 6432)):
        assert found(team(tracking=uri(host=f"[fd00::1]:{port}")), addresses=[written])["accounts"], written


def test_a_host_that_means_itself_means_the_one_that_serves_the_team():
    for own in ("127.0.0.1", "localhost", "[::1]"):
        assert found(team(tracking=uri(host=own), hosts=["db1"]))["accounts"], own
        assert not found(team(tracking=uri(host=f"{own}:5433"), hosts=["db1"]))["accounts"], own
    assert found(team(tracking="postgresql+psycopg://n:p@/nlp?host=/run/postgresql", hosts=["db1"]))["accounts"]
    # A pooler before it, by its port; nobody means one that is elsewhere.
    pooler = team(tracking=uri(host="127.0.0.1:6432"), hosts=["db1"])
    assert found(pooler, addresses=["127.0.0.1:6432"])["accounts"]
    assert not found(team(tracking=uri(host="127.0.0.1"), hosts=["db1"]), local=False)["accounts"]
    assert not found(team(tracking=uri(host="127.0.0.1")), addresses=["127.0.0.1"])["accounts"]


def test_a_port_may_be_a_text():
    for host in ("127.0.0.1", "db1"):
        assert found(team(tracking=uri(host=host), hosts=["db1"]), addresses=["db1"], port="5432")["accounts"], host


@pytest.mark.parametrize(
    ("tracking", "said"),
    [
        (
            "postgresql+psycopg://db.example.org/nlp",
            "names no user, who would own the database; write postgresql+psycopg://user:password@host/nlp",
        ),
        (
            uri(user="postgres"),
            "the user 'postgres' is who makes the databases (mlflow_database_login: user); give the team "
            "a user of its own",
        ),
        (uri(user="pg_monitor"), "the user 'pg_monitor' has a name that PostgreSQL keeps for itself; use another one"),
        (uri(user="Public"), "the user 'Public' has a name that PostgreSQL keeps for itself; use another one"),
        (
            uri(user="x" * 64),
            f"the user '{'x' * 64}' has more than the 63 letters that PostgreSQL keeps of a name; use a shorter one",
        ),
        (
            uri(user="a.b"),
            "the user 'a.b' has other letters in its name than this role makes; use letters, digits, _ and "
            "-, a letter first",
        ),
        (
            uri("template1", user="nlp"),
            "the database 'template1' is PostgreSQL's own, or the one that "
            "mlflow_database_login: db names; give the team one of its own",
        ),
        (
            uri("n lp".replace(" ", "%20"), user="nlp"),
            "the database 'n%20lp' has other letters in its name than this role "
            "makes; use letters, digits, _ and -, a letter first",
        ),
        (
            uri("x" * 64, user="nlp"),
            f"the database '{'x' * 64}' has more than the 63 letters that PostgreSQL keeps of a "
            "name; use a shorter one",
        ),
        (
            uri(password=""),
            "names no password for its user, who is to log in with one; write "
            "postgresql+psycopg://user:password@host/nlp",
        ),
        (
            uri(password="canary%C3%A4"),
            "has letters in its password that programs write differently; use printable ASCII",
        ),
        (uri(password="canary%0A"), "has letters in its password that programs write differently; use printable ASCII"),
    ],
)
def test_what_cannot_be_made(tracking, said):
    lines = faults(team(tracking=tracking))
    assert f"mlflow_teams: nlp: backend_store_uri: {said}" in lines
    assert len(lines) == (2 if "names no user" in said else 1), lines


def test_a_user_is_said_once():
    (line,) = faults(team(tracking=f"{uri()}?user=vision&password=canary"))
    assert "has password and user among its options, which MLflow takes in place of what is before @" in line


def test_a_database_is_one_users():
    assert faults(team(people=uri("nlp", user="people"))) == [
        "mlflow_teams: nlp: auth_database_uri: the database 'nlp' has another user in backend_store_uri, and can be "
        "one's alone; name the same user, or another database"
    ]


def test_two_teams_have_no_account_and_no_database_in_common():
    other = team("vision", tracking=uri("vision", user="nlp"))
    assert faults(team(), other) == [
        "mlflow_teams: 'nlp' and 'vision' both have the user 'nlp' of this PostgreSQL, and either could read what is "
        "the other's; give each a user of its own in backend_store_uri"
    ]
    other = team("vision", tracking=uri("nlp", user="vision"))
    assert faults(team(), other) == [
        "mlflow_teams: 'nlp' and 'vision' both have the database 'nlp' of this PostgreSQL, and either could read what "
        "is the other's; give each a database of its own in backend_store_uri"
    ]
    # Whoever asks for one of them gets to know it, too.
    assert len(faults(team(), other, only=["vision"])) == 1
    # Another PostgreSQL, and one that is gone, have their own.
    assert faults(team(), team("vision", tracking=uri("nlp", host="elsewhere"))) == []
    assert faults(team(), team("vision", tracking=uri("nlp"), state="absent")) == []


def test_replicas_have_one_account():
    (account,) = found(team(hosts=["one"]), team(hosts=["two"]))["accounts"]
    assert account["team"] == "nlp"
    # Gone from one host, and served by another.
    gone = found(team(hosts=["one"], state="absent"), team(hosts=["two"]))
    assert (len(gone["accounts"]), gone["absent"]) == (1, [])


def test_an_account_has_one_password():
    assert faults(team(people=uri("people", user="nlp"))) == []
    assert faults(team(people=uri("people", user="nlp", password="canary-other"))) == [
        "mlflow_teams: nlp: auth_database_uri: the user 'nlp' has another password here than elsewhere; give it one "
        "password, or each database a user of its own"
    ]


def test_teams_that_are_asked_for_have_something_here():
    sqlite = team("vision", tracking="sqlite:////srv/x.db")
    elsewhere = team("speech", tracking=uri(host="elsewhere"))
    assert faults(team(), sqlite, elsewhere, only=["nlp"]) == []
    assert faults(team(), sqlite, elsewhere, only=["vision", "speech", "sound"]) == [
        "mlflow_database_only: 'vision' has its databases in SQLite, on the disk of its server; give it a "
        "backend_store_uri such as postgresql+psycopg://user:password@db.example.org/vision, or leave it out here",
        "mlflow_database_only: no database of 'speech' is at db.example.org, pooler.example.org:6432 (port 5432); add "
        "the host of its backend_store_uri to mlflow_database_uri_hosts, or leave it out here",
        "mlflow_database_only: no team 'sound' is declared; there is nlp, speech, vision",
    ]
    assert [each["team"] for each in found(team(), team("vision"), only=["vision"])["accounts"]] == ["vision"]


def test_what_absent_teams_leave():
    gone = team("old", state="absent")
    assert found(team(), gone)["absent"] == ["old"]
    # What another team has taken over is that one's.
    assert found(team(), team("old", tracking=uri("nlp"), state="absent"))["absent"] == []
    # Also by another user, and when nobody asks about that one.
    other = team("old", tracking=uri("nlp", user="old"), state="absent")
    assert found(team(), other, only=["old"])["absent"] == []


def test_a_missing_collection_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(of_filter, "COLLECTION", "community.nothing")
    assert faults(team()) == [
        "community.postgresql: the controller lacks this collection, which makes the databases; run ansible-galaxy "
        "collection install community.postgresql"
    ]
