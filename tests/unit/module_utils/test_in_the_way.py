"""What access does where something on the server is in the way of its declaration: all else, and nothing by halves."""

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._access import access_steps, access_warnings
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import LONGEST, Unsupported
from ansible_collections.mlops.mlflow.plugins.module_utils._reconcile import Done
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import lines
from unit.engine import apply, group, server, user
from unit.module_utils.test_access import declared

WEBHOOK = {
    "name": "deploy",
    "url": "https://deploy.example.org",
    "events": ["prompt.created"],
    "description": None,
    "status": None,
    "secret": None,
    "state": "present",
}


def plan(observed, **options):
    """The lines of a plan that can be carried out as well."""
    steps = access_steps(observed, declared(**options))
    apply(steps)
    return lines(steps)


def people(*names, **more):
    return [{"name": name, "password": None, **more} for name in names]


def given(level, **things):
    return [{kind: name, "permission": level} for kind, name in things.items()]


@pytest.mark.parametrize("missing", [True, False])
def test_a_rename_takes_no_denial_away(missing):
    # What was called secret is called another now; without a grant on what is missing, nobody declared that denial.
    rows = {"experiment_all": "READ@8", "experiment_1": "DENY@9", "experiment_2": "EDIT@10"}
    observed = server([user("zed", experiment_1="MANAGE@1", experiment_2="MANAGE@2"), user("ann", **rows)])
    observed.access.groups["g"] = group("g", experiment_1="DENY@11", experiment_2="READ@12")
    observed.dialect._ids = {"g": 50}
    for number, name in enumerate(("another", "plain"), 1):
        observed.directory.kinds["experiment"].add(
            {"name": name, "experiment_id": str(number), "lifecycle_stage": "active", "artifact_location": "x"}
        )
    denied = given("DENY", experiment="secret") if missing else []
    holders = people("ann", grants=[*given("READ", experiment="*"), *denied])
    revoked = plan(observed, users=holders, groups=[{"name": "g", "grants": denied}], keep_users=["zed"])
    assert [line for line in revoked if "DENY" in line] == (
        [] if missing else ["- group g DENY experiment another", "- ann DENY experiment another"]
    )
    assert {"- ann EDIT experiment plain", "- group g READ experiment plain"} <= set(revoked)


@pytest.mark.parametrize("made", [False, True])
def test_nor_where_what_is_denied_is_made_anew(made):
    """Somebody renamed what is declared as a thing of its own; a run makes it, or they have."""
    experiments = ["renamed", "secret" if made else "other", "plain", "mine"]
    makers = user("zed", **{f"experiment_{number}": f"MANAGE@{number}" for number in range(1, 5)})
    rows = {"experiment_all": "READ@8", "experiment_1": "DENY@9", "experiment_3": "DENY@12", "experiment_4": "EDIT@13"}
    groups = [group("g", experiment_1="DENY@20", experiment_4="DENY@21")]
    observed = server([makers, user("ann", **rows)], groups, experiments)

    def planned(secret, **denied):
        options = {
            "users": people("ann", grants=given("READ", experiment="*")),
            "groups": [{"name": "g", "grants": given("DENY", **denied)}],
            # What is declared is as declared.
            "experiments": [{"name": "secret", "grants": {"ann": secret}}, {"name": "plain"}],
            "keep_users": ["zed"],
        }
        steps = lines(access_steps(observed, declared(**options)))
        told = access_warnings(observed, declared(**options))
        return steps, [text.partition(",")[0] for text in told if "DENY" in text]

    assert planned("DENY", experiment="secret") == (
        [
            "- ann DENY experiment plain",
            "- ann EDIT experiment mine",
            *([] if made else ["+ experiment secret"]),
            "+ group g DENY experiment secret",
            "+ ann DENY experiment secret",
        ],
        [
            "ann keeps DENY experiment renamed",
            "group g keeps DENY experiment mine",
            "group g keeps DENY experiment renamed",
        ],
    )
    # Nobody is denied any experiment by a name.
    steps, told = planned("READ", registered_model="*")
    assert [line for line in steps if line.startswith("-")] == [
        "- group g DENY experiment renamed",
        "- group g DENY experiment mine",
        "- ann DENY experiment renamed",
        "- ann DENY experiment plain",
        "- ann EDIT experiment mine",
    ]
    assert told == []


