"""Grants on every kind of thing, on every server; what they are worth is tried."""

import time

import pytest
from mlflow_reader import V2, V3
from mlflow_things import make_all, scorer

# Kinds of which all can be granted, and no single one.
ALL_ONLY = (
    "run",
    "trace",
    "assessment",
    "logged_model",
    "review_queue",
    "registered_model_version",
    "prompt_version",
    "scorer_version",
    "mcp_server_version",
)
GATEWAY = ("gateway_secret", "gateway_endpoint", "gateway_model_definition")
# What is told of a thing that nobody declared, beside its name.
THREE = {"created_by", "according_to", "created_at"}
# Kinds that came later than the oldest server, with when users could have them.
LATER = {"scorer": (3, 7), "gateway_secret": (3, 13), "mcp_server": (3, 15), "run": (3, 17), "skill": (3, 18)}


@pytest.fixture
def things(lab, some):
    return make_all(lab.reader, some)


@pytest.fixture
def zoe(lab, some, secret):
    """Somebody with a name and a password, and nothing else."""
    who = (some("zoe o'z"), secret())
    lab.reader.create_user(*who)
    return who


def for_users(lab, things):
    """The kinds of which the server tells what users have."""
    return [kind for kind in things if kind not in GATEWAY or lab.version >= (3, 13)]


def stored(lab, kind):
    """Up to 3.12 a prompt is a model."""
    return "registered_model" if kind == "prompt" and lab.version < (3, 13) else kind


def rows(lab, things, kinds, level):
    """What the server has of grants on these."""
    return {(stored(lab, kind), things[kind].key): level for kind in kinds}


def grants(things, kinds, level):
    return [{kind: things[kind].name, "permission": level} for kind in kinds]


def expected(things, kind, level):
    """What trying finds: nothing that can be done with a scorer needs more than READ and less than MANAGE."""
    return "READ" if level == "EDIT" and things[kind].edit is None else level


def all_of(lab):
    """Grants on all of each kind, where users can have those."""
    kinds = ("experiment", "registered_model", "prompt", "scorer", *GATEWAY, "mcp_server", *ALL_ONLY)
    kinds += ("skill",) if lab.version >= (3, 18) else ()
    return kinds if lab.version >= (3, 17) else ()


def test_users_and_things_of_every_kind(lab, things, zoe):
    name, kinds = zoe[0], for_users(lab, things)
    user = {"name": name, "password": zoe[1]}
    for level in ("READ", "EDIT", "READ"):
        user["grants"] = grants(things, kinds, level)
        done = lab.converge("access", users=[user], policy="exclusive")
        assert f"{name} " in done["access"]["changes"][-1]
        assert lab.reader.user(name)["grants"] == rows(lab, things, kinds, level)
        for kind in kinds:
            assert things[kind].level(lab.reader, zoe) == expected(things, kind, level), kind
    # Whoever speaks of no prompts any more leaves them as they are, and is told so.
    user["grants"] = []
    quiet = lab.unchanged("access", users=[user])
    assert quiet["access"]["left"] == dict.fromkeys(kinds, 1)
    lab.converge("access", users=[user], kinds=list(things))
    assert lab.reader.user(name)["grants"] == {}
    for kind in kinds:
        assert things[kind].level(lab.reader, zoe) == "NO_PERMISSIONS", kind


def test_single_grants(lab, things, zoe):
    for kind in for_users(lab, things):
        grant = {"user": zoe[0], kind: things[kind].name}
        assert lab.converge("permission", **grant, permission="EDIT")["permission"] == {**grant, "permission": "EDIT"}
        assert lab.ok("permission_info", user=zoe[0])["permissions"] == [{**grant, "permission": "EDIT"}]
        lab.converge("permission", **grant, state="absent")
        assert lab.reader.user(zoe[0])["grants"] == {}


