"""A whole server in one call, on every server."""

import pytest


@pytest.fixture
def team(lab, some, secret):
    """A declaration of a team with hostile names, without groups."""
    ann, bob, eve = some("ann o'neil"), some("bob/100%"), some('"eve"')
    return {
        "users": [{"name": name, "password": secret()} for name in (ann, bob, eve)],
        "experiments": [
            {"name": some("实验 a/b:c"), "tags": {"owner": ann}, "grants": {ann: "MANAGE", bob: "EDIT"}},
            {"name": some("plain"), "grants": {bob: "READ", eve: "READ"}},
        ],
        "registered_models": [{"name": some("modèl 100%"), "description": "It's", "grants": {ann: "EDIT"}}],
    }


def names(declared, key):
    return [thing["name"] for thing in declared[key]]


def numbers(lab, declared):
    """The ids of the declared experiments."""
    found = lab.reader.experiments()
    return [found[name]["experiment_id"] for name in names(declared, "experiments")]


def test_a_team_comes_and_changes(lab, team, some, secret):
    done = lab.converge("access", **team)
    ann, bob, eve = names(team, "users")
    hard, plain = numbers(lab, team)
    model = team["registered_models"][0]["name"]
    assert f"+ {ann} MANAGE experiment {team['experiments'][0]['name']}" in done["access"]["changes"]
    assert lab.reader.user(ann)["grants"] == {("experiment", hard): "MANAGE", ("registered_model", model): "EDIT"}
    assert lab.reader.user(bob)["grants"] == {("experiment", hard): "EDIT", ("experiment", plain): "READ"}
    for user in team["users"]:
        assert lab.reader.logs_in(user["name"], user["password"])
    who = {user["name"]: (user["name"], user["password"]) for user in team["users"]}
    assert lab.person.level(who[bob], "experiment", hard) == "EDIT"
    assert lab.person.level(who[eve], "experiment", hard) == "NO_PERMISSIONS"
    assert lab.person.level(who[ann], "registered_model", model) == "EDIT"
    # Lowered, raised, taken away, renamed, a changed password, and an admin.
    new, password = some("renamed"), secret()
    team["experiments"][0].update(name=new, rename_from=team["experiments"][0]["name"], grants={ann: "READ"})
    team["experiments"][1]["grants"] = {bob: "MANAGE"}
    team["users"][1]["password"] = password
    team["users"][2]["admin"] = True
    lab.converge("access", **team)
    assert numbers(lab, team) == [hard, plain]
    assert lab.reader.user(ann)["grants"][("experiment", hard)] == "READ"
    assert lab.reader.user(bob)["grants"] == {("experiment", plain): "MANAGE"}
    assert lab.reader.user(eve) | {"id": 0} == {"id": 0, "admin": True, "grants": {}}
    assert lab.reader.logs_in(bob, password)
    assert not lab.reader.logs_in(*who[bob])


def test_exclusive_removes_whom_nobody_declared_where_users_can_be_listed(lab, team, some, secret):
    kept, extra = some("kept"), some("extra")
    lab.ok("access", **team, keep_users=[kept])
    for name in (kept, extra):
        lab.reader.create_user(name, secret())
        lab.reader.grant(name, "experiment", numbers(lab, team)[0], "EDIT")
    lab.unchanged("access", **team, policy="additive")
    if not lab.can_list:
        done = lab.unchanged("access", **team, keep_users=[kept])
        assert "cannot list its users" in str(done["warnings"])
        assert lab.reader.user(extra)
        team["users"].append({"name": extra, "state": "absent"})
    lab.converge("access", **team, keep_users=[kept])
    assert lab.reader.user(extra) is None
    assert len(lab.reader.user(kept)["grants"]) == 1


