"""What MLflow grants on, and how names become what its grants say."""

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._access import access_steps, left_grants
from ansible_collections.mlops.mlflow.plugins.module_utils._declaration import declaration
from ansible_collections.mlops.mlflow.plugins.module_utils._dialect import Grant, Holder, Resource, User
from ansible_collections.mlops.mlflow.plugins.module_utils._effective import effective
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest, RequestRefused, Unsupported
from ansible_collections.mlops.mlflow.plugins.module_utils._kinds import KINDS, name_problem
from ansible_collections.mlops.mlflow.plugins.module_utils._listed import Things
from ansible_collections.mlops.mlflow.plugins.module_utils._scorers import scorer_key, scorer_of
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import lines
from unit.engine import apply, group, server, user
from unit.module_utils.test_access import PASSWORD, declared

ALL_ONLY = [word for word, kind in KINDS.items() if not kind.listing]


def holding(name, *grants, version="3.17.2", **things):
    """A server with one user, who has these grants as the server names them, and with these things."""
    rows = {Resource(kind, key): Grant(level, number) for number, (kind, key, level) in enumerate(grants, 500)}
    # Somebody else was there first.
    first = {resource: Grant("READ", number) for number, resource in enumerate(rows, 1)}
    people = [User("zed", False, frozenset(), first), User(name, False, frozenset(), rows)]
    found = server(people, experiments=["a/b"], version=version, passwords={name: PASSWORD, "zed": PASSWORD})
    for kind, facts in things.items():
        found.directory.kinds[kind].put(facts)
    return found


def steps(observed, name, *grants, **options):
    wanted = [{kind: key, "permission": level} for kind, key, level in grants]
    options = {"keep_users": ["zed"], **options}
    return access_steps(observed, declared(users=[{"name": name, "grants": wanted}], **options))


PROMPT = {"name": "hi", "description": "", "tags": {}}
SECRET = {"secret_id": "s-1", "secret_name": "o'key"}
SCORER = {"key": "1/tox%2Fic"}


@pytest.mark.parametrize(
    ("kind", "facts", "name", "key"),
    [
        ("prompt", PROMPT, "hi", "hi"),
        ("scorer", SCORER, "a/b/tox%2Fic", "1/tox%2Fic"),
        ("gateway_secret", SECRET, "o'key", "s-1"),
        ("gateway_endpoint", {"endpoint_id": "e-1", "name": "out"}, "out", "e-1"),
        ("gateway_model_definition", {"model_definition_id": "d-1", "name": "gpt"}, "gpt", "d-1"),
        ("mcp_server", {"name": "com.example/x"}, "com.example/x", "com.example/x"),
        ("skill", {"name": "@acme/reviewer"}, "@acme/reviewer", "@acme/reviewer"),
        *((word, None, "*", "*") for word in ALL_ONLY),
    ],
)
def test_names_become_what_the_server_s_grants_say(kind, facts, name, key):
    things = {kind: [facts]} if facts else {}
    observed = holding("ann", **things)
    apply(steps(observed, "ann", (kind, name, "EDIT")))
    written = [(body["resource_type"], body["resource_id"]) for _method, _path, body in observed.client.written]
    assert written == [(kind, key)]
    found = holding("ann", (kind, key, "EDIT"), **things)
    assert found.grants(Holder("user", "ann")) == {Resource(kind, name): Grant("EDIT", 500)}
    assert lines(steps(found, "ann", (kind, name, "EDIT"))) == []
    assert lines(steps(found, "ann", (kind, name, "READ"))) == [f"~ ann EDIT to READ {kind} {name}"]


