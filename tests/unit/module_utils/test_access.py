"""What the access module decides to do, and in which order."""

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._access import access_steps, access_warnings
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest, Unsupported
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import lines
from unit.engine import apply, group, server, user

PASSWORD = "a password of theirs"


def declared(**options):
    """Options of the module, with the defaults that its argument spec fills in."""
    filled = {
        "users": {"password": PASSWORD, "admin": False, "grants": None, "state": "present"},
        "groups": {"description": None, "members": None, "grants": None, "state": "present"},
        "experiments": {"tags": None, "artifact_location": None, "grants": None, "on_deleted": "restore"},
        "registered_models": {"tags": None, "description": None, "aliases": None, "grants": None},
        "gateway_secrets": {"values": None, "provider": None, "auth_config": None, "grants": None},
        "gateway_endpoints": {"models": None, "grants": None},
        "prompts": {"tags": None, "description": None, "template": None, "commit_message": None}
        | {"aliases": None, "grants": None},
    }
    things = {
        key: [{"rename_from": None, "state": "present", **defaults, **thing} for thing in options.pop(key, [])]
        for key, defaults in filled.items()
    }
    policy = {
        "policy": "exclusive",
        "keep_users": [],
        "revoke_creators": False,
        "update_password": "always",
        "kinds": [],
        "webhooks": [],
        "secrets_file": None,
    }
    return {**policy, "on_missing_roles": "fail", **things, **options}


def plan(observed, **options):
    return lines(access_steps(observed, declared(**options)))


def test_nothing_to_do_is_nothing():
    observed = server([user("alice", experiment_1="EDIT")], experiments=["resnet"], passwords={"alice": PASSWORD})
    wanted = {"users": [{"name": "alice"}], "experiments": [{"name": "resnet", "grants": {"alice": "EDIT"}}]}
    assert plan(observed, **wanted) == []


def test_exclusive_removes_what_nobody_declared():
    observed = server(
        [user("alice", experiment_1="EDIT@9"), user("mallory")],
        [group("old", ["mallory"])],
        experiments=["resnet"],
        models=["detector"],
        passwords={"alice": PASSWORD},
    )
    assert plan(observed, users=[{"name": "alice"}]) == [
        "- alice EDIT experiment resnet",
        "- user mallory",
        "- group old",
    ]


def test_exclusive_never_deletes_experiments_and_models():
    assert plan(server(experiments=["resnet"], models=["detector"])) == []


def test_additive_removes_nothing():
    observed = server([user("mallory", experiment_1="MANAGE@9")], [group("old", ["mallory"])], experiments=["resnet"])
    wanted = [{"name": "old", "members": [], "grants": []}]
    assert plan(observed, policy="additive", groups=wanted) == []


def test_keep_users_and_the_own_account_stay():
    assert plan(server([user("robot")]), keep_users=["robot"]) == []


@pytest.mark.parametrize(("revoke", "expected"), [(False, []), (True, ["- alice MANAGE experiment own"])])
def test_creators_keep_what_they_created_unless_told(revoke, expected):
    observed = server([user("alice", experiment_1="MANAGE@3")], experiments=["own"], passwords={"alice": PASSWORD})
    assert plan(observed, users=[{"name": "alice"}], revoke_creators=revoke) == expected


def squatted(policy, kept=(), version="3.17.2", admin=False, location=None, **options):
    """Lines and warnings where alice was quicker to make an experiment and a model that are declared."""
    alice = user("alice", admin, experiment_1="MANAGE@3", registered_model_m="MANAGE@4")
    bob = user("bob", experiment_1="READ@5")
    people = [alice, bob]
    observed = server(people, [], ["own"], ["m"], version, {"alice": PASSWORD, "bob": PASSWORD})
    if location:
        observed.directory.experiments["own"]["artifact_location"] = location
    experiment = {"name": "own", "grants": {"bob": "READ"}, **options.pop("experiment", {})}
    wanted = declared(
        **{"policy": policy, "keep_users": list(kept), "users": [{"name": "alice", "admin": admin}, {"name": "bob"}]}
        | {"experiments": [experiment], "registered_models": [{"name": "m"}], **options}
    )
    return lines(access_steps(observed, wanted)), access_warnings(observed, wanted)