def test_kept_users_and_the_own_account_stay_in_groups(lab, team, some, secret):
    if not lab.has_groups:
        pytest.skip("no groups")
    kept, extra, group = some("kept"), some("extra"), some("everybody")
    for name in (kept, extra):
        lab.reader.create_user(name, secret())
    ann = names(team, "users")[0]
    team["groups"] = [{"name": group, "members": [ann], "grants": []}]
    lab.ok("access", **team, policy="additive")
    lab.ok("group", name=group, members=["admin", ann, kept, extra])
    lab.converge("access", **team, keep_users=[kept])
    assert lab.reader.role(group)["members"] == {lab.reader.user(name)["id"] for name in ("admin", ann, kept)}


def test_undeclared_grants_are_revoked_but_creators_keep_theirs(lab, team):
    lab.ok("access", **team)
    eve = names(team, "users")[2]
    who = (eve, team["users"][2]["password"])
    own = lab.reader.ask("POST", "/api/2.0/mlflow/experiments/create", who, name=eve + "'s own")["experiment_id"]
    lab.reader.grant(eve, "experiment", numbers(lab, team)[0], "EDIT")
    lab.converge("access", **team)
    assert lab.reader.user(eve)["grants"] == {
        ("experiment", numbers(lab, team)[1]): "READ",
        ("experiment", own): "MANAGE",
    }
    lab.converge("access", **team, revoke_creators=True)
    assert lab.reader.user(eve)["grants"] == {("experiment", numbers(lab, team)[1]): "READ"}


@pytest.fixture
def squatted(lab, team, tmp_path):
    """The people of a team, two of whom were quicker than its declaration; and where one of them keeps artifacts."""
    people = {"users": team["users"]}
    lab.ok("access", **people)
    who = {user["name"]: (user["name"], user["password"]) for user in team["users"]}
    ann, bob, _eve = names(team, "users")
    location = f"file://{tmp_path}/their own"
    create = "/api/2.0/mlflow/experiments/create"
    lab.reader.ask("POST", create, who[ann], name=names(team, "experiments")[1], artifact_location=location)
    lab.reader.ask(
        "POST", "/api/2.0/mlflow/registered-models/create", who[bob], name=team["registered_models"][0]["name"]
    )
    return location


def test_who_was_quicker_than_the_declaration_keeps_nothing(lab, team, squatted):
    ann, bob, _eve = names(team, "users")
    plain, model = names(team, "experiments")[1], names(team, "registered_models")[0]
    predicted = lab.ok("access", check=True, **team)
    done = lab.converge("access", **team)
    for result in (predicted, done):
        assert f"- {ann} MANAGE experiment {plain}" in result["access"]["changes"]
        assert f"- {bob} MANAGE registered_model {model}" in result["access"]["changes"]
        assert f"experiment '{plain}': keeps its artifacts at {squatted}" in str(result["warnings"])
    hard, number = numbers(lab, team)
    assert lab.reader.user(ann)["grants"] == {("experiment", hard): "MANAGE", ("registered_model", model): "EDIT"}
    assert lab.reader.user(bob)["grants"] == {("experiment", hard): "EDIT", ("experiment", number): "READ"}
    assert lab.person.level((ann, team["users"][0]["password"]), "experiment", number) == "NO_PERMISSIONS"
    # It is said for as long as it is so, and nobody says that it is right.
    assert squatted in str(lab.unchanged("access", **team)["warnings"])
    team["experiments"][1]["artifact_location"] = squatted
    assert squatted not in str(lab.unchanged("access", **team).get("warnings"))


def test_who_was_quicker_is_named_where_nothing_is_taken_away(lab, team, squatted):
    ann, bob, _eve = names(team, "users")
    plain, model = names(team, "experiments")[1], names(team, "registered_models")[0]
    for check in (True, False, False):
        told = str(lab.ok("access", check=check, policy="additive", **team)["warnings"])
        assert f"experiment '{plain}': '{ann}', who seems to have made it, keeps MANAGE" in told.replace("\\'", "'")
        assert f"registered_model '{model}': '{bob}', who seems to have made it" in told.replace("\\'", "'")
        assert squatted in told
    assert lab.reader.user(ann)["grants"][("experiment", numbers(lab, team)[1])] == "MANAGE"


