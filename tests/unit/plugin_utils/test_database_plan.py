"""What is done at a PostgreSQL, by what it has and what is declared."""

import copy

import pytest
from ansible_collections.mlops.mlflow.plugins.plugin_utils import scram
from ansible_collections.mlops.mlflow.plugins.plugin_utils.database_plan import of_everybody, plan

CANARY = "canary-pass-word"
ACCOUNT = {
    "team": "nlp",
    "option": "backend_store_uri",
    "role": "nlp",
    "password": CANARY,
    "database": "nlp",
    "sslmode": "",
    "places": [("db.example.org", 5432)],
}
PEOPLE = {**ACCOUNT, "option": "auth_database_uri", "database": "people"}
ROLE = {
    "name": "nlp",
    "password": scram.verifier(CANARY),
    "login": True,
    **dict.fromkeys(("superuser", "createdb", "createrole", "replication", "bypassrls", "expired"), False),
    "member_of": [],
}
SCHEMA = {"nspowner": "pg_database_owner", "nspacl": "{pg_database_owner=UC/pg_database_owner}"}
DATABASE = {"owner": "nlp", "access_priv": "nlp=CTc/nlp", "namespaces": {"public": SCHEMA}}
EMPTY = {"version": 150004, "port": "5432", "tls": False, "roles": []}
FULL = {**EMPTY, "roles": [ROLE]}


def planned(*accounts, server=None, databases=None):
    server = server or FULL
    given = copy.deepcopy([accounts, server])
    done = plan(list(accounts or [ACCOUNT]), server, {"nlp": DATABASE} if databases is None else databases)
    assert given == [accounts, server]
    assert "canary" not in str(done)
    return done


def with_role(**other):
    return {**FULL, "roles": [{**ROLE, **other}]}


def with_database(**other):
    return {"nlp": {**DATABASE, **other}}


def test_nothing_where_all_is_there():
    done = planned()
    assert not any(done.values()), done


def test_everything_where_nothing_is():
    done = planned(ACCOUNT, PEOPLE, server=EMPTY, databases={})
    (role,) = done["roles"]
    assert (role["name"], scram.is_of(role["password"], CANARY)) == ("nlp", True)
    assert role["flags"] == "LOGIN,NOSUPERUSER,NOCREATEDB,NOCREATEROLE,NOREPLICATION,NOBYPASSRLS"
    assert done["databases"] == [{"name": "nlp", "owner": "nlp"}, {"name": "people", "owner": "nlp"}]
    assert done["closed"] == [{"name": "nlp", "new": True}, {"name": "people", "new": True}]
    assert done["schemas"][0] == {"name": "nlp", "owner": "nlp", "grant": False, "new": True}
    assert done["steps"][:4] == [
        "role nlp: is made",
        "database nlp: is made, and belongs to nlp",
        "database nlp: is closed to PUBLIC",
        "database nlp: the schema public is nlp's, and closed to PUBLIC",
    ]
    # Before 15, the schema is nobody's who could use it.
    assert planned(server={**EMPTY, "version": 140011}, databases={})["schemas"][0]["grant"]


@pytest.mark.parametrize(
    ("other", "step"),
    [
        ({"password": scram.verifier("another")}, "gets the declared password"),
        ({"password": "md5" + "0" * 32}, "gets the declared password"),
        ({"password": None}, "gets the declared password"),
        ({"login": False}, "may log in"),
        ({"createdb": True}, "loses CREATEDB"),
        ({"bypassrls": True}, "loses BYPASSRLS"),
    ],
)
def test_what_differs_of_a_role(other, step):
    done = planned(server=with_role(**other))
    assert done["steps"] == [f"role nlp: {step}"]
    # A password that fits is left as it is.
    assert (done["roles"][0]["password"] is None) is ("password" not in other)