def test_groups_and_things_of_every_kind(lab, things, zoe, some):
    if not lab.has_groups:
        pytest.skip("no groups")
    group = some("group")
    wanted = {"name": group, "members": [zoe[0]], "grants": grants(things, things, "READ")}
    lab.converge("group", **wanted)
    assert lab.reader.role(group)["grants"] == rows(lab, things, things, "READ")
    for kind, thing in things.items():
        assert thing.level(lab.reader, zoe) == "READ", kind
    wanted["grants"] = grants(things, things, "EDIT")
    people = {"users": [{"name": zoe[0], "password": zoe[1]}], "groups": [wanted]}
    lab.converge("access", **people)
    for kind, thing in things.items():
        assert thing.level(lab.reader, zoe) == expected(things, kind, "EDIT"), kind
    # What is gone leaves the group's grant behind, for whoever takes the name next.
    gone = {kind: things[kind] for kind in ("prompt", "mcp_server", "skill") if kind in things}
    for thing in gone.values():
        lab.reader.ask(*thing.delete[:2], **thing.delete[2])
    wanted["grants"] = grants(things, [kind for kind in things if kind not in gone], "EDIT")
    lab.converge("access", **people, kinds=list(gone))
    assert lab.reader.role(group)["grants"] == rows(lab, things, [kind for kind in things if kind not in gone], "EDIT")


def test_what_somebody_may_do_is_what_the_server_lets_them_do(lab, things, zoe, some):
    name, kinds = zoe[0], for_users(lab, things)
    levels = {kind: ("EDIT", "READ")[number % 2] for number, kind in enumerate(kinds)}
    for kind, level in levels.items():
        lab.ok("permission", user=name, **{kind: things[kind].name}, permission=level)
    if lab.has_groups:
        lab.ok("group", name=some("group"), members=[name], grants=grants(things, things, "READ"))
    told = lab.ok("access_info", names=[name], default_permission="NO_PERMISSIONS")["access_info"]
    found = {}
    for entry in told["effective"]:
        for kind, thing in things.items():
            if entry["user"] == name and entry.get(kind) == thing.name:
                found[kind] = entry["permission"]
    assert set(found) == set(things if lab.has_groups else kinds)
    for kind, level in found.items():
        assert level == levels.get(kind, "READ"), kind
        assert things[kind].level(lab.reader, zoe) == expected(things, kind, level), kind
        # MLflow's own answer, where it has one.
        if lab.version >= (3, 13) and kind != "prompt":
            query = {"username": name, "resource_type": kind, "resource_id": things[kind].key}
            assert lab.reader.ask("GET", V3 + "users/permissions/get", **query)["permission"] == level
    assert [entry for entry in told["unmanaged"] if entry["holder"] == name] == []


def test_what_nobody_declared_is_told_with_who_made_it(lab, things, zoe, some):
    mine, named = some('zoe\'s "own" 实验'), some("named")
    for name in (mine, named):
        tags = [{"key": "mlflow.user", "value": "somebody"}]
        lab.reader.ask("POST", V2 + "experiments/create", who=zoe, name=name, tags=tags)
    model = some("zoe's model")
    lab.reader.ask("POST", V2 + "registered-models/create", who=zoe, name=model)
    plain = lab.ok("access_info", names=[zoe[0]])
    assert "undeclared" not in plain["access_info"]
    asked = len(lab.proxy.requests)
    told = lab.ok("access_info", names=[zoe[0]], beside={"experiment": [named]})["access_info"]["undeclared"]
    assert len(lab.proxy.requests) == asked
    found = {(kind, each[kind]): each for each in told for kind in each if each.keys() - {kind} == THREE}
    assert ("experiment", named) not in found
    assert ("experiment", "Default") not in found
    by_grant = lab.version >= (3, 13)
    ours = found["experiment", mine]
    assert (ours["created_by"], ours["according_to"]) == ((zoe[0], "grant") if by_grant else ("somebody", "itself"))
    theirs = found["registered_model", model]
    assert (theirs["created_by"], theirs["according_to"]) == ((zoe[0], "grant") if by_grant else (None, None))
    for kind, thing in things.items():
        each = found[kind, thing.name]
        assert each["created_by"] == ("admin" if by_grant else None), kind
    # Whoever looks at a clock on this machine has seen the same day.
    days = {time.strftime("%Y-%m-%d", time.gmtime(time.time() - back)) for back in (0, 3600)}
    new = [ours, theirs, *(found[kind, thing.name] for kind, thing in things.items())]
    assert {each["created_at"][:10] for each in new} <= days