@pytest.fixture
def taken(lab, team):
    """A prompt that one of the people has made with the name of a model that is declared; how it goes."""
    lab.ok("access", users=team["users"])
    bob, model = team["users"][1], names(team, "registered_models")[0]
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    models = "/api/2.0/mlflow/registered-models/"
    lab.reader.ask("POST", f"{models}create", (bob["name"], bob["password"]), name=model, tags=tags)
    return lambda: lab.reader.ask("DELETE", f"{models}delete", (bob["name"], bob["password"]), name=model)


def test_a_prompt_in_the_place_of_a_model_keeps_nobody_else_from_theirs(lab, team, taken):
    ann, bob, eve = names(team, "users")
    model = names(team, "registered_models")[0]
    hers = lab.reader.user(eve)
    assert hers is not None
    # One of them goes.
    team["users"][2]["state"] = "absent"
    team["experiments"][1]["grants"].pop(eve)
    predicted = lab.run("access", check=True, **team)
    done = lab.run("access", **team)
    for result in (predicted, done):
        assert result["failed"]
        assert f"'{model}' is a prompt on the server; MLflow has one name for both" in result["msg"]
        assert f"- user {eve}" in result["access"]["changes"]
    assert predicted["access"] == done["access"]
    assert lab.reader.user(eve) is None
    hard, plain = numbers(lab, team)
    assert lab.reader.user(ann)["grants"] == {("experiment", hard): "MANAGE"}
    mine = lab.reader.user(bob)["grants"]
    assert (mine[("experiment", hard)], mine[("experiment", plain)]) == ("EDIT", "READ")
    again = lab.run("access", **team)
    assert (again["failed"], again["changed"], lab.proxy.writes) == (True, False, [])
    taken()
    lab.converge("access", **team)
    assert lab.reader.user(ann)["grants"][("registered_model", model)] == "EDIT"


def test_what_somebody_has_removed_keeps_nobody_else_from_theirs(lab, team):
    ann, _bob, eve = names(team, "users")
    model = team.pop("registered_models")[0]["name"]
    lab.ok("registered_model", name=model)
    team["users"][0]["grants"] = [{"registered_model": model, "permission": "EDIT"}]
    lab.ok("access", **team)
    lab.ok("registered_model", name=model, state="absent")
    team["users"][2]["state"] = "absent"
    team["experiments"][1]["grants"].pop(eve)
    done = lab.run("access", **team)
    assert done["msg"] == f"users: {ann}: grants: registered_model {model} does not exist on the server"
    assert f"- user {eve}" in done["access"]["changes"]
    assert lab.reader.user(eve) is None
    assert set(lab.reader.user(ann)["grants"]) == {("experiment", numbers(lab, team)[0])}


def login(declared, number):
    """Who one of the people is to the server."""
    return declared["users"][number]["name"], declared["users"][number]["password"]


def removing_eve(lab, team):
    """Take eve out of a declaration that something is in the way of: she goes, as predicted; message and lines."""
    eve = names(team, "users")[2]
    team["users"][2]["state"] = "absent"
    team["experiments"][1]["grants"].pop(eve, None)
    predicted = lab.run("access", check=True, **team)
    done = lab.run("access", **team)
    assert (predicted["msg"], predicted["access"]) == (done["msg"], done["access"])
    assert f"- user {eve}" in done["access"]["changes"]
    assert lab.reader.user(eve) is None
    again = lab.run("access", **team)
    assert (again["failed"], again["changed"], lab.proxy.writes) == (True, False, [])
    assert again["msg"] == done["msg"]
    return done["msg"], done["access"]["changes"]