def test_nobody_keeps_a_declared_thing_for_having_been_quicker():
    taken = ["- alice MANAGE experiment own", "- alice MANAGE registered_model m"]
    assert squatted("exclusive") == (taken, [])
    steps, warnings = squatted("additive")
    assert steps == []
    assert [line.split(",")[0] for line in warnings] == [
        "experiment 'own': 'alice'",
        "registered_model 'm': 'alice'",
    ]
    # Of users that nobody is to touch it is said, and of them only.
    assert len(squatted("exclusive", kept=["alice"], users=[{"name": "bob"}])[1]) == 2
    assert squatted("exclusive", users=[{"name": "bob"}])[1] == []
    # What is given is not kept by being quicker.
    given = {"name": "own", "grants": {"alice": "MANAGE", "bob": "READ"}}
    assert squatted("additive", experiments=[given], registered_models=[]) == ([], [])


@pytest.mark.parametrize(
    ("location", "options", "told"),
    [
        ("mlflow-artifacts:/1", {}, False),
        ("mlflow-artifacts:/1/", {}, False),
        ("mlflow-artifacts:/2", {}, True),
        ("mlflow-artifacts:/1?x=/4", {}, True),
        ("mlflow-artifacts:/../1", {}, True),
        ("file:///var/lib/mlflow/vision/1", {}, True),
        ("s3://bucket/team/1", {}, True),
        ("s3://bucket/team/1", {"artifact_root": "s3://bucket/team/"}, False),
        ("s3://bucket/team/11", {"artifact_root": "s3://bucket/team"}, True),
        ("s3://bucket/team/1", {"experiment": {"artifact_location": "s3://bucket/team/1"}}, False),
        ("s3://bucket/team/1", {"experiment": {"state": "absent", "grants": None}}, False),
        ("http://evil\x1b[2J/1", {}, True),
    ],
)
def test_a_place_that_is_not_the_server_s_own_is_told(location, options, told):
    _steps, warnings = squatted("exclusive", location=location, **options)
    assert [location in warning for warning in warnings] == [True] * told


def test_a_manage_that_was_not_first_is_no_creators():
    people = [user("alice", experiment_1="MANAGE@3"), user("bob", experiment_1="MANAGE@4")]
    observed = server(people, experiments=["own"], passwords={"alice": PASSWORD, "bob": PASSWORD})
    assert plan(observed, users=[{"name": "alice"}, {"name": "bob"}]) == ["- bob MANAGE experiment own"]


def test_removals_come_before_everything_else():
    observed = server(
        [user("alice", experiment_1="MANAGE@9", experiment_2="READ@10"), user("mallory")],
        [group("readers", ["mallory"], experiment_all="EDIT@11")],
        experiments=["one", "two"],
    )
    steps = plan(
        observed,
        users=[{"name": "alice"}, {"name": "bob"}],
        groups=[{"name": "readers", "members": ["bob"], "grants": [{"experiment": "*", "permission": "READ"}]}],
        experiments=[{"name": "one", "grants": {"alice": "READ"}}, {"name": "two", "grants": {"alice": "EDIT"}}],
    )
    assert steps == [
        "- mallory in group readers",
        "~ group readers EDIT to READ experiment *",
        "~ user alice password changed",
        "~ alice MANAGE to READ experiment one",
        "- user mallory",
        "+ user bob",
        "~ alice READ to EDIT experiment two",
        "+ bob in group readers",
    ]


