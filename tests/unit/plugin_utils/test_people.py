"""Names, passwords and grants with which nobody could work, and things that are said twice."""

import datetime

import pytest
from unit.plugin_utils.refusals import CANARY, fault_of, faults, team

ECHO = "ends with a line break, which `echo` puts there in a pipe to ansible-vault; encrypt it again with `printf %s`"
TEMPLATE = "is still a template, which nothing has filled in; give the value itself, or a variable that Ansible reads"
WELL_KNOWN = "is the one that MLflow came with, which everybody knows; choose another"
BLANKS = "has blanks at its ends, which nobody sees and MLflow's credentials file loses; leave them out"
ODD = "has characters outside printable ASCII, with which MLflow refuses artifact transfers"
QUOTES = "where text is wanted; put it in quotes"


def users(*names, **settings):
    return {"users": [{"name": name, "password": CANARY, **settings} for name in names]}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("alice ", f"users: 'alice ' {BLANKS}"),
        (" alice", f"users: ' alice' {BLANKS}"),
        (" ", f"users: ' ' {BLANKS}"),
        ("alice\t", f"users: 'alice\\t' {ODD}"),
        ("alice\n", f"users: 'alice\\n' {ODD}"),
        ("al\0ice", f"users: 'al\\u0000ice' {ODD}"),
        ("al\x1b[2Jice", f"users: 'al\\u001b[2Jice' {ODD}"),
        ("alice\u00a0", f"users: 'alice\\u00a0' {ODD}"),
        ("al:ice", "users: 'al:ice' has a colon, which HTTP basic authentication takes for the end of the name"),
        ("a" * 256, f"users: '{'a' * 20}…' has over 255 characters, which databases cut off"),
        (["alice"], "users: number 1: name: is a list, where text is wanted"),
        ({"alice": 1}, "users: number 1: name: is a mapping, where text is wanted"),
        (True, "users: number 1: name: is true or false, where text is wanted"),
        (None, "users: number 1: name: is empty, and has to be given"),
        (1.10, "users: number 1: name: is a number, where text is wanted; put it in quotes"),
        (float("nan"), "users: number 1: name: is a number, where text is wanted; put it in quotes"),
        (datetime.datetime(2026, 1, 1, 10), "users: number 1: name: is a time, where text is wanted; put it in quotes"),
        ("ali\u200bce", f"users: 'ali\\u200bce' {ODD}"),
        ("\u0430lice", f"users: '\u0430lice' {ODD}"),
        ("ali\u0301ce", f"users: 'ali\u0301ce' {ODD}"),
    ],
)
def test_names_of_users(name, said):
    assert said in faults(team(**users(name)))[0]


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("password1234", WELL_KNOWN),
        ("Password1234", WELL_KNOWN),
        ("canary", "has under 12 characters, which MLflow refuses"),
        ("", "has under 12 characters, which MLflow refuses"),
        ([CANARY], f"is a list, {QUOTES}"),
        ({"canary": CANARY}, f"is a mapping, {QUOTES}"),
        (123456789012, f"is a number, {QUOTES}"),
        (1234567890.5, f"is a number, {QUOTES}"),
        (True, f"is true or false, {QUOTES}"),
        (datetime.datetime(2026, 1, 1, 10), f"is a time, {QUOTES}"),
        (float("inf"), f"is a number, {QUOTES}"),
        ((CANARY,), f"is a list, {QUOTES}"),
        (f"{CANARY}\n", ECHO),
        (f"{CANARY}\r\n", ECHO),
        (f"{CANARY}\n\n", ECHO),
        (f"{CANARY}\n{CANARY}", "has line breaks in it, and only its first line would be read; put it on one line"),
        (f"{CANARY}\0", "has a NUL in it, at which it would be cut off; leave it out"),
        ("{{ vault_canary }}", TEMPLATE),
        ("{{ vault_canary", TEMPLATE),
        ("{%- if canary -%} x", TEMPLATE),
        ("canary-{{ vault_canary }}", TEMPLATE),
        ("canary-{% raw %}-x", TEMPLATE),
        ("$ANSIBLE_VAULT;1.1;AES256\n3231canary", "is still encrypted; mark it with !vault in the inventory"),
        (f"{CANARY}-ü", "it has characters outside printable ASCII"),
        (f"{CANARY}\t", "it has characters outside printable ASCII"),
    ],
)
def test_passwords(password, said):
    assert fault_of(**users("alice", password=password)).startswith(f"users: alice: password: {said}")
    assert fault_of(admin_password=password).startswith(f"admin_password: {said}")


def test_an_admin_without_a_password():
    assert fault_of(admin_password=None) == "admin_password: is empty, and has to be given"