def test_a_rename_takes_no_denial_away(lab, team, some):
    if lab.version < (3, 17):
        pytest.skip("no DENY beside a grant on all")
    ann, secret = names(team, "users")[0], some("secret of bob")
    lab.ok("access", **team)
    experiments = "/api/2.0/mlflow/experiments/"
    number = lab.reader.ask("POST", f"{experiments}create", login(team, 1), name=secret)["experiment_id"]
    team["users"][0]["grants"] = [
        {"experiment": "*", "permission": "READ"},
        {"experiment": secret, "permission": "DENY"},
    ]
    lab.converge("access", **team)

    def sees():
        return lab.reader.status("GET", f"{experiments}get", login(team, 0), experiment_id=number)

    assert sees() == 403
    renamed = some("another name")
    lab.reader.ask("POST", f"{experiments}update", login(team, 1), experiment_id=number, new_name=renamed)
    told, changes = removing_eve(lab, team)
    assert told == f"users: {ann}: grants: experiment {secret} does not exist on the server"
    assert not any(renamed in line for line in changes)
    assert sees() == 403
    # Once nobody declares it any more, it goes.
    team["users"][0]["grants"].pop()
    assert f"- {ann} DENY experiment {renamed}" in lab.converge("access", **team)["access"]["changes"]


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("again", [False, True])
def test_nor_does_the_rename_of_what_is_declared(lab, team, some, again, grouped):
    """It is made anew by a run, or has been by whoever renamed it."""
    if lab.version < (3, 17):
        pytest.skip("no DENY beside a grant on all")
    ann, bob, _eve = names(team, "users")
    secret, renamed, group = names(team, "experiments")[0], some("another name"), some("readers")
    team["groups"] = [{"name": group, "members": [ann], "grants": [{"experiment": "*", "permission": "READ"}]}]
    team["experiments"][0]["grants"] = {bob: "EDIT"} if grouped else {ann: "DENY", bob: "EDIT"}
    if grouped:
        team["groups"][0]["grants"].append({"experiment": secret, "permission": "DENY"})
    lab.converge("access", **team)
    number, experiments = numbers(lab, team)[0], "/api/2.0/mlflow/experiments/"

    def sees():
        return lab.reader.status("GET", f"{experiments}get", login(team, 0), experiment_id=number)

    assert sees() == 403
    lab.reader.ask("POST", f"{experiments}update", login(team, 1), experiment_id=number, new_name=renamed)
    if again:
        lab.reader.ask("POST", f"{experiments}create", login(team, 1), name=secret)
    done = lab.converge("access", **team)
    assert sees() == 403
    who = f"group {group}" if grouped else ann
    for result in (done, lab.unchanged("access", **team)):
        assert sees() == 403
        assert f"{who} keeps DENY experiment {renamed}, which nobody declared" in str(result["warnings"])
    assert f"+ {who} DENY experiment {secret}" in done["access"]["changes"]
    # Who renamed it has nothing of it any more.
    assert f"- {bob} EDIT experiment {renamed}" in done["access"]["changes"]
    assert numbers(lab, team)[0] != number
    # Once it is declared, it is as declared.
    team["experiments"].append({"name": renamed, "grants": {bob: "READ"}})
    assert f"- {who} DENY experiment {renamed}" in lab.converge("access", **team)["access"]["changes"]
    assert sees() == 200