def test_nor_where_a_model_is_a_prompt_now():
    rows = {"prompt_other": "DENY@9", "prompt_all": "DENY@10", "gateway_secret_x": "DENY@11"}
    observed = server([user("zed", prompt_other="MANAGE@1"), user("ann", **rows)], prompts={"other": {}})
    observed.directory.kinds["gateway_secret"].put([{"secret_id": "x", "secret_name": "x", "provider": "openai"}])
    models = [{"name": "secret", "grants": {"ann": "DENY"}}]
    options = {"registered_models": models, "keep_users": ["zed"], "kinds": ["prompt", "gateway_secret"]}
    assert plan(observed, users=people("ann"), **options) == [
        "- ann DENY prompt *",
        "- ann DENY gateway_secret x",
        "+ registered_model secret",
        "+ ann DENY registered_model secret",
    ]


@pytest.mark.parametrize("taken", ["prompt", "alias", "endpoint"])
def test_nor_does_what_is_made_in_its_place(taken):
    """The thing that is denied has another name, and what is declared under its own cannot be made."""
    observed = server(
        [user("zed", registered_model_other="MANAGE@1"), user("ann", registered_model_other="DENY@9")],
        models=["other"],
        prompts={"secret": {}} if taken == "prompt" else {},
    )
    model = {"name": "secret", "grants": {"ann": "DENY"}, "aliases": {"live": 3} if taken == "alias" else None}
    endpoint = {"name": "secret", "grants": {"ann": "DENY"}}
    endpoint["models"] = [{"name": None, "provider": "openai", "model": "gpt", "secret": "gone"}]
    things = {"gateway_endpoints": [endpoint]} if taken == "endpoint" else {"registered_models": [model]}
    assert plan(observed, users=people("ann"), keep_users=["zed"], **things) == []
    assert len(observed.refused) == 1


def gateway_with(**secrets):
    observed = server([user("ann"), user("mallory")])
    found = [
        {"secret_id": f"s-{name}", "secret_name": name, "provider": provider} for name, provider in secrets.items()
    ]
    observed.directory.kinds["gateway_secret"].put(found)
    return observed


@pytest.mark.parametrize(
    ("wanted", "there", "expected", "told"),
    [
        (
            {"name": "key", "provider": "anthropic", "values": {"api_key": "sk-1"}},
            {"key": "openai"},
            # It is there, only not as declared.
            ["- user mallory", "+ ann USE gateway_secret key"],
            ["provider: MLflow cannot change that of gateway_secret 'key'; use another name"],
        ),
        (
            {"name": "key"},
            {},
            ["- user mallory"],
            [
                "values: gateway_secret 'key' does not exist yet and needs values",
                "models: gateway_endpoint 'judge': there is no gateway_secret 'key'",
            ],
        ),
        (
            {"name": "another", "values": {"api_key": "sk-1"}},
            {},
            ["- user mallory", "+ gateway_secret another", "+ ann USE gateway_secret another"],
            ["models: gateway_endpoint 'judge': there is no gateway_secret 'key'"],
        ),
    ],
    ids=["another provider", "without values", "of an endpoint"],
)
def test_things_of_the_gateway_keep_nobody_else_from_theirs(wanted, there, expected, told):
    model = {"name": None, "provider": "openai", "model": "gpt", "secret": "key"}
    endpoint = {"name": "judge", "models": [model], "grants": {"ann": "USE"}}
    ann = people("ann", grants=given("USE", gateway_model_definition="judge"))
    options = {"users": ann, "gateway_secrets": [{**wanted, "grants": {"ann": "USE"}}], "gateway_endpoints": [endpoint]}
    observed = gateway_with(**there)
    steps = lines(access_steps(observed, declared(**options)))
    works = [line for line in steps if "judge" not in line]
    assert (works, observed.refused) == (expected, told)
    # An endpoint whose secret is there is made, with its model.
    assert (len(steps) > len(works)) is bool(there)


def test_two_webhooks_of_one_name_keep_nobody_from_theirs(monkeypatch):
    observed = server([user("mallory")])
    listed = {"name": "deploy", "url": "https://x", "status": "ACTIVE", "last_updated_timestamp": 1}
    answer = {"webhooks": [{**listed, "webhook_id": number} for number in "12"]}
    monkeypatch.setattr(observed.client, "get", lambda path, **query: answer)
    webhooks = [WEBHOOK, {**WEBHOOK, "name": "other"}]
    steps = lines(access_steps(observed, declared(webhooks=webhooks)))
    assert steps == ["- user mallory", "+ webhook other"]
    assert observed.refused == ["webhooks: 2 on the server are called 'deploy'; leave one of them there"]


