"""Every fault of a declaration gives one line, which names the variable and the team, and no password."""

import copy

import pytest
from ansible_collections.mlops.mlflow.plugins.lookup.teams import DEFAULTS, DOCUMENTATION
from ansible_collections.mlops.mlflow.plugins.plugin_utils.declaration import read_teams, team_schema

SCHEMA = team_schema(DOCUMENTATION)
CANARY = "canary-pass-word"
LEVELS = "use one of READ, USE, EDIT, MANAGE, DENY"


def team(name="vision", port=5001, **settings):
    return {"name": name, "port": port, "admin_password": CANARY, **settings}


def user(name="alice", **settings):
    return {"name": name, "password": CANARY, **settings}


def problems(*teams, **defaults):
    declared = copy.deepcopy(list(teams))
    placed = [(f"mlflow_teams: number {n}", each) for n, each in enumerate(declared, 1)]
    found = read_teams(placed, SCHEMA, {**DEFAULTS, **defaults})[1]
    assert declared == list(teams), "the declaration itself was changed"
    assert CANARY not in "\n".join(found)
    return found


def name_fault(name):
    rule = "use 1 to 24 lower-case letters, digits and hyphens, beginning with a letter"
    return f"name: '{name}' is not a valid name; {rule}"


def open_fault(name):
    return f"name: '{name}' begins with health or static; under a path of that name MLflow switches authentication off"


@pytest.mark.parametrize("name", ["a", "vision", "a-b", "team2", "x" * 24, "a--b", "unhealthy", "ecstatic"])
def test_names_that_are_fine(name):
    assert problems(team(name)) == []


@pytest.mark.parametrize(
    "name", ["", "Vision", "2team", "-team", "a_b", "a b", "a.b", "a/b", "grün", "x" * 25, "../etc"]
)
def test_names_that_are_not(name):
    assert problems(team(name)) == [f"mlflow_teams: {name}: {name_fault(name)}"]


@pytest.mark.parametrize("name", ["health", "healthy", "health-analytics", "static", "static-files"])
def test_names_that_would_open_the_server(name):
    assert problems(team(name)) == [f"mlflow_teams: {name}: {open_fault(name)}"]


@pytest.mark.parametrize("settings", [{"name": "vision\n"}, {"version": "3.17.2\n"}])
def test_an_end_of_line_is_no_part_of_a_name_or_version(settings):
    assert problems(team(**settings)) != []


@pytest.mark.parametrize("port", [1024, 65535, "5001"])
def test_ports_that_are_fine(port):
    assert problems(team(port=port)) == []


@pytest.mark.parametrize("port", [-1, 0, 80, 1023, 65536])
def test_ports_that_are_not(port):
    assert problems(team(port=port)) == [f"mlflow_teams: vision: port: {port} is outside 1024-65535"]


@pytest.mark.parametrize("version", ["3", "3.17", ">=3.1", "latest", "3.17.*", "v3.17.2", "", "==3.17.2"])
def test_versions_that_are_not_pinned(version):
    expected = f"mlflow_teams: vision: version: '{version}' is not pinned; give all three numbers, like 3.17.2"
    assert problems(team(), version=version) == [expected]
    if version:
        assert problems(team(version=version)) == [expected]


@pytest.mark.parametrize("version", ["3.12.9", "2.22.4", "1.0.0", "3.9.0"])
def test_versions_that_are_too_old(version):
    expected = f"mlflow_teams: vision: version: {version} is too old; this collection deploys 3.13 and later"
    assert problems(team(version=version)) == [expected]


@pytest.mark.parametrize("version", ["3.13.0", "3.18.0rc1", "4.0.0", "3.100.0"])
def test_versions_that_are_fine(version):
    assert problems(team(version=version)) == []


SHORT = "has under 12 characters, which MLflow refuses"
ODD = "it has characters outside printable ASCII, with which MLflow refuses artifact transfers"
FAULTS = [
    ({"admin_password": "canary-pass"}, f"admin_password: {SHORT}"),
    ({"admin_password": f"{CANARY}-ü"}, f"admin_password: {ODD}"),
    ({"admin_username": ""}, "admin_username: a user name must not be empty"),
    (
        {"admin_username": "a:b"},
        "admin_username: 'a:b' has a colon, which HTTP basic authentication takes for the end of the name",
    ),
    ({"users": [{"name": "al", "password": "canary-pass"}]}, f"users: al: password: {SHORT}"),
    ({"users": [{"name": "al", "password": f"{CANARY}-ü"}]}, f"users: al: password: {ODD}"),
    (
        {"users": [user("a:b")]},
        "users: 'a:b' has a colon, which HTTP basic authentication takes for the end of the name",
    ),
    (
        {"users": [user("lä")]},
        "users: 'lä' has characters outside printable ASCII, with which MLflow refuses artifact transfers",
    ),
    ({"users": [user(), user()]}, "users: 'alice' is declared twice"),
    ({"users": [user("admin")]}, "users: 'admin' is the team's admin already (admin_username)"),
    ({"groups": [{"name": "g"}, {"name": "g"}]}, "groups: 'g' is declared twice"),
    ({"experiments": [{"name": "e"}, {"name": "e"}]}, "experiments: 'e' is declared twice"),
    ({"registered_models": [{"name": "m"}] * 2}, "registered_models: 'm' is declared twice"),
    ({"groups": [{"name": "g", "members": ["bob"]}]}, "groups: g: members: 'bob' is not among the users"),
    (
        {"groups": [{"name": "g", "grants": [{"permission": "READ"}]}]},
        "groups: g: grants: name one thing in each, such as an experiment",
    ),
    (
        {"groups": [{"name": "g", "grants": [{"experiment": "e", "registered_model": "m", "permission": "READ"}]}]},
        "groups: g: grants: name one thing in each, such as an experiment",
    ),
    (
        {"groups": [{"name": "g", "grants": [{"experiment": "e", "permission": "WRITE"}]}]},
        f"groups: g: grants: 'WRITE' is not a valid level; {LEVELS}",
    ),
    (
        {"experiments": [{"name": "e", "grants": {"bob": "READ"}}]},
        "experiments: e: grants: 'bob' is not among the users",
    ),
    (
        {"users": [user()], "experiments": [{"name": "e", "grants": {"alice": "read"}}]},
        f"experiments: e: grants: alice: 'read' is not a valid level; {LEVELS}",
    ),
    (
        {"users": [user()], "registered_models": [{"name": "m", "grants": {"alice": "NO_PERMISSIONS"}}]},
        f"registered_models: m: grants: alice: 'NO_PERMISSIONS' is not a valid level; {LEVELS}",
    ),
    (
        {"artifacts": {"serve": False}},
        "artifacts: root: is needed where serve is false, since clients then go there themselves",
    ),
    (
        {"artifacts": {"root": "s3://bucket"}},
        "artifacts: root: only has a meaning where serve is false; give destination instead",
    ),
]