def test_a_new_user_who_is_denied_something_gets_the_password_last():
    observed = server(experiments=["secret"])
    wanted = {"users": [{"name": "bob"}], "experiments": [{"name": "secret", "grants": {"bob": "DENY"}}]}
    apply(access_steps(observed, declared(**wanted)))
    written = [(path, body.get("password")) for _method, path, body in observed.client.written]
    paths = [path for path, _password in written]
    assert paths == ["users/create", "users/permissions/grant", "users/update-password"]
    assert written[0][1] != PASSWORD
    assert written[2][1] == PASSWORD


def test_the_own_account_has_at_no_moment_a_password_that_nobody_knows():
    """A run that is cut off in between could not be followed by another."""
    observed = server([user("admin", admin=True)], experiments=["secret"], passwords={"admin": "admin-password"})
    grants = [{"experiment": "secret", "permission": "DENY"}]
    wanted = {"groups": [{"name": "all", "members": ["admin"], "grants": grants}], "experiments": [{"name": "secret"}]}
    apply(access_steps(observed, declared(users=[{"name": "admin", "admin": True}], **wanted)))
    written = [body["password"] for _method, path, body in observed.client.written if path == "users/update-password"]
    assert written == [PASSWORD]


def test_a_new_user_who_is_denied_nothing_costs_one_request():
    observed = server()
    apply(access_steps(observed, declared(users=[{"name": "bob"}])))
    assert [path for _method, path, _body in observed.client.written] == ["users/create"]


def test_grants_that_outlived_their_experiment_are_removed_from_everybody():
    observed = server([user("alice", experiment_7="MANAGE@9")], [group("readers", experiment_8="READ@10")])
    assert plan(observed, policy="additive") == [
        "- alice MANAGE experiment 7, which is gone",
        "- group readers READ experiment 8, which is gone",
    ]


@pytest.mark.parametrize("policy", ["additive", "exclusive"])
def test_what_is_only_not_listed_is_not_gone(policy):
    observed = server(
        [user("alice", registered_model_greeting="MANAGE@9", prompt_greeting="MANAGE@10", scorer_1="READ@11")],
        passwords={"alice": PASSWORD},
        unlisted=["greeting", "1"],
    )
    assert plan(observed, policy=policy, users=[{"name": "alice", "grants": []}]) == []
    assert [tuple(resource) for _holder, resource, _grant in observed.unmanaged_grants()] == [
        ("registered_model", "greeting"),
        ("prompt", "greeting"),
        ("scorer", "1"),
    ]


def test_grants_on_new_experiments_use_the_id_that_the_server_chose():
    observed = server([user("alice")], passwords={"alice": PASSWORD})
    wanted = {"users": [{"name": "alice"}], "experiments": [{"name": "new", "grants": {"alice": "EDIT"}}]}
    apply(access_steps(observed, declared(**wanted)))
    assert observed.client.written[-1][2]["resource_id"] == "99"


def test_a_renamed_model_takes_its_users_grants_along_but_not_its_groups():
    observed = server(
        [user("alice", registered_model_old="EDIT@9")],
        [group("readers", registered_model_old="READ@10")],
        models=["old"],
        passwords={"alice": PASSWORD},
    )
    steps = plan(
        observed,
        users=[{"name": "alice"}],
        groups=[{"name": "readers", "grants": [{"registered_model": "new", "permission": "READ"}]}],
        registered_models=[{"name": "new", "rename_from": "old", "grants": {"alice": "EDIT"}}],
    )
    assert steps == [
        "~ registered_model old renamed to new",
        "- group readers READ registered_model old, which is gone",
        "+ group readers READ registered_model new",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"experiments": [{"name": "e", "grants": {"bob": "READ"}}]}, "experiments: e: grants: 'bob' is not among"),
        ({"groups": [{"name": "g", "members": ["bob"]}]}, "groups: g: members: 'bob' is not among the users"),
        ({"users": [{"name": "a:b"}]}, "has a colon"),
        ({"users": [{"name": "bob"}, {"name": "bob"}]}, "users: 'bob' is declared twice"),
        ({"users": [{"name": "bob", "password": None}]}, "'bob' does not exist yet and needs a password"),
        ({"users": [{"name": "admin", "state": "absent"}]}, "cannot delete itself"),
    ],
)
def test_what_would_fail_half_way_is_refused_first(options, message):
    observed = server()
    with pytest.raises(InvalidRequest, match=message):
        access_steps(observed, declared(**options))
    assert observed.client.written == []