def test_a_server_with_grants_of_every_kind_is_declared_by_what_it_tells(lab, things, zoe, some):
    kinds = for_users(lab, things)
    everything = [{kind: "*", "permission": "READ"} for kind in all_of(lab)]
    user = {"name": zoe[0], "password": zoe[1], "grants": grants(things, kinds, "EDIT") + everything}
    groups = [{"name": some("group"), "members": [zoe[0]], "grants": grants(things, things, "READ")}]
    people = {"users": [user], **({"groups": groups} if lab.has_groups else {})}
    lab.converge("access", **people)
    declared = lab.ok("access_info", names=[zoe[0]])["access_info"]["declaration"]
    found = next(each for each in declared["users"] if each["name"] == zoe[0])
    assert sorted(found["grants"], key=str) == sorted(user["grants"], key=str)
    lab.unchanged("access", **declared)
    # Given to a server where all of that is gone, it is there again.
    before = lab.reader.user(zoe[0])["grants"]
    lab.converge("access", users=[{"name": zoe[0]}], kinds=[*things, *(set(all_of(lab)) - set(things))])
    assert lab.reader.user(zoe[0])["grants"] == {}
    lab.ok("access", **declared)
    assert lab.reader.user(zoe[0])["grants"] == before


@pytest.mark.parametrize("kind", LATER)
def test_a_kind_that_the_server_does_not_know_names_the_version_it_needs(lab, zoe, kind):
    name = {"run": "*", "skill": "@some/thing"}.get(kind, "some/thing")
    grant = {kind: name, "permission": "READ"}
    if lab.version >= LATER[kind]:
        return
    needed = f"needs {'.'.join(map(str, LATER[kind]))} or later"
    assert needed in lab.refused("permission", user=zoe[0], **grant)
    assert needed in lab.refused("access", check=True, users=[{"name": zoe[0], "grants": [grant]}], policy="additive")


def test_all_of_every_kind(newest, some, secret):
    lab, zoe = newest, (some("zoe"), secret())
    lab.ok("access")
    user = {"name": zoe[0], "password": zoe[1]}
    for level in ("READ", "EDIT"):
        user["grants"] = [{kind: "*", "permission": level} for kind in all_of(lab)]
        lab.converge("access", users=[user])
        assert lab.reader.user(zoe[0])["grants"] == {(kind, "*"): level for kind in all_of(lab)}
    told = lab.ok("access_info")["access_info"]["effective"]
    for kind in ALL_ONLY:
        query = {"username": zoe[0], "resource_type": kind, "resource_id": "*"}
        level = lab.reader.ask("GET", V3 + "users/permissions/get", **query)["permission"]
        assert [it["permission"] for it in told if it["user"] == zoe[0] and it.get(kind) == "*"] == [level] == ["EDIT"]
    made = make_all(lab.reader, some)
    for kind, thing in made.items():
        assert thing.level(lab.reader, zoe) == expected(made, kind, "EDIT"), kind
    assert "use '*'" in lab.refused("permission", user=zoe[0], run="abc", permission="READ")