@pytest.mark.parametrize(
    "password",
    ["with {{ two braces", "closed }} only", "{not a template}", "%%:%(here)s::", 'a:d\'a "$PATH" 5% \\ end', " " * 12],
)
def test_passwords_that_are_only_odd(password):
    assert faults(team(admin_password=password, **users("alice", password=password))) == []


@pytest.mark.parametrize("name", ["a b", "ada@example.org", 'Head of 100% $alpha "1"', "DOMAIN\\alice", "a" * 255])
def test_names_that_are_only_odd(name):
    assert faults(team(**users(name))) == []


POSTGRESQL = {"backend_store_uri": "postgresql+psycopg://db/x"}
NUL = "has a NUL in it, which not every database keeps; leave it out"


@pytest.mark.parametrize(
    ("kind", "name", "settings", "said"),
    [
        ("experiments", "e" * 501, {}, "has 501 characters; 500 is the most that its database takes"),
        ("experiments", "e" * 257, POSTGRESQL, "has 257 characters; 256 is the most that its database takes"),
        ("experiments", "e" * 257, {"backend_store_uri": "mysql+pymysql://db/x"}, "256 is the most"),
        ("experiments", "e\0", {}, f"'e\\u0000' {NUL}"),
        ("experiments", 1.10, {}, "is a number, where text is wanted; put it in quotes"),
        ("experiments", datetime.datetime(2026, 1, 1), {}, "is a time, where text is wanted; put it in quotes"),
        ("groups", 0.1, {}, "is a number, where text is wanted; put it in quotes"),
        ("experiments", " ", {}, "a name must not be empty"),
        ("experiments", ["e"], {}, "is a list, where text is wanted"),
        ("registered_models", "m" * 257, {}, "has 257 characters; 256 is the most that its database takes"),
        ("registered_models", "m\0", {}, NUL),
        ("registered_models", "..", {}, "'..' is read as a path, which MLflow refuses; use another name"),
        ("registered_models", ".", {}, "'.' is read as a path"),
        ("registered_models", "a/b", {}, "has a slash or a colon"),
        ("groups", "g" * 256, {}, "has 256 characters; 255 is the most that its database takes"),
        ("groups", "g\0", {}, NUL),
    ],
)
def test_names_of_things(kind, name, settings, said):
    line = fault_of(**{kind: [{"name": name}]}, **settings)
    assert line.startswith(f"{kind}: ")
    assert said in line


def test_names_that_just_fit():
    assert (
        faults(team(experiments=[{"name": "e" * 500}, {"name": " spaces "}], registered_models=[{"name": "m" * 256}]))
        == []
    )
    assert faults(team(experiments=[{"name": "e" * 256}], **POSTGRESQL)) == []


def test_odd_names_that_a_server_may_have():
    assert faults(team(experiments=[{"name": "e\nf"}, {"name": "e\x1b[2J"}], groups=[{"name": "g\r"}])) == []


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"k" * 251: "v"}, "is not a key that MLflow takes; use up to 250 letters"),
        ({"a,b": "v"}, "tags: 'a,b' is not a key that MLflow takes"),
        ({"a\n": "v"}, "tags: 'a\\n' is not a key that MLflow takes"),
        ({7: "v"}, "tags: '7' is not a key that MLflow takes"),
        ({"a": ["v"]}, "tags: 'a' is not text; write its value as text"),
        ({"a": "v\0"}, "tags: 'a' has a NUL in its value; leave it out"),
        ({"a": "v" * 100_001}, "tags: 'a' has 100001 characters; "),
        ({None: "v"}, "tags: 'None' is not a key that MLflow takes"),
        ({"a\u0301": "v"}, "is not a key that MLflow takes"),
    ],
)
def test_tags(tags, said):
    assert said in fault_of(experiments=[{"name": "e", "tags": tags}])
    assert said in fault_of(registered_models=[{"name": "m", "tags": tags}])


