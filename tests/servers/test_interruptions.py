"""What becomes of a run when somebody else is quicker, when the server dies, when two run at once."""

import mlflow_proxy
import pytest

CREATE_USER = "/api/2.0/mlflow/users/create"
CREATE_EXPERIMENT = "/api/2.0/mlflow/experiments/create"


@pytest.fixture
def team(some, secret):
    """A declaration with one thing of each kind that takes several requests."""
    ann, bob, shared = some("ann"), some("bob"), some("shared")
    return {
        "users": [{"name": ann, "password": secret()}, {"name": bob, "password": secret(), "admin": True}],
        "groups": [{"name": some("all"), "members": [ann], "grants": [{"experiment": shared, "permission": "READ"}]}],
        "experiments": [{"name": shared, "tags": {"a": "b"}, "grants": {ann: "DENY"}}],
        "registered_models": [{"name": some("model"), "grants": {ann: "EDIT"}}],
    }


def assert_as_declared(lab, team):
    """The server holds the declared people with what they are to have, and nobody else."""
    ann, bob = (user["name"] for user in team["users"])
    number = lab.reader.experiments()[team["experiments"][0]["name"]]["experiment_id"]
    model = team["registered_models"][0]["name"]
    users = lab.reader.ask("GET", "/api/2.0/mlflow/users/list")["users"]
    assert {user["username"] for user in users} == {"admin", ann, bob}
    assert lab.reader.user(ann)["grants"] == {("experiment", number): "DENY", ("registered_model", model): "EDIT"}
    assert lab.reader.user(ann)["admin"] is False
    assert lab.reader.user(bob)["grants"] == {}
    assert lab.reader.user(bob)["admin"] is True
    role = lab.reader.role(team["groups"][0]["name"])
    assert role["members"] == {lab.reader.user(ann)["id"]}
    assert role["grants"] == {("experiment", number): "READ"}
    for user in team["users"]:
        assert lab.reader.logs_in(user["name"], user["password"])


def once(path, do):
    """Do something just before the first request of this path is passed on."""
    done = []

    def decide(method, asked, writes):
        if asked == path and not done:
            done.append(path)
            do()
        return mlflow_proxy.PASS

    return decide


def test_somebody_else_creates_the_same_user(newest, team, secret):
    name = team["users"][0]["name"]
    with newest.proxy.deciding(once(CREATE_USER, lambda: newest.reader.create_user(name, secret()))):
        assert newest.ok("access", **team)["changed"]
    assert_as_declared(newest, team)
    newest.unchanged("access", **team)


def test_somebody_else_creates_the_same_experiment(newest, team):
    name = team["experiments"][0]["name"]
    with newest.proxy.deciding(once(CREATE_EXPERIMENT, lambda: newest.reader.create_experiment(name))):
        assert newest.ok("access", **team)["changed"]
    assert_as_declared(newest, team)
    newest.unchanged("access", **team)


def test_somebody_else_deletes_a_user_that_is_to_get_something(newest, team):
    newest.ok("access", **team)
    name, model = team["users"][0]["name"], team["registered_models"][0]["name"]
    team["registered_models"][0]["grants"] = {name: "MANAGE"}

    def delete():
        newest.reader.ask("DELETE", "/api/2.0/mlflow/users/delete", username=name)

    with newest.proxy.deciding(once("/api/3.0/mlflow/roles/permissions/update", delete)):
        newest.ok("access", **team)
    assert newest.reader.user(name)["grants"][("registered_model", model)] == "MANAGE"
    newest.unchanged("access", **team)


@pytest.mark.parametrize("kind", ["user", "experiment"])
def test_a_module_for_one_thing_says_that_somebody_was_quicker(newest, some, secret, kind):
    name, password = some("twice"), secret()
    if kind == "user":
        decide = once(CREATE_USER, lambda: newest.reader.create_user(name, secret()))
        arguments = {"name": name, "user_password": password}
    else:
        decide = once(CREATE_EXPERIMENT, lambda: newest.reader.create_experiment(name))
        arguments = {"name": name}
    with newest.proxy.deciding(decide):
        result = newest.run(kind, **arguments)
    assert result["failed"]
    assert result["failure"]["error_code"] == "RESOURCE_ALREADY_EXISTS"
    newest.ok(kind, **arguments)


@pytest.mark.parametrize("fate", [mlflow_proxy.CUT, mlflow_proxy.CUT_AFTER])
@pytest.mark.parametrize("number", [0, 1, 3, 5, 7, 9])
def test_a_server_that_dies_in_the_middle(newest, team, number, fate):
    died = []

    def decide(method, path, writes):
        if died:
            return mlflow_proxy.CUT
        if method != "GET" and writes == number:
            died.append(path)
            return fate
        return mlflow_proxy.PASS

    with newest.proxy.deciding(decide):
        result = newest.run("access", **team)
    assert died
    assert result["failed"]
    assert died[0] in result["msg"]
    # Nobody has more than they are to have, whatever was done; Ann is denied what her group may read.
    ann = team["users"][0]
    if newest.reader.logs_in(ann["name"], ann["password"]):
        found = newest.reader.experiments()[team["experiments"][0]["name"]]["experiment_id"]
        assert newest.person.level((ann["name"], ann["password"]), "experiment", found) == "NO_PERMISSIONS"
    newest.ok("access", **team)
    assert_as_declared(newest, team)
    newest.unchanged("access", **team)


def test_two_runs_at_the_same_time(newest, team):
    running = [newest.start("access", **team) for _count in range(2)]
    results = [module.result() for module in running]
    assert not all(result.get("failed") for result in results)
    for result in results:
        if result.get("failed"):
            assert result["failure"]["status"] in (400, 404, 409)
    newest.ok("access", **team)
    assert_as_declared(newest, team)
    newest.unchanged("access", **team)


def test_two_runs_that_take_away_at_the_same_time(newest, team):
    newest.ok("access", **team)

    running = [newest.start("access") for _count in range(2)]
    for module in running:
        result = module.result()
        assert not result.get("failed"), result["msg"]
    assert [user["username"] for user in newest.reader.ask("GET", "/api/2.0/mlflow/users/list")["users"]] == ["admin"]
    newest.ok("access", **team)
    assert_as_declared(newest, team)