@pytest.mark.parametrize(("settings", "expected"), FAULTS)
def test_faults_of_one_team(settings, expected):
    assert problems(team(**settings)) == [f"mlflow_teams: vision: {expected}"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"colour": "blue"}, "unknown key: colour. Supported parameters include: "),
        ({"users": [user(pasword=CANARY)]}, "unknown key: users.pasword. Supported parameters include: "),
        ({"artifacts": {"bucket": "b"}}, "unknown key: artifacts.bucket. Supported parameters include: "),
        (
            {"groups": [{"name": "g", "grants": [{"model": "m", "permission": "READ"}]}]},
            "unknown key: groups.grants.mod",
        ),
        ({"state": "gone"}, "value of state must be one of: present, stopped, absent, got: gone"),
        ({"default_permission": "NONE"}, "value of default_permission must be one of: NO_PERMISSIONS, READ"),
        ({"port": "http"}, "argument 'port' is of type str and we were unable to convert to int"),
        ({"users": [{"password": "some-pass-word"}]}, "missing required arguments: name found in users"),
        ({"environment": f"TOKEN={CANARY} x"}, "argument 'environment' is of type str and we were unable to convert"),
        ({"experiments": [{"tags": {}}]}, "missing required arguments: name found in experiments"),
    ],
)
def test_faults_of_form(settings, expected):
    (found,) = problems(team(**settings))
    assert found.startswith(f"mlflow_teams: vision: {expected}")


@pytest.mark.parametrize("users", [f"al:{CANARY}", [f"al {CANARY}"], {"al": CANARY}])
def test_users_in_a_wrong_form_show_no_password(users):
    assert problems(team(users=users))


def test_users_that_are_lists_show_no_password():
    assert problems(team(users=[[CANARY]]))


@pytest.mark.parametrize("missing", ["name", "port", "admin_password"])
def test_what_every_team_needs(missing):
    declared = {key: value for key, value in team().items() if key != missing}
    label = "number 1" if missing == "name" else "vision"
    assert problems(declared) == [f"mlflow_teams: {label}: missing required arguments: {missing}"]


@pytest.mark.parametrize("thing", ["vision", ["vision"], None, 5])
def test_teams_that_are_no_teams(thing):
    assert problems(team(), thing) == ["mlflow_teams: number 2: is not a mapping of a team's settings"]


def test_all_faults_are_told_at_once():
    found = problems(team("Vision", port=80), team("nlp", version="latest"), team("audio", port=5003))
    assert [line.split(": ")[:3] for line in found] == [
        ["mlflow_teams", "Vision", "name"],
        ["mlflow_teams", "Vision", "port"],
        ["mlflow_teams", "nlp", "version"],
    ]


def emptied(spec, make, where=""):
    """Each option that has a default, as somebody leaves it who has taken out all that stood below it."""
    for name, option in spec.items():
        if option.get("default") is not None:
            yield f"{where}{name}", make({name: None})
        if "options" in option:
            needed = {key: inner for key, inner in option["options"].items() if inner.get("required")}
            given = {key: {"list": [], "dict": {}}.get(inner["type"], "x") for key, inner in needed.items()}
            is_list = option["type"] == "list"
            label = f"{where}{name}: {('x: ' if 'name' in given else 'number 1: ') if is_list else ''}"
            yield from emptied(
                option["options"],
                lambda it, name=name, given=given, is_list=is_list: make(
                    {name: [{**given, **it}] if is_list else {**given, **it}}
                ),
                label,
            )


EMPTIED = list(emptied(SCHEMA, lambda it: team(**it)))


def test_many_can_be_left_empty():
    named = {place for place, _declared in EMPTIED}
    assert {"users", "environment", "servers", "creators: users", "experiments: x: tags", "workers"} <= named


@pytest.mark.parametrize(("place", "declared"), EMPTIED)
def test_what_is_left_empty_is_named_and_nothing_else_made_of_it(place, declared):
    found = [line for line in problems(declared) if place.rpartition(": ")[2] in line]
    assert found == [f"mlflow_teams: vision: {place}: is empty; leave it out, or give it a value"]