def test_a_kind_that_nobody_speaks_of_is_left_and_counted():
    rows = [("prompt", "hi", "READ"), ("run", "*", "EDIT"), ("trace", "*", "READ"), ("workspace", "*", "USE")]
    observed = holding("ann", *rows, prompt=[PROMPT])
    options = {"users": [{"name": "ann", "grants": []}], "keep_users": ["zed"]}
    assert lines(access_steps(observed, declared(**options))) == []
    assert left_grants(observed, declared(**options)) == {"prompt": 1, "run": 1, "trace": 1, "workspace": 1}
    options["kinds"] = ["prompt", "run"]
    assert lines(access_steps(observed, declared(**options))) == ["- ann READ prompt hi", "- ann EDIT run *"]
    assert left_grants(observed, declared(**options)) == {"trace": 1, "workspace": 1}
    # One grant is enough to speak of a kind, whoever has it.
    options |= {"kinds": [], "groups": [{"name": "g", "grants": [{"run": "*", "permission": "READ"}]}]}
    assert "- ann EDIT run *" in lines(access_steps(observed, declared(**options)))
    assert left_grants(observed, declared(**{**options, "policy": "additive"})) == {}


def test_whoever_made_a_thing_keeps_it_and_is_not_counted_but_nobody_made_all():
    rows = {Resource("prompt", "hi"): Grant("MANAGE", 5), Resource("prompt", "*"): Grant("MANAGE", 6)}
    observed = server([User("ann", False, frozenset(), rows)], passwords={"ann": PASSWORD})
    observed.directory.kinds["prompt"].put([PROMPT])
    wanted = {"users": [{"name": "ann", "grants": []}]}
    assert left_grants(observed, declared(**wanted)) == {"prompt": 1}
    assert lines(access_steps(observed, declared(kinds=["prompt"], **wanted))) == ["- ann MANAGE prompt *"]


@pytest.mark.parametrize(
    ("version", "kind", "name", "needed"),
    [
        ("2.22.4", "scorer", "a/b/c", "3.7"),
        ("3.12.0", "gateway_secret", "x", "3.13"),
        ("3.14.0", "mcp_server", "x/y", "3.15"),
        ("3.17.2", "skill", "@x/y", "3.18"),
        ("3.16.1", "run", "*", "3.17"),
        ("2.22.4", "prompt", "*", "3.13"),
    ],
)
def test_a_kind_that_the_server_does_not_know_names_the_version_needed(version, kind, name, needed):
    observed = holding("ann", version=version)
    observed.client.unknown = [kind]
    with pytest.raises(Unsupported, match=rf"runs MLflow {version}; user 'ann': a grant on {kind} .* needs {needed} "):
        steps(observed, "ann", (kind, name, "READ"))
    assert observed.client.written == []


def test_what_somebody_has_is_known_without_a_question():
    observed = holding("ann", ("run", "*", "READ"))
    observed.client.unknown = ["run"]
    assert lines(steps(observed, "ann", ("run", "*", "READ"))) == []


@pytest.mark.parametrize("kind", ALL_ONLY)
def test_a_single_one_of_what_can_only_be_granted_as_a_whole_is_refused(kind):
    assert name_problem(kind, "*") is None
    with pytest.raises(InvalidRequest, match=rf"users: ann: grants: {kind}: 'x': .* use '\*'"):
        steps(holding("ann"), "ann", (kind, "x", "READ"))


@pytest.mark.parametrize("name", ["judge", "/judge", "a/", "a/my judge", "a/50%", "a/%2f"])
def test_a_scorer_that_is_not_called_by_its_experiment_and_quoted_is_refused(name):
    with pytest.raises(InvalidRequest, match=r"users: ann: grants: scorer: .* use EXPERIMENT/NAME"):
        steps(holding("ann"), "ann", ("scorer", name, "READ"))


@pytest.mark.parametrize("name", ["acme/reviewer", "@acme", "@/reviewer", "@acme/", "a/b/c", "@a/b/c", "my reviewer"])
def test_a_skill_that_is_not_called_by_its_organization_is_refused(name):
    with pytest.raises(InvalidRequest, match=r"users: ann: grants: skill: .* use @ORGANIZATION/NAME"):
        steps(holding("ann", version="3.18.0"), "ann", ("skill", name, "READ"))


def test_a_level_that_mlflow_has_not_for_skills_is_refused():
    with pytest.raises(InvalidRequest, match=r"users: ann: grants: skill: MLflow has no USE for it"):
        steps(holding("ann", version="3.18.0"), "ann", ("skill", "*", "USE"))


