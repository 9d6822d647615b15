"""The user modules, on every server."""

import pytest

# MLflow takes all of these; what it cannot serve is refused below.
NAMES = ["ann o'neil", 'a "quoted" name', "a/b/../c", "100%41", "n" * 250, "ünï", "a:b"]
UNSERVED = {"ünï": "outside printable ASCII", "a:b": "colon"}


def test_a_user_comes_and_goes(lab, some, secret):
    name, password = some("alice"), secret()
    done = lab.converge("user", name=name, user_password=password)
    assert done["user"] == {"name": name, "admin": False, "groups": []}
    assert lab.reader.user(name)["admin"] is False
    assert lab.reader.logs_in(name, password)
    lab.converge("user", name=name, state="absent")
    assert lab.reader.user(name) is None


def test_a_user_becomes_an_admin_and_is_one_no_more(lab, some, secret):
    name = some("boss")
    lab.reader.create_user(name, secret())
    for admin in (True, False):
        lab.converge("user", name=name, admin=admin)
        assert lab.reader.user(name)["admin"] is admin


def test_a_password_is_changed_only_when_asked(lab, some, secret):
    name, first, second = some("carol"), secret(), secret()
    lab.reader.create_user(name, first)
    lab.unchanged("user", name=name, user_password=second, update_password="on_create")
    assert lab.reader.logs_in(name, first)
    done = lab.converge("user", name=name, user_password=second)
    assert done["diff"]["after"]["password"] == "changed"
    assert lab.reader.logs_in(name, second)
    assert not lab.reader.logs_in(name, first)


def test_a_user_with_grants_is_removed(lab, some, secret):
    name, experiment, model = some("dora"), some("doras"), some("doras")
    lab.reader.create_user(name, secret())
    lab.reader.grant(name, "experiment", lab.reader.create_experiment(experiment), "EDIT")
    lab.reader.create_model(model)
    lab.reader.grant(name, "registered_model", model, "READ")
    lab.converge("user", name=name, state="absent")
    # Somebody new of that name has nothing.
    lab.reader.create_user(name, secret())
    assert lab.reader.user(name)["grants"] == {}


@pytest.mark.parametrize("word", NAMES, ids=lambda word: word[:9])
def test_hostile_names(lab, some, secret, word):
    name, password = word if len(word) == 250 else some(word), secret()
    if word in UNSERVED:
        assert UNSERVED[word] in lab.refused("user", name=name, user_password=password)
        return
    lab.ok("user", name=name, user_password=password)
    lab.unchanged("user", name=name, user_password=password)
    assert lab.reader.logs_in(name, password)
    lab.ok("user", name=name, state="absent")
    assert lab.reader.user(name) is None


def test_names_that_differ_only_by_case(lab, some, secret):
    small, large = some("case"), some("case").upper()
    for name in (small, large):
        lab.ok("user", name=name, user_password=secret())
    lab.ok("user", name=large, state="absent")
    assert lab.reader.user(small)
    assert lab.reader.user(large) is None


@pytest.mark.parametrize("ending", ["co:lon:", ' "quo\'tes" ', "per%41cent&=?#/\\"])
def test_hostile_passwords_also_transfer_artifacts(lab, some, secret, ending):
    name, password = some("eve"), secret() + ending
    lab.ok("user", name=name, user_password=password)
    lab.unchanged("user", name=name, user_password=password)
    number = lab.reader.create_experiment(some("eves"))
    lab.reader.grant(name, "experiment", number, "EDIT")
    assert lab.person.transfers((name, password), number)


@pytest.mark.parametrize("password", ["too short", "with ünicode long enough"])
def test_passwords_that_mlflow_cannot_serve(lab, some, password):
    name = some("frank")
    message = lab.refused("user", name=name, user_password=password)
    assert message.startswith("user_password: ")
    assert lab.reader.user(name) is None


def test_the_own_account_stays(lab):
    assert "cannot delete itself" in lab.refused("user", name="admin", state="absent")
    assert "must stay an admin" in lab.refused("user", name="admin", admin=False)


def test_users_are_listed_where_the_server_can(lab, some, secret):
    name = some("gina")
    lab.reader.create_user(name, secret())
    fact = {"name": name, "admin": False, "groups": []}
    assert lab.ok("user_info", name=name)["users"] == [fact]
    assert lab.ok("user_info", name=some("nobody"))["users"] == []
    everybody = lab.ok("user_info")["users"]
    assert (fact in everybody) is lab.can_list
    assert {"name": "admin", "admin": True, "groups": []} in everybody