def test_a_secret_of_another_provider_keeps_nobody_else_from_theirs(lab, team, some):
    if lab.version < (3, 13):
        pytest.skip("no gateway whose secrets people make")
    lab.ok("access", users=team["users"])
    ann, name, endpoint = names(team, "users")[0], some("key"), some("judge")
    value = {"api_key": f"sk-{some('value')}"}
    create = "/api/3.0/mlflow/gateway/secrets/create"
    body = {"secret_name": name, "secret_value": value, "provider": "openai"}
    assert lab.reader.status("POST", create, login(team, 1), **body) == 200
    team["gateway_secrets"] = [
        {"name": name, "provider": "anthropic", "values": value},
        # One that was removed, and whose values nobody has kept.
        {"name": some("gone")},
    ]
    model = {"provider": "openai", "model": "gpt", "secret": some("gone")}
    team["gateway_endpoints"] = [{"name": endpoint, "models": [model], "grants": {ann: "USE"}}]
    team["users"][0]["grants"] = [{"gateway_model_definition": endpoint, "permission": "USE"}]
    told, _changes = removing_eve(lab, team)
    assert told == (
        f"provider: MLflow cannot change that of gateway_secret '{name}'; use another name; "
        f"values: gateway_secret '{some('gone')}' does not exist yet and needs values; "
        f"models: gateway_endpoint '{endpoint}': there is no gateway_secret '{some('gone')}'"
    )
    team["gateway_secrets"][0]["provider"] = "openai"
    team["gateway_secrets"][1].update(provider="openai", values=value)
    done = lab.converge("access", **team)
    assert f"+ {ann} USE gateway_endpoint {endpoint}" in done["access"]["changes"]


def test_two_webhooks_of_one_name_keep_nobody_from_theirs(lab, team, some):
    if lab.version < (3, 17):
        pytest.skip("what is there is the same for all")
    webhook = {"name": some("deploy"), "url": "https://deploy.example.org/x", "events": ["prompt.created"]}
    lab.ok("access", users=team["users"])
    events = [{"entity": "PROMPT", "action": "CREATED"}]
    for _each in range(2):
        lab.reader.ask("POST", "/api/2.0/mlflow/webhooks", **{**webhook, "events": events})
    told, _changes = removing_eve(lab, {**team, "webhooks": [webhook]})
    assert told == f"webhooks: 2 on the server are called '{webhook['name']}'; leave one of them there"


def test_an_alias_on_what_somebody_has_removed_grants_on_nothing(lab, team):
    ann, model = names(team, "users")[0], names(team, "registered_models")[0]
    lab.ok("access", **team)
    lab.ok("registered_model", name=model, state="absent")
    team["registered_models"][0]["aliases"] = {"champion": 3}
    told, changes = removing_eve(lab, team)
    assert told == f"aliases: champion: registered_model '{model}' has no version 3"
    assert not any(line.startswith("+") for line in changes)
    assert ("registered_model", model) not in lab.reader.user(ann)["grants"]


def test_what_could_not_be_renamed_has_its_grants_under_its_former_name(lab, team, some, taken):
    ann, bob = names(team, "users")[:2]
    old, new = some("old"), names(team, "registered_models")[0]
    lab.ok("registered_model", name=old)
    former = some("deleted")
    number = lab.reader.ask("POST", "/api/2.0/mlflow/experiments/create", name=former)["experiment_id"]
    for who in (ann, bob):
        lab.reader.grant(who, "registered_model", old, "EDIT")
        lab.reader.grant(who, "experiment", number, "EDIT")
    lab.ok("experiment", name=former, state="absent")
    team["registered_models"][0]["rename_from"] = old
    renamed = {"name": some("renamed"), "rename_from": former, "grants": {ann: "EDIT", bob: "READ"}}
    team["experiments"].append(renamed)
    told, _changes = removing_eve(lab, team)
    assert f"rename_from: experiment '{former}' was deleted; restore it first; " in told
    assert f"'{new}' is a prompt on the server" in told
    hers, his = (lab.reader.user(who)["grants"] for who in (ann, bob))
    assert (hers[("registered_model", old)], hers[("experiment", number)]) == ("EDIT", "EDIT")
    # Who is not to have any of it loses it all the same.
    assert (his.get(("registered_model", old)), his[("experiment", number)]) == (None, "READ")
    taken()
    lab.reader.ask("POST", "/api/2.0/mlflow/experiments/restore", experiment_id=number)
    lab.converge("access", **team)
    assert lab.reader.user(ann)["grants"][("registered_model", new)] == "EDIT"