def test_a_skill_is_known_with_its_organization_and_without():
    facts = KINDS["skill"].listing.facts
    assert facts({"name": "reviewer", "organization": "acme"}) == {"name": "@acme/reviewer"}
    assert facts({"name": "reviewer", "organization": ""}) == {"name": "reviewer"}


@pytest.mark.parametrize("name", ["judge", "to/ch", "50% ä?", "%2F", "a\nb"])
def test_any_scorer_is_found_again(name):
    assert scorer_of(scorer_key(7, name)) == ("7", name)
    assert name_problem("scorer", scorer_key("an experiment", name)) is None


def test_a_renamed_experiment_takes_its_scorers_along():
    observed = holding("ann", ("scorer", "1/tox%2Fic", "READ"), scorer=[SCORER])
    experiments = [{"name": "new", "rename_from": "a/b", "grants": {}}]
    wanted = steps(observed, "ann", ("scorer", "new/tox%2Fic", "EDIT"), experiments=experiments)
    assert lines(wanted) == ["~ experiment a/b renamed to new", "~ ann READ to EDIT scorer new/tox%2Fic"]


def test_prompts_are_models_up_to_3_12_and_the_words_mean_the_same():
    rows = [("registered_model", "hi", "READ"), ("registered_model", "m", "READ")]
    observed = holding("ann", *rows, version="3.12.0", prompt=[PROMPT])
    observed.directory.kinds["registered_model"].put([{"name": "m", "description": "", "tags": {}}])
    assert set(observed.grants(Holder("user", "ann"))) == {Resource("prompt", "hi"), Resource("registered_model", "m")}
    wanted = steps(observed, "ann", ("prompt", "hi", "EDIT"), ("registered_model", "m", "READ"))
    assert lines(wanted) == ["~ ann READ to EDIT prompt hi"]
    # Who speaks of models only, leaves prompts.
    only_models = declared(users=[{"name": "ann", "grants": []}], keep_users=["zed"])
    assert lines(access_steps(observed, only_models)) == ["- ann READ registered_model m"]
    assert left_grants(observed, only_models) == {"prompt": 1}
    apply(wanted)
    assert observed.client.written == [
        ("PATCH", "registered-models/permissions/update", {"username": "ann", "name": "hi", "permission": "EDIT"})
    ]


def test_what_is_granted_to_a_group_that_becomes_its_members_has_to_be_there():
    observed = holding("ann", version="2.22.4")
    groups = [{"name": "g", "members": ["ann"], "grants": [{"prompt": "none", "permission": "READ"}]}]
    wanted = declared(users=[{"name": "ann"}], keep_users=["zed"], groups=groups, on_missing_roles="expand")
    assert lines(access_steps(observed, wanted)) == []
    assert observed.refused == ["groups: g: grants: prompt none does not exist on the server"]


def test_scorers_have_no_quotes_in_groups_of_3_12():
    observed = holding("ann", version="3.12.0", scorer=[SCORER])
    observed.access.groups["g"] = group("g")
    observed.dialect._ids["g"] = 50
    wanted = [{"name": "g", "grants": [{"scorer": "a/b/tox%2Fic", "permission": "READ"}]}]
    apply(access_steps(observed, declared(users=[{"name": "ann"}], keep_users=["zed"], groups=wanted)))
    assert observed.client.written[-1][2]["resource_pattern"] == "1/tox/ic"
    assert observed.dialect.heard("scorer", "1/tox/ic") == Resource("scorer", "1/tox%2Fic")


class Off:
    """A server whose gateway is switched off."""

    def get(self, path, **query):
        raise RequestRefused(f"GET {path}: 501 the gateway is disabled", 501, "NOT_IMPLEMENTED")

    find = get


