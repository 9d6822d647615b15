"""Several servers in one call: each gets what it is to have, or a message that says why not."""

import socket

import loopback
import mlflow_proxy
import pytest

PASSWORD = 'wrong: "pass\'word" %'


@pytest.fixture
def one(lab, some, secret):
    """Return a function that declares a server: the lab's own, unless told otherwise."""

    def declare(name="up", **options):
        ann = some("ann o'neil")
        people = {
            "users": [{"name": ann, "password": secret()}],
            "experiments": [{"name": some("实验 a/b:c"), "grants": {ann: "EDIT"}}],
        }
        connection = {"tracking_uri": lab.proxy.uri, "username": "admin", "password": lab.password}
        return {"name": name, **connection, **people, **options}

    return declare


@pytest.fixture
def down():
    """Return the address of a server that is not there."""
    with loopback.nobody() as uri:
        yield uri


@pytest.mark.parametrize("parallel", [1, 2, 4])
def test_those_that_work_do_not_wait_for_those_that_do_not(lab, one, down, parallel):
    up = one()
    all_three = [one("down", tracking_uri=down), one("wrong", password=PASSWORD), up]
    ann = up["users"][0]
    line = f"+ {ann['name']} EDIT experiment {up['experiments'][0]['name']}"

    predicted = lab.several("servers_access", *all_three, check=True, parallel=parallel)
    assert predicted["failures"] == {}
    for name, why in (("down", "Connection refused"), ("wrong", "does not accept the credentials of user 'admin'")):
        assert predicted[name]["changed"] is True
        assert predicted[name]["msg"].startswith("would be managed once its server runs: ")
        assert why in predicted[name]["msg"]
    assert lab.reader.user(ann["name"]) is None

    done = lab.several("servers_access", *all_three, parallel=parallel)
    assert [found["name"] for found in done["servers"]] == ["down", "wrong", "up"]
    assert set(done["failures"]) == {"down", "wrong"}
    assert "Connection refused" in done["failures"]["down"]
    assert down in done["failures"]["down"]
    assert done["wrong"]["failure"]["status"] == 401
    assert not done["down"]["changed"]
    assert line in done["up"]["changes"]
    assert done["up"]["changes"] == predicted["up"]["changes"]
    assert done["diff"] == [{"prepared": "".join(f"{text}\n" for text in ["up:", *done["up"]["changes"]])}]
    assert done["diff"][0] in predicted["diff"]
    assert lab.reader.logs_in(ann["name"], ann["password"])

    again = lab.several("servers_access", *all_three, parallel=parallel)
    assert not again["changed"]
    assert set(again["failures"]) == {"down", "wrong"}
    assert lab.proxy.writes == []
    assert again["diff"] == []


def test_one_in_whose_way_something_is_gets_all_else_and_fails(lab, one, some):
    model = some("taken")
    lab.ok("prompt", name=model)
    declared = one(registered_models=[{"name": model}])
    predicted = lab.several("servers_access", declared, check=True)
    done = lab.several("servers_access", declared)
    for result in (predicted, done):
        assert f"'{model}' is a prompt on the server" in result["failures"]["up"]
        assert f"+ user {declared['users'][0]['name']}" in result["up"]["changes"]
    assert lab.reader.logs_in(declared["users"][0]["name"], declared["users"][0]["password"])


def test_what_access_warns_of_names_the_server(lab, one):
    done = lab.several("servers_access", one())
    said = str(done.get("warnings", []))
    assert ("up: MLflow" in said) is not lab.can_list
    assert ("cannot list its users" in str(done["up"]["warnings"])) is not lab.can_list


def test_a_server_that_never_answers_is_given_up(lab, one):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        # One that answers may be too slow for the shorter ones, on a busy machine.
        for seconds in (10, 60, 200):
            both = (one("silent", tracking_uri=uri), one())
            done = lab.several("servers_access", *both, timeout=seconds, parallel=1)
            said = done["failures"]["silent"]
            assert "timed out" in said or "no whole answer within" in said
            if "up" not in done["failures"]:
                break
    assert done["up"]["changed"]


def test_a_server_that_fails_in_the_middle_is_made_good(lab, one):
    server = one()

    def decide(method, path, writes):
        return mlflow_proxy.CUT if writes == 1 and method != "GET" else mlflow_proxy.PASS

    with lab.proxy.deciding(decide):
        assert list(lab.several("servers_access", server, one("wrong", password=PASSWORD))["failures"]) == [
            "up",
            "wrong",
        ]
    assert lab.several("servers_access", server)["up"]["changed"]
    assert not lab.several("servers_access", server)["changed"]


def test_a_declaration_that_cannot_work_is_that_servers_failure(lab, one):
    bad = one("bad", groups=[{"name": "all", "members": ["nobody at all"]}])
    for check in (True, False):
        done = lab.several(
            "servers_access", bad, one("again", users=[], experiments=[], policy="additive"), check=check
        )
        assert done["failures"] == {"bad": "groups: all: members: 'nobody at all' is not among the users"}
        assert "msg" not in done["again"]


def test_check_mode_takes_no_server_that_refuses_for_one_that_is_not_there(lab, one, some):
    member = one(username=some("member"), password=PASSWORD)
    lab.ok("user", name=member["username"], user_password=PASSWORD)
    for check in (True, False):
        assert lab.several("servers_access", member, check=check)["up"]["failure"]["status"] == 403