GROUPS = [{"name": "readers", "members": ["bob"], "grants": [{"experiment": "resnet", "permission": "READ"}]}]


def test_groups_name_the_version_they_need():
    with pytest.raises(Unsupported, match=r"MLflow 2\.22\.4; group 'readers' needs 3\.12"):
        plan(server(version="2.22.4", experiments=["resnet"]), users=[{"name": "bob"}], groups=GROUPS)


def test_groups_are_given_to_their_members_where_asked():
    observed = server(version="2.22.4", experiments=["resnet"])
    expanded = plan(observed, users=[{"name": "bob"}], groups=GROUPS, on_missing_roles="expand")
    assert expanded == ["+ user bob", "+ bob READ experiment resnet"]


def test_a_members_own_level_and_the_groups_make_the_higher_one():
    observed = server(version="2.22.4", experiments=["resnet"])
    wanted = [{"name": "resnet", "grants": {"bob": "EDIT"}}]
    steps = plan(observed, users=[{"name": "bob"}], groups=GROUPS, experiments=wanted, on_missing_roles="expand")
    assert steps == ["+ user bob", "+ bob EDIT experiment resnet"]


@pytest.mark.parametrize(("version", "level", "needed"), [("2.22.4", "USE", "3.9"), ("3.12.0", "DENY", "3.17")])
def test_a_word_that_means_nothing_or_something_else_there_is_an_error(version, level, needed):
    observed = server([user("bob", groups=["readers"])], [group("readers", ["bob"])], ["resnet"], version=version)
    wanted = [{"name": "resnet", "grants": {"bob": level}}]
    with pytest.raises(Unsupported, match=f"needs {needed}"):
        plan(observed, policy="additive", users=[{"name": "bob"}], experiments=wanted)


@pytest.mark.parametrize("version", ["3.13.0", "3.16.1"])
@pytest.mark.parametrize(
    "wanted",
    [
        {"users": [{"name": "bob"}], "experiments": [{"name": "resnet", "grants": {"bob": "DENY"}}]},
        {"groups": [{"name": "readers", "grants": [{"experiment": "resnet", "permission": "DENY"}]}]},
    ],
    ids=["user", "group"],
)
def test_a_server_that_cannot_deny_is_an_error(version, wanted):
    observed = server([user("bob")], [], ["resnet"], version=version)
    with pytest.raises(Unsupported, match=rf"MLflow {version}; DENY .*needs 3\.17"):
        plan(observed, policy="additive", **wanted)


def test_a_denial_is_spoken_as_the_server_speaks():
    observed = server(version="2.22.4", experiments=["resnet"])
    wanted = {"users": [{"name": "bob"}], "experiments": [{"name": "resnet", "grants": {"bob": "DENY"}}]}
    apply(access_steps(observed, declared(**wanted)))
    grants = [body["permission"] for _method, path, body in observed.client.written if "permissions" in path]
    assert grants == ["NO_PERMISSIONS"]


def test_a_declared_prompt_is_what_its_declaration_says():
    observed = server(
        [user("alice", prompt_greet="MANAGE@1"), user("bob", prompt_other="READ")],
        prompts={"greet": {"template": "Hi", "version": 1}, "other": {}},
    )
    people = [{"name": "alice", "password": None}, {"name": "bob", "password": None}]
    wanted = {"name": "greet", "template": "Hello", "aliases": {"live": "latest"}, "grants": {"bob": "EDIT"}}
    assert plan(observed, users=people, prompts=[wanted]) == [
        "- alice MANAGE prompt greet",
        "- bob READ prompt other",
        "+ prompt greet version 2",
        "~ prompt greet alias live to version 2",
        "+ bob EDIT prompt greet",
    ]