def test_a_gateway_that_is_switched_off_tells_no_names_and_loses_no_grants():
    observed = holding("ann", ("gateway_endpoint", "e-1", "READ"), ("gateway_secret", "s-1", "READ"))
    for kind in ("gateway_secret", "gateway_endpoint", "gateway_model_definition"):
        observed.directory.kinds[kind] = type(observed.directory.kinds[kind])(
            Off(), KINDS[kind].listing, observed.directory.kinds
        )
    wanted = {"users": [{"name": "ann", "grants": []}], "keep_users": ["zed"]}
    assert lines(access_steps(observed, declared(kinds=["gateway_endpoint", "gateway_secret"], **wanted))) == []
    assert {resource.key for _holder, resource, _grant in observed.unmanaged_grants()} == {"e-1", "s-1"}
    with pytest.raises(InvalidRequest, match=r"the server does not tell which there are: .*gateway is disabled"):
        steps(observed, "ann", ("gateway_endpoint", "out", "READ"))


def test_any_other_refusal_of_a_list_is_an_error():
    class Broken:
        def get(self, path, **query):
            raise RequestRefused(f"GET {path}: 500 no", 500, "INTERNAL_ERROR")

    with pytest.raises(RequestRefused):
        Things(Broken(), KINDS["prompt"].listing, {}).by_name.keys()


def test_models_and_secrets_that_endpoints_use_cost_no_request():
    observed = holding("ann")
    model = {"model_definition_id": "d-1", "name": "gpt", "secret_id": "s-1", "secret_name": "o'key"}
    endpoint = {"endpoint_id": "e-1", "name": "judge", "model_mappings": [{"model_definition": model}]}
    kinds = observed.directory.kinds
    kinds["gateway_endpoint"].put([endpoint])
    for word in ("gateway_model_definition", "gateway_secret"):
        kinds[word] = type(kinds[word])(None, KINDS[word].listing, kinds)
    models, secrets = kinds["gateway_model_definition"], kinds["gateway_secret"]
    assert (models.name("d-1"), models.key("gpt"), models.exists("gpt")) == ("gpt", "d-1", True)
    assert (secrets.name("s-1"), secrets.key("o'key"), secrets.exists("o'key")) == ("o'key", "s-1", True)


def test_levels_on_all_of_a_kind_are_told_of_those_who_have_one():
    observed = holding("ann", ("run", "*", "EDIT"), ("prompt", "*", "READ"), prompt=[PROMPT])
    told = effective(observed, "READ")
    assert [row for row in told if row["user"] == "ann" and "run" in row] == [
        {
            "user": "ann",
            "run": "*",
            "permission": "EDIT",
            "reasons": ["EDIT: granted on all", "READ: default permission"],
        }
    ]
    assert [row["permission"] for row in told if row["user"] == "ann" and "prompt" in row] == ["READ"]
    assert not [row for row in told if row["user"] == "admin" and "run" in row]


def test_what_is_told_can_be_declared():
    observed = holding(
        "ann", ("run", "*", "EDIT"), ("prompt", "hi", "READ"), ("experiment", "1", "READ"), prompt=[PROMPT]
    )
    observed.access.groups["g"] = group("g", experiment_2="READ", experiment_1="EDIT")
    observed.directory.kinds["experiment"].add(
        {"name": "gone", "experiment_id": "2", "lifecycle_stage": "deleted", "tags": {}, "artifact_location": "x:/2"}
    )
    told = declaration(observed)
    assert {
        "name": "ann",
        "grants": [{"prompt": "hi", "permission": "READ"}, {"run": "*", "permission": "EDIT"}],
    } in told["users"]
    # A deleted experiment cannot be granted on before it is back.
    assert told["groups"][0]["grants"] == [{"experiment": "a/b", "permission": "EDIT"}]
    assert lines(access_steps(observed, declared(**told))) == ["- group g READ experiment gone"]


def test_a_user_s_grants_of_a_kind_that_is_not_asked_for_need_no_names():
    observed = server([user("ann", prompt_hi="READ")])
    observed.directory.kinds["prompt"] = None
    assert observed.grants(Holder("user", "ann"), {"experiment"}) == {}


def test_an_experiment_that_somebody_calls_like_all_of_them_is_not_all():
    called = server([], experiments=["a/b", "*"])
    assert called.named(Resource("experiment", "1")) == Resource("experiment", "a/b")
    assert called.named(Resource("experiment", "2")) is None
    assert called.named(Resource("experiment", "*")) == Resource("experiment", "*")
