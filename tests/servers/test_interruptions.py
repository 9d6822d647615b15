"""What becomes of a run when somebody else is quicker, when the server dies, when two run at once."""

import mlflow_proxy
import project
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


@pytest.mark.parametrize("several", [False, True])
def test_what_was_done_before_the_end_is_told(newest, team, several):
    def decide(method, path, writes):
        return mlflow_proxy.CUT if method != "GET" and writes >= 3 else mlflow_proxy.PASS

    connection = {"name": "one", "tracking_uri": newest.proxy.uri, "username": "admin", "password": newest.password}
    planned = newest.run("access", check=True, **team)["access"]["changes"]
    newest.proxy.forget()
    with newest.proxy.deciding(decide):
        if several:
            result = newest.several("servers_access", {**connection, **team})
            assert result["changed"]
            result = result["one"]
            changes = result["changes"]
        else:
            result = newest.run("access", **team)
            assert result["failed"]
            assert result["diff"] == {"prepared": "".join(f"{line}\n" for line in planned[:3])}
            changes = result["access"]["changes"]
    assert result["changed"]
    assert changes == planned[:3]
    assert result["msg"].startswith("the run ended after 3 of its changes: ")
    newest.ok("access", **team)
    assert_as_declared(newest, team)


def test_a_module_for_one_thing_says_that_it_changed_something(newest, some, secret):
    arguments = {"name": some("half"), "user_password": secret(), "admin": True}
    with newest.proxy.deciding(mlflow_proxy.refusing("users/update-admin")):
        result = newest.run("user", **arguments)
    assert (result["failed"], result["changed"]) == (True, True)
    newest.ok("user", **arguments)


@pytest.mark.parametrize("lab", ["mlflow-3.12.0"], indirect=True)
@pytest.mark.parametrize("module", ["access", "user"])
def test_a_user_who_cannot_be_deleted_has_lost_what_was_taken_before(lab, team, module):
    """Up to 3.12, a user is deleted by several requests."""
    team["groups"] = []
    lab.ok("access", **team)
    bob, shared = team["users"][1]["name"], team["experiments"][0]["name"]
    number = lab.reader.experiments()[shared]["experiment_id"]
    lab.reader.grant(bob, "experiment", number, "READ")
    keep = {**team, "users": team["users"][:1]}
    arguments = keep if module == "access" else {"name": bob, "state": "absent"}
    with lab.proxy.deciding(mlflow_proxy.refusing("users/delete")):
        done = lab.run(module, **arguments)
    assert (done["failed"], done["changed"]) == (True, True)
    assert lab.reader.user(bob)["grants"] == {}
    if module == "access":
        assert done["access"]["changes"] == [f"- {bob} READ experiment {shared}"]
    lab.ok(module, **arguments)
    assert lab.reader.user(bob) is None


def test_what_is_refused_of_one_thing_keeps_nobody_else_from_theirs(newest, team, some, secret):
    newest.ok("access", **team)
    (ann, bob), eve = (user["name"] for user in team["users"]), some("eve")
    newest.reader.create_user(eve, secret())
    shared, fresh = team["experiments"][0], some("fresh")
    shared.update(tags={"a": "c"}, grants={ann: "DENY", bob: "READ"})
    team["experiments"].append({"name": fresh, "grants": {bob: "READ"}})
    with newest.proxy.deciding(mlflow_proxy.refusing("set-experiment-tag", "experiments/create")):
        done = newest.run("access", **team)
    assert done["failed"]
    for line, path in (("~ experiment", "set-experiment-tag"), ("+ experiment", "experiments/create")):
        assert line in done["msg"]
        assert f"{path}: 500" in done["msg"]
    assert done["failure"]["status"] == 500
    # What could not be changed is there, and what could not be made is not.
    assert newest.reader.user(eve) is None
    found = newest.reader.experiments()
    assert newest.reader.user(bob)["grants"] == {("experiment", found[shared["name"]]["experiment_id"]): "READ"}
    assert fresh not in found
    done = newest.ok("access", **team)
    assert done["access"]["changes"][1:] == [f"+ experiment {fresh}", f"+ {bob} READ experiment {fresh}"]
    newest.unchanged("access", **team)


def test_what_cannot_be_taken_away_keeps_nothing_else_from_it(newest, team):
    newest.ok("access", **team)
    ann, bob = (user["name"] for user in team["users"])
    team["groups"][0]["members"] = []
    team["users"][1]["admin"] = False
    team["registered_models"][0]["grants"] = {bob: "EDIT"}
    with newest.proxy.deciding(mlflow_proxy.refusing("roles/unassign")):
        done = newest.run("access", **team)
    model = team["registered_models"][0]["name"]
    assert done["access"]["changes"] == [f"- {ann} EDIT registered_model {model}", f"- user {bob} is admin"]
    assert f"- {ann} in group {team['groups'][0]['name']}: DELETE " in done["msg"]
    assert done["msg"].endswith("; 1 more changes wait for a run in which that can be done")
    # Ann is in the group that she is to leave, so nobody is given anything more.
    assert newest.reader.user(bob) == {**newest.reader.user(bob), "admin": False, "grants": {}}
    newest.ok("access", **team)
    assert newest.reader.user(bob)["grants"] == {("registered_model", model): "EDIT"}


def test_who_stays_an_admin_against_the_declaration_is_let_in_by_no_new_password(newest, team, secret):
    team["users"][1]["admin"] = True
    newest.ok("access", **team)
    bob = team["users"][1]
    former, declared = bob["password"], secret()
    bob.update(admin=False, password=declared)
    with newest.proxy.deciding(mlflow_proxy.refusing("users/update-admin")):
        done = newest.run("access", **team)
        # A module for one thing ends with what is refused, before anybody has another password.
        alone = newest.run("user", name=bob["name"], user_password=secret(), admin=False)
    assert f"- user {bob['name']} is admin: PATCH " in done["msg"]
    assert done["msg"].endswith(f" wait for a run in which that can be done, ~ user {bob['name']} declared password")
    assert (alone["failed"], alone["changed"]) == (True, False)
    assert newest.reader.user(bob["name"])["admin"]
    assert [newest.reader.logs_in(bob["name"], it) for it in (former, declared)] == [False, False]
    newest.ok("access", **team)
    assert newest.reader.user(bob["name"])["admin"] is False
    assert newest.reader.logs_in(bob["name"], declared)
    newest.unchanged("access", **team)


@pytest.mark.parametrize("lab", project.next_mlflows(), indirect=True)
def test_a_rename_that_mlflow_refuses_keeps_nobody_else_from_theirs(lab, team, some, secret):
    """From 3.18 on it refuses that of a model that a group has a grant on."""
    model, eve = team["registered_models"][0], some("eve")
    team["groups"][0]["grants"].append({"registered_model": model["name"], "permission": "READ"})
    lab.ok("access", **team)
    lab.reader.create_user(eve, secret())
    team["groups"][0]["grants"][1]["registered_model"] = new = some("new")
    team["registered_models"][0] = {**model, "name": new, "rename_from": model["name"]}
    done = lab.run("access", **team)
    assert done["failed"]
    assert f"~ registered_model {model['name']} renamed to {new}: " in done["msg"]
    assert done["access"]["changes"] == [f"- user {eve}"]
    assert lab.reader.user(eve) is None
    # What everybody has is as declared, under the name that it has.
    ann = team["users"][0]["name"]
    assert lab.reader.user(ann)["grants"][("registered_model", model["name"])] == "EDIT"


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