def test_tags_that_just_fit():
    assert faults(team(experiments=[{"name": "e", "tags": {"a": "v" * 20_000, "b": 7, "c": None, "d": True}}])) == []
    assert "5000 is the most" in fault_of(experiments=[{"name": "e", "tags": {"a": "v" * 5001}}], **POSTGRESQL)
    assert "5000 is the most" in fault_of(registered_models=[{"name": "m", "tags": {"a": "v" * 5001}}], **POSTGRESQL)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"groups": [{"name": "g", "description": "d\0"}]}, f"groups: g: description: {NUL}"),
        (
            {"groups": [{"name": "g", "description": "d" * 1025}]},
            "groups: g: description: 1024 characters are the most",
        ),
        ({"registered_models": [{"name": "m", "description": "d\0"}]}, f"registered_models: m: description: {NUL}"),
        (
            {"registered_models": [{"name": "m", "description": "d" * 5001}]},
            "registered_models: m: description: 5000 characters are the most",
        ),
        (
            {"experiments": [{"name": "e", "rename_from": ""}]},
            "experiments: rename_from: a name must not be empty; leave it out",
        ),
        (
            {"registered_models": [{"name": "m", "rename_from": " "}]},
            "registered_models: rename_from: a name must not be",
        ),
        (
            {"registered_models": [{"name": "m", "rename_from": "m\0"}]},
            f"registered_models: rename_from: 'm\\u0000' {NUL}",
        ),
        ({"keep_users": ["", "bob"]}, "keep_users: a name must not be empty"),
        ({"keep_users": True}, "keep_users: is true or false, where a list is wanted"),
        ({"creators": {"users": ["zoe"]}}, "creators: users: 'zoe' is not a user of this team"),
        ({"creators": {"groups": ["g"]}}, "creators: groups: 'g' is not a group of this team"),
        ({"creators": {"user": ["zoe"]}}, "unknown key: creators.user. Supported parameters include: groups, users."),
        ({"creators": ["zoe"]}, "creators: is a list, where a mapping is wanted"),
        ({"servers": False}, "servers: is true or false, where a list is wanted"),
        ({"allowed_hosts": True}, "allowed_hosts: is true or false, where a list is wanted"),
        ({"description": "a\0b"}, "description: has characters in it that nobody sees; leave them out"),
        ({"owner": "a\u202eb"}, "owner: has characters in it that nobody sees; leave them out"),
        ({"owner": 1.5}, "owner: is a number, where text is wanted; put it in quotes"),
    ],
)
def test_texts_and_lists(settings, said):
    assert fault_of(**settings).startswith(said)


@pytest.mark.parametrize(
    "description", ["What we do,\nin two lines\n", "Vision \u2764\ufe0f", "\u05e9\u05dc\u05d5\u05dd", "a\tb"]
)
def test_texts_that_a_page_shows(description):
    assert faults(team(description=description, owner=description)) == []


@pytest.mark.parametrize("kind", ["experiment", "registered_model", "prompt", "gateway_secret", "mcp_server"])
@pytest.mark.parametrize("name", ["", " ", "\n"])
def test_grants_on_nothing(kind, name):
    line = fault_of(groups=[{"name": "g", "grants": [{kind: name, "permission": "READ"}]}])
    assert line == f"groups: g: grants: {kind}: a name must not be empty; use '*' for all"


def hook(url, events=("prompt.created",), **settings):
    return {"webhooks": [{"name": "h", "url": url, "events": list(events)}], **settings}


NO_ADDRESS = "is not an address that MLflow could post to; use one like https://host.example.org/path"
BY_HTTPS = "MLflow posts by https alone; use https://, or set MLFLOW_WEBHOOK_ALLOWED_SCHEMES: "
TO_PUBLIC = "MLflow posts to public addresses alone; use another, or set MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS: "


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", NO_ADDRESS),
        ("hooks.example.org/h", NO_ADDRESS),
        ("ftp://hooks.example.org/h", NO_ADDRESS),
        ("https://", NO_ADDRESS),
        ("https:///h", NO_ADDRESS),
        (" https://hooks.example.org/canary", NO_ADDRESS),
        ("https://hooks example.org/canary", NO_ADDRESS),
        ("https://hooks.example.org:port/", NO_ADDRESS),
        ("https://hooks.example.org/canary\n", "ends with a line break, which `echo` puts there"),
        ("{{ vault_hook }}", "is still a template"),
        ("__omit_place_holder__canary", "is what default(omit) leaves there"),
        ("http://hooks.example.org/canary", BY_HTTPS),
        ("https://127.0.0.1/canary", TO_PUBLIC),
        ("https://localhost:8443/canary", TO_PUBLIC),
        ("https://10.0.0.5/canary", TO_PUBLIC),
        ("https://[::1]/canary", TO_PUBLIC),
        ("https://100.64.0.5/canary", TO_PUBLIC),
    ],
)
def test_webhooks_that_could_not_be_delivered(url, said):
    assert fault_of(**hook(url)).startswith(f"webhooks: h: url: {said}")


@pytest.mark.parametrize(
    "settings",
    [
        hook("https://hooks.example.org/a?b=c#d"),
        hook("https://user:word@hooks.example.org:8443"),
        hook("https://bücher.example.org/h"),
        hook("http://hooks.example.org/h", environment={"MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https"}),
        hook("http://hooks.example.org/h", environment={"MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "https, http"}),
        hook("https://10.0.0.5/h", environment={"MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": True}),
        hook("https://10.0.0.5/h", version="3.16.1"),
    ],
)
def test_webhooks_that_can_be_delivered(settings):
    assert faults(team(**settings)) == []


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (hook("https://hooks.example.org/h", events=()), "webhooks: h: events"),
        ({"gateway_secrets": [{"name": "k", "values": {}}]}, "gateway_secrets: k: values"),
        ({"gateway_endpoints": [{"name": "e", "models": []}]}, "gateway_endpoints: e: models"),
    ],
)
def test_things_that_mlflow_makes_of_something_alone(settings, what):
    assert fault_of(**settings) == f"{what}: is empty, and MLflow wants one at least"