@pytest.mark.parametrize(
    ("other", "closed", "schemas"),
    [
        ({"access_priv": ""}, 1, 0),
        ({"access_priv": "=Tc/nlp\nnlp=CTc/nlp"}, 1, 0),
        ({"access_priv": "nlp=CTc/nlp\n=T/nlp"}, 1, 0),
        ({"namespaces": {"public": {**SCHEMA, "nspacl": "{pg_database_owner=UC/x,=U/x}"}}}, 0, 1),
        ({"namespaces": {"public": {**SCHEMA, "nspacl": ""}}}, 0, 1),
        ({"namespaces": {"public": {"nspowner": "postgres", "nspacl": "{postgres=UC/postgres}"}}}, 0, 1),
        (
            {"namespaces": {"public": {"nspowner": "postgres", "nspacl": "{postgres=UC/postgres,nlp=UC/postgres}"}}},
            0,
            0,
        ),
        ({"namespaces": {"public": {"nspowner": "nlp", "nspacl": "{nlp=UC/nlp}"}}}, 0, 0),
        # Whoever has taken it out knows why.
        ({"namespaces": {}}, 0, 0),
    ],
)
def test_what_differs_of_a_database(other, closed, schemas):
    done = planned(databases=with_database(**other))
    assert (len(done["closed"]), len(done["schemas"]), len(done["steps"])) == (closed, schemas, closed + schemas)
    assert done["databases"] == []


def test_names_that_postgresql_puts_in_quotes():
    account = {**ACCOUNT, "role": "Nlp-2"}
    schema = {"nspowner": "postgres", "nspacl": '{postgres=UC/postgres,"\\"Nlp-2\\"=UC/postgres"}'}
    database = {**DATABASE, "owner": "Nlp-2", "namespaces": {"public": schema}}
    done = planned(account, server=with_role(name="Nlp-2"), databases={"nlp": database})
    assert done["steps"] == []
    assert not of_everybody(schema["nspacl"])


@pytest.mark.parametrize(
    ("server", "databases", "account", "said"),
    [
        (
            with_role(superuser=True),
            {},
            {},
            "the user 'nlp' is a superuser of this PostgreSQL, to whom no database is closed; name another user",
        ),
        (
            with_role(member_of=["pg_read_all_data", "vision"]),
            {},
            {},
            "the user 'nlp' is a member of 'pg_read_all_data', 'vision', and may do what these may; take that back "
            "(REVOKE … FROM …), or name another user",
        ),
        (
            with_role(expired=True),
            {},
            {},
            "the password of 'nlp' is not valid any more; ALTER ROLE … VALID UNTIL 'infinity' there, or name another "
            "user",
        ),
        (
            EMPTY,
            with_database(owner="vision"),
            {},
            "the database 'nlp' is there already, and belongs to 'vision'; name another database, or give it to the "
            "user yourself (ALTER DATABASE … OWNER TO …, and what is in it)",
        ),
        (
            FULL,
            with_database(error="Could not connect", namespaces={}),
            {},
            "the database 'nlp' lets mlflow_database_login: user not in, who is to close it to others; see pg_hba.conf "
            "and the log of PostgreSQL",
        ),
        (
            EMPTY,
            {},
            {"sslmode": "verify-full"},
            "sslmode=verify-full asks for TLS, which this PostgreSQL does not have; set ssl = on there, with a "
            "certificate, or leave sslmode out",
        ),
        (
            {**EMPTY, "version": 90624},
            {},
            {},
            "this PostgreSQL is older than 10, and keeps no passwords as SCRAM; upgrade it",
        ),
    ],
)
def test_what_is_refused(server, databases, account, said):
    done = planned({**ACCOUNT, **account}, server=server, databases=databases)
    assert done["problems"] == [f"mlflow_teams: nlp: backend_store_uri: {said}"]
    assert done["steps"] == []


def test_a_team_that_fails_keeps_nobody_from_theirs():
    other = {**ACCOUNT, "team": "vision", "role": "vision", "database": "vision"}
    done = planned(ACCOUNT, PEOPLE, other, server=with_role(superuser=True), databases={})
    assert len(done["problems"]) == 2
    assert {step.split(":")[0] for step in done["steps"]} == {"role vision", "database vision"}


def test_tls_that_is_there_is_no_fault():
    assert planned({**ACCOUNT, "sslmode": "require"}, server={**FULL, "tls": True})["problems"] == []
    assert planned({**ACCOUNT, "sslmode": "prefer"})["problems"] == []
    # That of a pooler is its own.
    assert planned({**ACCOUNT, "sslmode": "require", "places": [("pooler", 6432)]})["problems"] == []