def test_a_model_that_a_declared_endpoint_makes_can_be_granted_on_at_once():
    spare = {"name": "spare", "provider": "openai", "model": "gpt", "secret": "key"}
    options = {
        "gateway_secrets": [{"name": "key", "values": {"api_key": "sk-1"}}],
        "gateway_endpoints": [{"name": "judge", "models": [{**spare, "name": None}, spare]}],
    }
    for name in ("judge", "spare"):
        grants = [{"gateway_model_definition": name, "permission": "USE"}]
        steps = plan(server(), groups=[{"name": "g", "grants": grants}], **options)
        assert f"+ group g USE gateway_model_definition {name}" in steps
    grants = [{"gateway_model_definition": "other", "permission": "USE"}]
    observed = server()
    assert "+ group g" in plan(observed, groups=[{"name": "g", "grants": grants}], **options)
    assert observed.refused == ["groups: g: grants: gateway_model_definition other does not exist on the server"]


@pytest.mark.parametrize(("key", "kind"), [("prompts", "registered_model"), ("registered_models", "prompt")])
def test_a_name_is_one_of_a_model_or_of_a_prompt(key, kind):
    observed = server(models=["taken"]) if kind == "registered_model" else server(prompts={"taken": {}})
    users = [{"name": name, "grants": [{key[:-1]: "taken", "permission": "READ"}]} for name in ("ann", "bob")]
    groups = [{"name": "g", "grants": [{key[:-1]: name, "permission": "READ"} for name in ("taken", "*")]}]
    users.append({"name": "eve"})
    declared_there = [{"name": name, "grants": {"eve": "EDIT"}} for name in ("taken", "free")]
    # Whoever was quicker keeps nothing else from being done.
    assert plan(observed, users=users, groups=groups, **{key: declared_there}) == [
        f"+ {key[:-1]} free",
        "+ group g",
        "+ user ann",
        "+ user bob",
        "+ user eve",
        f"+ group g READ {key[:-1]} *",
        f"+ eve EDIT {key[:-1]} free",
    ]
    (told,) = observed.refused
    assert told.startswith(f"{key}: 'taken' is a {kind} on the server; MLflow has one name for both; remove that one")


def test_what_somebody_has_removed_keeps_nothing_else_from_being_done():
    observed = server([user("mallory")], experiments=["there"])
    grants = [{"experiment": name, "permission": "READ"} for name in ("gone", "there")]
    people = [{"name": "alice", "grants": grants}]
    assert plan(observed, users=people, groups=[{"name": "g", "members": ["alice"], "grants": grants[:1]}]) == [
        "- user mallory",
        "+ group g",
        "+ user alice",
        "+ alice READ experiment there",
        "+ alice in group g",
    ]
    assert observed.refused == [
        f"{holder}: grants: experiment gone does not exist on the server" for holder in ("users: alice", "groups: g")
    ]


def test_what_is_there_otherwise_keeps_nothing_else_from_being_done():
    observed = server([user("mallory")], experiments=["taken"], models=["m"])
    experiments = [{"name": "taken", "artifact_location": "s3://bucket/own"}, {"name": "free"}]
    models = [{"name": "m", "aliases": {"champion": 3}}]
    assert plan(observed, experiments=experiments, registered_models=models) == ["- user mallory", "+ experiment free"]
    first, second = observed.refused
    assert first.startswith("artifact_location: experiment 'taken' keeps its artifacts at mlflow-artifacts:/1")
    assert second == "aliases: champion: registered_model 'm' has no version 3"


def test_grants_are_revoked_before_what_they_are_on_goes():
    observed = server([user("alice", registered_model_detector="EDIT")], models=["detector"])
    people = [{"name": "alice", "password": None}]
    assert plan(observed, users=people, registered_models=[{"name": "detector", "state": "absent"}]) == [
        "- alice EDIT registered_model detector",
        "- registered_model detector",
    ]