def test_a_grant_on_all_runs_is_not_one_on_their_experiment(newest, some, secret):
    lab, zoe = newest, (some("zoe"), secret())
    lab.reader.create_user(*zoe)
    experiment = some("theirs")
    number = lab.reader.create_experiment(experiment)
    run = lab.reader.ask("POST", V2 + "runs/create", experiment_id=number)["run"]["info"]["run_id"]

    def tries():
        tag = {"run_id": run, "key": "tried", "value": "yes"}
        reads = lab.reader.status("GET", V2 + "runs/get", zoe, run_id=run)
        return reads, lab.reader.status("POST", V2 + "runs/set-tag", zoe, **tag)

    lab.ok("permission", user=zoe[0], run="*", permission="EDIT")
    assert tries() == (403, 403)
    lab.ok("permission", user=zoe[0], experiment=experiment, permission="READ")
    assert tries() == (200, 200)
    lab.ok("permission", user=zoe[0], run="*", permission="READ")
    assert tries() == (200, 403)
    lab.ok("permission", user=zoe[0], run="*", permission="DENY")
    assert tries() == (403, 403)
    # Nor are its scorers what the experiment is.
    lab.ok("permission", user=zoe[0], experiment="*", permission="MANAGE")
    judge = scorer(lab.reader, some("judged"), "judge")
    assert judge.level(lab.reader, zoe) == "NO_PERMISSIONS"


def test_all_registered_models_are_not_all_prompts_but_up_to_3_12(lab, things, zoe, some):
    if not lab.has_groups:
        pytest.skip("no grants on all")
    lab.ok("group", name=some("group"), members=[zoe[0]], grants=[{"registered_model": "*", "permission": "READ"}])
    found = "READ" if lab.version < (3, 13) else "NO_PERMISSIONS"
    assert things["prompt"].level(lab.reader, zoe) == found
    told = lab.ok("access_info", default_permission="NO_PERMISSIONS")["access_info"]["effective"]
    mine = [it["permission"] for it in told if (it["user"], it.get("prompt")) == (zoe[0], things["prompt"].name)]
    assert mine == [found]
    everything = {"prompt": "*", "permission": "READ"}
    if lab.version < (3, 13):
        assert "3.13 or later" in lab.refused("permission", group=some("group"), **everything)


def test_nothing_changed_is_seen_in_ten_requests_with_all_kinds_declared(newest, some, secret, tmp_path):
    lab, zoe = newest, (some("zoe"), secret())
    lab.ok("access")
    made = make_all(lab.reader, some)
    everything = [{kind: "*", "permission": "READ"} for kind in all_of(lab)]
    user = {"name": zoe[0], "password": zoe[1], "grants": grants(made, made, "EDIT") + everything}
    group = {"name": some("group"), "members": [zoe[0]], "grants": grants(made, made, "READ")}
    declared = {
        "users": [user],
        "groups": [group],
        "update_password": "on_create",
        "secrets_file": str(tmp_path / "kept"),
    }
    lab.ok("access", **declared)
    lab.unchanged("access", **declared)
    assert len(lab.proxy.requests) <= 10, lab.proxy.requests
    # A kind that came later is listed, too.
    most = 10 + (lab.version >= (3, 18))
    # Nor are there more where things of all kinds are declared themselves, and one more for what nothing is granted on.
    key, name = some("key"), some("judge")
    declared |= {
        "experiments": [{"name": some("experiment"), "tags": {"a": "b"}}],
        "registered_models": [{"name": some("model")}],
        "prompts": [{"name": some("prompt"), "template": "{{ text }}", "aliases": {"live": "latest"}}],
        "gateway_secrets": [{"name": key, "values": {"api_key": "sk-1234567890"}}],
        "gateway_endpoints": [
            {"name": name, "models": [{"provider": "openai", "model": "gpt", "secret": key}], "grants": {zoe[0]: "USE"}}
        ],
    }
    lab.ok("access", **declared)
    lab.unchanged("access", **declared)
    assert len(lab.proxy.requests) <= most, lab.proxy.requests
    asked = len(lab.proxy.requests)
    declared["webhooks"] = [{"name": some("hook"), "url": "https://127.0.0.1:9/x", "events": ["prompt.created"]}]
    lab.ok("access", **declared)
    lab.unchanged("access", **declared)
    assert len(lab.proxy.requests) == asked + 1, lab.proxy.requests
    lab.ok("webhook", name=declared["webhooks"][0]["name"], state="absent")
