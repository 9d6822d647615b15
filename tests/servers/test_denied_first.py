"""Who is denied something gets in only once it is denied, however many runs that takes."""

import mlflow_proxy
import pytest

DENIALS = ("users/permissions/grant", "experiments/permissions/create")


@pytest.fixture
def team(some, secret):
    """Somebody who may not see what the others may."""
    ann, secretive = some("ann"), some("secretive")
    return {
        "users": [{"name": ann, "password": secret()}],
        "experiments": [{"name": secretive, "grants": {ann: "DENY"}}],
    }


@pytest.fixture
def grouped(some, secret):
    """The same by a group."""
    ann, secretive = some("ann"), some("secretive")
    grants = [{"experiment": secretive, "permission": "DENY"}]
    return {
        "users": [{"name": ann, "password": secret()}],
        "groups": [{"name": some("guests"), "members": [ann], "grants": grants}],
        "experiments": [{"name": secretive}],
    }


def logs_in(lab, team):
    (ann,) = team["users"]
    return lab.reader.logs_in(ann["name"], ann["password"])


def stays_out(lab, team, *refused):
    """Two runs of which something is refused: the second finds a user whom nobody else knows a password of."""
    for number in (1, 2):
        with lab.proxy.deciding(mlflow_proxy.refusing(*refused)):
            assert lab.run("access", **team)["failed"]
        assert not logs_in(lab, team), f"run {number} let somebody in"


def gets_in(lab, team):
    lab.ok("access", **team)
    assert logs_in(lab, team)
    lab.unchanged("access", **team)


def test_a_denial_that_is_refused(lab, team):
    if not lab.can_deny:
        pytest.skip("this MLflow has no word for it")
    stays_out(lab, team, *DENIALS)
    gets_in(lab, team)


@pytest.mark.parametrize("refused", ["roles/permissions/add", "roles/assign"])
def test_a_part_of_a_group_that_is_refused(newest, grouped, refused):
    stays_out(newest, grouped, refused)
    gets_in(newest, grouped)


@pytest.mark.parametrize("refused", ["roles/permissions/add", "roles/assign"])
def test_a_group_that_is_denied_something_later(newest, grouped, refused, secret):
    """Whoever is in, stays in; whoever gets another password with it, waits, and the former one is void at once."""
    grants, grouped["groups"][0]["grants"] = grouped["groups"][0]["grants"], []
    members, grouped["groups"][0]["members"] = grouped["groups"][0]["members"], []
    newest.ok("access", **grouped)
    grouped["groups"][0].update(grants=grants, members=members)
    with newest.proxy.deciding(mlflow_proxy.refusing(refused)):
        assert newest.run("access", **grouped)["failed"]
    assert logs_in(newest, grouped)
    former = grouped["users"][0]["password"]
    grouped["users"][0]["password"] = secret()
    stays_out(newest, grouped, refused)
    with newest.proxy.deciding(mlflow_proxy.refusing(refused)):
        done = newest.run("access", **grouped)
    name = grouped["users"][0]["name"]
    assert f"more changes wait for a run in which that can be done, ~ user {name} declared password" in done["msg"]
    assert not newest.reader.logs_in(grouped["users"][0]["name"], former)
    gets_in(newest, grouped)


def test_a_run_that_is_cut_off_before_the_denial(newest, team):
    asked = []

    def cut(method, path, writes):
        if path.endswith(DENIALS):
            asked.append(path)
        return mlflow_proxy.CUT if asked else mlflow_proxy.PASS

    with newest.proxy.deciding(cut):
        assert newest.run("access", **team)["failed"]
    stays_out(newest, team, *DENIALS)
    gets_in(newest, team)


def test_who_is_denied_what_is_denied_already_does_not_wait(newest, team, some, secret):
    """Another's denial keeps nobody out who lacks nothing."""
    newest.ok("access", **team)
    ann, bob = team["users"][0], {"name": some("bob"), "password": secret()}
    ann["password"] = secret()
    team["users"].append(bob)
    team["experiments"][0]["grants"][bob["name"]] = "DENY"
    with newest.proxy.deciding(mlflow_proxy.refusing(*DENIALS)):
        done = newest.run("access", **team)
    assert done["access"]["changes"] == [f"~ user {ann['name']} password changed", f"+ user {bob['name']}"]
    assert newest.reader.logs_in(ann["name"], ann["password"])
    assert not newest.reader.logs_in(bob["name"], bob["password"])


def test_a_password_that_is_refused_is_told_with_its_user(newest, team):
    with newest.proxy.deciding(mlflow_proxy.refusing("users/update-password")):
        done = newest.run("access", **team)
    assert done["msg"].startswith(f"~ user {team['users'][0]['name']} declared password: PATCH ")
    assert f"+ user {team['users'][0]['name']}" in done["access"]["changes"]