MYSQL = {"backend_store_uri": "mysql+pymysql://db/x"}


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("users", "alice", "Alice"),
        ("groups", "readers", "READERS"),
        ("experiments", "resnet", "ResNet"),
        ("experiments", "re\u0301snet", "r\u00e9snet"),
        ("experiments", "resnet", "resnet "),
        ("registered_models", "stra\u00dfe", "STRASSE"),
    ],
)
def test_names_that_are_one_to_the_database(kind, first, second):
    things = [{"name": first}, {"name": second}]
    line = fault_of(**{kind: things}, **MYSQL)
    assert line == f"{kind}: '{first}' and '{second}' are one name to mysql; give one of them another"
    # SQLite and PostgreSQL keep them apart, and a server that has them is to be described as it is.
    assert faults(team(**{kind: things})) == []


READ, EDIT = ({"experiment": "e", "permission": level} for level in ("READ", "EDIT"))
ALICE = {"name": "alice", "password": CANARY}
TWICE = "grants: READ and EDIT on experiment 'e'; say which one is meant"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"users": [{**ALICE, "grants": [READ, EDIT]}]}, f"users: alice: {TWICE}"),
        ({"groups": [{"name": "g", "grants": [READ, READ, EDIT]}]}, f"groups: g: {TWICE}"),
        (
            {
                "groups": [
                    {"name": "g", "grants": [{"registered_model": "*", "permission": p} for p in ("USE", "DENY")]}
                ]
            },
            "groups: g: grants: USE and DENY on registered_model '*'; say which one is meant",
        ),
        (
            {"users": [{**ALICE, "grants": [READ]}], "experiments": [{"name": "e", "grants": {"alice": "EDIT"}}]},
            "experiments: e: grants: alice: EDIT, but READ in users: alice: grants; say it in one place",
        ),
        ({"users": [ALICE, {**ALICE, "password": f"{CANARY}-2"}]}, "users: 'alice' is declared twice"),
        ({"groups": [{"name": "g"}, {"name": "g", "members": []}]}, "groups: 'g' is declared twice"),
        ({"experiments": [{"name": "e"}, {"name": "e", "tags": {"a": "b"}}]}, "experiments: 'e' is declared twice"),
        ({"registered_models": [{"name": "m"}] * 2}, "registered_models: 'm' is declared twice"),
        (
            {"experiments": [{"name": "e", "rename_from": "old"}, {"name": "old"}]},
            "experiments: e: rename_from: 'old' is declared as well; leave one of the two out",
        ),
        (
            {"registered_models": [{"name": name, "rename_from": "old"} for name in ("a", "b")]},
            "registered_models: b: rename_from: 'old' is what 'a' was called; say it of one",
        ),
    ],
)
def test_what_is_said_twice(settings, said):
    assert fault_of(**settings) == said


def test_what_is_only_repeated():
    grants = {"users": [{**ALICE, "grants": [READ, READ]}], "experiments": [{"name": "e", "grants": {"alice": "READ"}}]}
    assert faults(team(**grants)) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"artifacts": "/srv/a/b"}, "artifacts: is text, where a mapping is wanted"),
        ({"artifacts": [None]}, "artifacts: is a list, where a mapping is wanted"),
        ({"artifacts": True}, "artifacts: is true or false, where a mapping is wanted"),
        ({"artifacts": {1: 2}}, "artifacts: : has a key that is not text; put it in quotes"),
        ({"users": f"alice:{CANARY}"}, "users: is text, where a list is wanted"),
        ({"users": {"alice": CANARY}}, "users: is a mapping, where a list is wanted"),
        ({"users": [CANARY]}, "users: number 1: is text, where a mapping is wanted"),
        ({"users": [None]}, "users: number 1: is empty, where a mapping is wanted"),
        (
            {"users": [{**ALICE, "grants": ["READ"]}]},
            "users: alice: grants: number 1: is text, where a mapping is wanted",
        ),
        ({"groups": [{"name": "g", "grants": [{1: 2}]}]}, "groups: g: grants: number 1: has a key that is not text"),
        ({"experiments": [[CANARY]]}, "experiments: number 1: is a list, where a mapping is wanted"),
    ],
)
def test_what_is_no_mapping_or_list(settings, said):
    assert fault_of(**settings).startswith(said.replace(": :", ":"))
