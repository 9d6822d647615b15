"""What stands in no declaration, and who made it, as far as a server tells."""

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.named_things import named_things
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest
from ansible_collections.mlops.mlflow.plugins.module_utils._kinds import DECLARED, KINDS
from ansible_collections.mlops.mlflow.plugins.module_utils._undeclared import refuse_odd_names, undeclared
from unit.engine import group, server, user

NOON = 1767268800000


class Lists:
    """A server that lists what it is given, once for each kind."""

    tracking_uri = "http://127.0.0.1:1"

    def __init__(self, **items):
        self.items, self.asked = items, []

    def get(self, path, **_query):
        self.asked.append(path)
        return self.items


def listed(observed, kind, **items):
    """Let an observed server list its things of a kind itself."""
    things = KINDS[kind].things(Lists(**items), KINDS[kind].listing, observed.directory.kinds)
    observed.directory.kinds[kind] = things
    return things


def experiment(number, name, **more):
    return {
        "experiment_id": str(number),
        "name": name,
        "artifact_location": "mlflow-artifacts:/1",
        "lifecycle_stage": "active",
        **more,
    }


def test_who_has_it_for_having_made_it_counts_more_than_what_it_says_itself():
    people = [user("frank", experiment_1="MANAGE@7"), user("gina", experiment_1="MANAGE@9", experiment_2="READ@8")]
    observed = server(people)
    says = [{"key": "mlflow.user", "value": "somebody else"}]
    found = [
        experiment(0, "Default"),
        experiment(1, "scratch", creation_time=NOON, tags=says),
        experiment(2, "said", tags=says),
        experiment(3, "old", creation_time=0),
        experiment(4, "declared"),
        experiment(5, "gone", lifecycle_stage="deleted"),
        experiment(6, "odd", creation_time=10**30),
    ]
    things = listed(observed, "experiment", experiments=found)
    told = {each["experiment"]: each for each in undeclared(observed, {"experiment": ["declared"]})}
    by_whom = {name: (each["created_by"], each["according_to"], each["created_at"]) for name, each in told.items()}
    assert by_whom == {
        "scratch": ("frank", "grant", "2026-01-01T12:00:00Z"),
        "said": ("somebody else", "itself", None),
        "old": (None, None, None),
        "odd": (None, None, None),
    }
    assert len(things._client.asked) == 1


@pytest.mark.parametrize(
    ("kind", "items", "thing", "at"),
    [
        ("gateway_secret", "secrets", {"secret_id": "s-1", "secret_name": "key"}, "created_at"),
        ("gateway_endpoint", "endpoints", {"endpoint_id": "e-1", "name": "key"}, "created_at"),
        ("gateway_model_definition", "model_definitions", {"model_definition_id": "d", "name": "key"}, "created_at"),
        ("mcp_server", "mcp_servers", {"name": "key"}, "creation_timestamp"),
        ("skill", "skills", {"name": "key", "organization": ""}, "creation_timestamp"),
    ],
)
def test_what_things_of_other_kinds_say_of_themselves(kind, items, thing, at):
    observed = server()
    listed(observed, kind, **{items: [{**thing, at: NOON, "created_by": "ann"}]})
    assert undeclared(observed, {}) == [
        {kind: "key", "created_by": "ann", "according_to": "itself", "created_at": "2026-01-01T12:00:00Z"}
    ]


def test_a_group_has_made_nothing_and_nobody_made_all_of_a_kind():
    people = [user("frank", registered_model_all="MANAGE@1")]
    observed = server(people, [group("g", registered_model_detector="MANAGE@2")], models=["detector", "*"])
    found = [(each["registered_model"], each["created_by"]) for each in undeclared(observed, {})]
    assert found == [("*", None), ("detector", None)]


@pytest.mark.parametrize(
    ("beside", "why"),
    [
        ({"run": ["*"]}, "'run' is not a kind of thing that is called by a name"),
        ({"modell": []}, "'modell' is not a kind"),
        ({"experiment": "resnet"}, "experiment: is not a list of names"),
        ({"experiment": [1]}, "experiment: is not a list of names"),
    ],
)
def test_what_is_no_names_by_kinds_is_refused(beside, why):
    with pytest.raises(InvalidRequest, match=why):
        refuse_odd_names(beside)


def test_everything_that_a_team_speaks_of_is_named_once():
    team = {f"{kind}s": [] for kind in DECLARED}
    team["experiments"] = [{"name": "resnet", "rename_from": "rn"}, {"name": "tokens", "rename_from": None}]
    team["users"] = [{"name": "ann", "grants": [{"experiment": "resnet", "permission": "READ"}]}]
    team["groups"] = [{"name": "g", "grants": [{"prompt": "hi"}, {"prompt": "*"}, {"run": "*"}, {"scorer": "a/b"}]}]
    named = named_things(team)
    assert {kind: names for kind, names in named.items() if names} == {
        "experiment": ["resnet", "rn", "tokens"],
        "prompt": ["hi"],
        "scorer": ["a/b"],
    }
    refuse_odd_names(named)
    assert set(named) == {kind for kind in KINDS if KINDS[kind].listing}