def test_places_that_the_server_chose_are_no_reason_to_warn(lab, team):
    for declared in (team, team, {**team, "artifact_root": "s3://elsewhere/vision"}):
        assert "keeps its artifacts at" not in str(lab.ok("access", **declared).get("warnings"))


def test_a_team_goes(lab, team):
    lab.ok("access", **team)
    for key in ("users", "experiments", "registered_models"):
        for thing in team[key]:
            thing["state"] = "absent"
            thing.pop("grants", None)
    lab.converge("access", **team)
    assert [lab.reader.user(name) for name in names(team, "users")] == [None] * 3
    experiments = lab.reader.experiments()
    assert all(experiments[name]["lifecycle_stage"] == "deleted" for name in names(team, "experiments"))
    assert not set(names(team, "registered_models")) & set(lab.reader.models())


def test_groups_or_what_they_grant(lab, team, some):
    ann, bob, eve = names(team, "users")
    resource, group = team["experiments"][1]["name"], some("readers")
    grants = [{"experiment": resource, "permission": "EDIT"}]
    team["groups"] = [{"name": group, "description": "All", "members": [ann, bob, eve], "grants": grants}]
    team["experiments"][1]["grants"] = {bob: "MANAGE", eve: "READ"}
    who = {user["name"]: (user["name"], user["password"]) for user in team["users"]}
    if not lab.has_groups:
        assert "3.12 or later" in lab.refused("access", **team)
        assert [lab.reader.user(name) for name in who] == [None] * 3
    done = lab.converge("access", **team, on_missing_roles="expand")
    assert (f"+ group {group}" in done["access"]["changes"]) is lab.has_groups
    _hard, plain = numbers(lab, team)
    if lab.has_groups:
        role = lab.reader.role(group)
        assert role["members"] == {lab.reader.user(name)["id"] for name in who}
        assert role["grants"] == {("experiment", plain): "EDIT"}
    else:
        # What was given is the higher of the two.
        assert [lab.reader.user(name)["grants"][("experiment", plain)] for name in who] == ["EDIT", "MANAGE", "EDIT"]
    assert [lab.person.level(who[name], "experiment", plain) for name in who] == ["EDIT", "MANAGE", "EDIT"]
    del team["groups"][0]
    lab.converge("access", **team, on_missing_roles="expand")
    assert [lab.person.level(who[name], "experiment", plain) for name in who] == ["NO_PERMISSIONS", "MANAGE", "READ"]


def test_use_and_all_of_a_kind_are_refused_before_anything_is_done(lab, team):
    ann, _bob, _eve = names(team, "users")
    if lab.version < (3, 9):
        team["experiments"][1]["grants"] = {ann: "USE"}
        assert "3.9 or later" in lab.refused("access", **team)
    if lab.version < (3, 13):
        team["experiments"][1]["grants"] = {}
        team["users"][0]["grants"] = [{"experiment": "*", "permission": "READ"}]
        assert "3.13 or later" in lab.refused("access", **team)
        assert lab.reader.user(ann) is None
        return
    team["experiments"][1]["grants"] = {ann: "USE"}
    team["users"][0]["grants"] = [{"registered_model": "*", "permission": "READ"}]
    lab.converge("access", **team)


def test_a_denied_user_has_nothing(lab, team):
    ann, _bob, _eve = names(team, "users")
    team["experiments"][0]["grants"] = {ann: "DENY"}
    if not lab.can_deny:
        assert "needs 3.17 or later" in lab.refused("access", **team)
        return
    lab.converge("access", **team)
    hard, _plain = numbers(lab, team)
    level = "NO_PERMISSIONS" if lab.version < (3, 13) else "DENY"
    assert lab.reader.user(ann)["grants"][("experiment", hard)] == level
    assert lab.person.level((ann, team["users"][0]["password"]), "experiment", hard) == "NO_PERMISSIONS"
    # Before its grants were there the new user could not log in: the password came last.
    assert lab.reader.logs_in(ann, team["users"][0]["password"])