def test_a_version_without_a_gateway_still_stops_before_anything():
    observed = server([user("mallory")], version="3.11.0")
    with pytest.raises(Unsupported, match=r"needs 3\.12"):
        access_steps(observed, declared(gateway_secrets=[{"name": "key", "values": {"api_key": "sk-1"}}]))


@pytest.mark.parametrize("kind", ["registered_model", "prompt"])
def test_nothing_is_granted_on_what_cannot_be_made(kind):
    """An alias of a version that went with its model."""
    observed = server([user("ann")])
    thing = {"name": "gone", "aliases": {"live": 3}, "grants": {"ann": "EDIT"}}
    assert plan(observed, users=people("ann"), **{f"{kind}s": [thing]}) == []
    assert observed.refused == [f"aliases: live: {kind} 'gone' has no version 3"]
    # What is there is granted on.
    there = {"models": ["gone"]} if kind == "registered_model" else {"prompts": {"gone": {}}}
    assert plan(server([user("ann")], **there), users=people("ann"), **{f"{kind}s": [thing]}) == [
        f"+ ann EDIT {kind} gone"
    ]


def renamed_model(**things):
    observed = server(
        [
            user("zed", registered_model_old="MANAGE@1"),
            user("ann", registered_model_old="MANAGE@2"),
            user("bob", registered_model_old="EDIT@3"),
        ],
        [group("g", registered_model_old="READ@4")],
        models=["old"],
        **things,
    )
    model = {"name": "new", "rename_from": "old", "grants": {"ann": "EDIT"}}
    groups = [{"name": "g", "grants": given("READ", registered_model="new")}]
    return observed, {
        "users": people("ann", "bob"),
        "groups": groups,
        "registered_models": [model],
        "keep_users": ["zed"],
    }


def test_a_name_that_is_taken_takes_nothing_from_what_was_to_be_renamed():
    observed, options = renamed_model(prompts={"new": {}})
    # Its grants are as declared, under the name that it has.
    assert plan(observed, **options) == ["~ ann MANAGE to EDIT registered_model old", "- bob EDIT registered_model old"]
    (told,) = observed.refused
    assert told.startswith("registered_models: 'new' is a prompt on the server; MLflow has one name for both")


def test_an_experiment_that_is_deleted_is_not_renamed_nor_made_anew():
    rows = [user("zed", experiment_1="MANAGE@1"), user("ann", experiment_1="READ@2"), user("mallory")]
    observed = server(rows, experiments=["old", "other"])
    observed.directory.experiments["old"]["lifecycle_stage"] = "deleted"
    experiments = [{"name": "new", "rename_from": "old", "grants": {"ann": "READ"}}]
    assert plan(observed, users=people("ann"), experiments=experiments, keep_users=["zed"]) == ["- user mallory"]
    assert observed.refused == ["rename_from: experiment 'old' was deleted; restore it first"]


def test_a_prompt_may_be_declared_with_the_name_that_a_model_gives_up():
    observed, options = renamed_model()
    assert plan(observed, **options, prompts=[{"name": "old", "grants": {"bob": "READ"}}])[:1] == [
        "~ registered_model old renamed to new"
    ]
    assert observed.refused == []
    # As long as it does not, that name is not free either.
    observed, options = renamed_model(prompts={"new": {}})
    steps = plan(observed, **options, prompts=[{"name": "old", "grants": {"bob": "READ"}}])
    assert not any("prompt" in line for line in steps)
    assert len(observed.refused) == 2


@pytest.mark.parametrize("key", ["users", "groups"])
def test_who_is_absent_may_have_a_grant_on_what_is_gone(key):
    observed = server([user("x")], [group("x")])
    wanted = {"name": "x", "state": "absent", "grants": given("READ", experiment="gone")}
    assert f"- {key[:-1]} x" in plan(observed, **{key: [wanted]})
    assert observed.refused == []


def test_a_message_of_many_is_cut():
    assert Done([], [], {}, ["one", "two"], {}).problem == "one; two"
    assert len(Done([], [], {}, ["much" * 100] * 100, {}).problem) == LONGEST + 1
