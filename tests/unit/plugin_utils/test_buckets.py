"""Which buckets and users an S3 is asked for, and which cannot be made."""

import pytest
from ansible_collections.mlops.mlflow.plugins.filter import bucket_accounts as of_filter
from ansible_collections.mlops.mlflow.plugins.plugin_utils.bucket_keys import (
    ID,
    SECRET,
    key_of,
    unmade,
    unmade_problems,
)

S3 = "https://s3.example.org"
SERVER = {"endpoint": S3, "user_prefix": "mlflow-", "only": [], "rotate": []}
KEPT = {ID: "AKIANLP", SECRET: "canary"}


@pytest.fixture(autouse=True)
def collection_there(monkeypatch):
    """Ask for one that is always there: ansible-core alone has no other than its own."""
    monkeypatch.setattr(of_filter, "COLLECTION", "mlops.mlflow")


def team(name="nlp", destination=None, key=None, state="present", host="one", endpoint=S3, root=None):
    return {
        "name": name,
        "state": state,
        "hosts": [{"host": host}],
        "artifacts": {"serve": root is None, "destination": destination or f"s3://mlflow-{name}/a/b/", "root": root},
        "environment": {**(KEPT if key is None else key), **({"MLFLOW_S3_ENDPOINT_URL": endpoint} if endpoint else {})},
    }


def found(*teams, keys=None, **server):
    return of_filter.bucket_accounts(list(teams), {**SERVER, **server}, keys or [KEPT for _team in teams])


def faults(*teams, **server):
    lines = found(*teams, **server)["problems"]
    for line in lines:
        assert line.isprintable()
        assert "canary" not in line
    return lines


def test_reads_where_artifacts_are_and_with_which_key():
    whole = found(team(host="two"), team(host="one"))
    (account,) = whole["accounts"]
    assert account == {
        "team": "nlp",
        "option": "artifacts: destination",
        "hosts": ["one", "two"],
        "bucket": "mlflow-nlp",
        "prefix": "a/b",
        "user": "mlflow-nlp",
        "kept": "AKIANLP",
        "own": False,
    }
    assert (whole["absent"], whole["own"], whole["problems"]) == ([], [], [])
    (account,) = found(team(root="s3://elsewhere"))["accounts"]
    assert (account["option"], account["bucket"], account["prefix"]) == ("artifacts: root", "elsewhere", "")
    (account,) = found(team(key=unmade()), keys=[unmade()])["accounts"]
    assert (account["kept"], account["own"]) == ("", False)


@pytest.mark.parametrize(
    "other",
    [
        team(destination="/srv/nlp"),
        team(destination="gs://bucket"),
        team(endpoint="https://elsewhere.example.org"),
        team(endpoint=None),
    ],
)
def test_a_team_elsewhere_is_none_of_this_one_s(other):
    whole = found(other)
    assert (whole["accounts"], whole["own"], whole["problems"]) == ([], [], [])


def test_aws_has_no_endpoint_and_an_address_may_end_with_a_slash():
    assert found(team(endpoint=None), endpoint="")["accounts"]
    assert found(team(endpoint=f"{S3}/".upper().replace("HTTPS", "https")))["accounts"]


def test_keys_of_ones_own_are_left_alone():
    whole = found(team(key={ID: "mine", SECRET: "canary"}))
    assert (whole["accounts"], whole["own"], whole["problems"]) == ([], ["nlp"], [])
    assert found(team(key={ID: "mine", SECRET: "canary"}, state="absent"))["absent"] == []


def test_absent_is_who_is_nowhere_any_more():
    whole = found(team(state="absent"), team(host="two"), team("vision", state="absent"))
    assert [account["team"] for account in whole["accounts"]] == ["nlp"]
    assert [account["team"] for account in whole["absent"]] == ["vision"]


def test_what_is_asked_for_by_name():
    teams = [team(), team("vision")]
    whole = found(*teams, only=["vision"])
    assert ([account["team"] for account in whole["accounts"]], whole["problems"]) == (["vision"], [])
    assert faults(team(), only=["nlq"]) == ["mlflow_bucket_only: no team 'nlq' is declared; there is nlp"]
    assert faults(team(destination="/srv/nlp"), rotate=["nlp"]) == [
        "mlflow_bucket_rotate: 'nlp' has no bucket of this S3; declare artifacts: destination: s3://BUCKET, and in "
        "environment the MLFLOW_S3_ENDPOINT_URL that mlflow_bucket_endpoint_url says, or leave it out here"
    ]
    assert faults(team(key={ID: "mine", SECRET: "canary"}), rotate=["nlp"]) == [
        "mlflow_bucket_rotate: 'nlp' has keys that are not made here; take them from the lookup "
        "mlops.mlflow.bucket_key in environment, or leave it out here"
    ]


@pytest.mark.parametrize("destination", ["s3://Nlp", "s3://a_b", "s3://ab", "s3://a..b", "s3://-nlp"])
def test_a_name_that_not_every_s3_takes(destination):
    (line,) = faults(team(destination=destination))
    assert "has a name that not every S3 takes" in line


@pytest.mark.parametrize("path", ["a*", "${aws:username}"])
def test_a_path_that_would_be_a_pattern(path):
    assert faults(team(destination=f"s3://nlp/{path}")) == [
        "mlflow_teams: nlp: artifacts: destination: has * or $ in its path, which a policy takes for a pattern; use a "
        "plain path"
    ]


def test_two_teams_of_one_bucket():
    line = (
        "mlflow_teams: 'nlp' and 'vision' both have the bucket 'one', and either could list what is the other's; give "
        "each a bucket of its own"
    )
    assert faults(team(destination="s3://one/nlp"), team("vision", "s3://one/vision")) == [line]
    own = {ID: "mine", SECRET: "canary"}
    assert faults(team(destination="s3://one/nlp"), team("vision", "s3://one/vision", key=own)) == [line]
    both = [team(destination="s3://one/nlp", key=own), team("vision", "s3://one/vision", key=own)]
    assert faults(*both) == []


def test_without_the_collection(monkeypatch):
    monkeypatch.setattr(of_filter, "COLLECTION", "nobody.nothing")
    assert faults(team()) == [
        "amazon.aws: the controller lacks this collection, which makes the buckets; run ansible-galaxy collection "
        "install amazon.aws"
    ]


def test_a_server_without_a_key():
    assert unmade_problems([team(key=unmade()), team("b"), team("c", key=unmade(), state="absent")]) == {
        "nlp": "environment: the key to its bucket is not made yet; run mlops.mlflow.make_buckets first"
    }


@pytest.mark.parametrize("content", [None, [], {}, {ID: "a"}, {ID: "a", SECRET: 1}])
def test_what_is_no_file_of_a_key(content):
    assert key_of(content) is None
