"""What is done at an S3, and what is refused."""

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.bucket_plan import bucket_plan
from ansible_collections.mlops.mlflow.plugins.plugin_utils.bucket_plan import policy, refusals, same

NLP = {
    "team": "nlp",
    "option": "artifacts: destination",
    "hosts": ["one"],
    "bucket": "mlflow-nlp",
    "prefix": "a",
    "user": "mlflow-nlp",
    "kept": "KEPT",
}
MINE = policy(NLP)
PLACE = "mlflow_teams: nlp: artifacts: destination: "


def planned(keys, account=None, policies=None, rotate=(), inactive=(), absent=False, buckets=("mlflow-nlp",)):
    """The plan where the user is there, but for C(keys) that are none."""
    account = account or NLP
    user, there = account["user"], keys is not None
    found = {"mlflow": MINE} if policies is None else policies
    documents = [{"policy_name": name, "policy_document": document} for name, document in found.items()]
    listed = [{"access_key_id": key, "status": "Inactive" if key in inactive else "Active"} for key in keys or ()]
    return bucket_plan(
        {"accounts": [] if absent else [account], "absent": [account] if absent else []},
        {"buckets": [{"name": name} for name in buckets]},
        [{"item": user, "policies": documents} if there else {"item": user, "msg": "cannot be found"}],
        [{"item": user, "access_keys": listed}] if there else [],
        rotate,
    )


def former(done):
    return [key["id"] for key in done["former"]]


def test_makes_what_is_not_there():
    done = planned(None, {**NLP, "kept": ""}, buckets=())
    assert (done["buckets"], done["users"]) == (["mlflow-nlp"], ["mlflow-nlp"])
    assert done["policies"] == [{"user": "mlflow-nlp", "policy": MINE}]
    assert done["new_keys"] == [{"team": "nlp", "user": "mlflow-nlp"}]
    assert done["steps"] == [
        "bucket mlflow-nlp: is made",
        "user mlflow-nlp: is made",
        "user mlflow-nlp: may read and write in mlflow-nlp/a, and nothing else",
        "user mlflow-nlp: gets a key",
    ]


def test_does_nothing_where_all_is_as_it_should_be():
    assert not any(planned(["KEPT"]).values())


def test_says_which_policy_is_another():
    done = planned(["KEPT"], policies={"mlflow": {**MINE, "Statement": MINE["Statement"][:1]}})
    assert done["steps"] == ["user mlflow-nlp: may read and write in mlflow-nlp/a, and nothing else"]
    done = planned(["KEPT"], {**NLP, "prefix": ""})
    assert done["steps"] == ["user mlflow-nlp: may read and write in mlflow-nlp, and nothing else"]
    assert done["policies"][0]["policy"]["Statement"][1]["Resource"] == ["arn:aws:s3:::mlflow-nlp/*"]


def test_a_policy_as_an_s3_may_write_it():
    said = {
        "Statement": [
            {**statement, "Resource": statement["Resource"][0], "Action": statement["Action"][::-1]}
            for statement in MINE["Statement"][::-1]
        ],
        "Version": MINE["Version"],
    }
    assert same(said, MINE)
    assert not same({**said, "Statement": said["Statement"] * 2}, MINE)
    assert not same(None, MINE)


@pytest.mark.parametrize("keys", [["KEPT"], ["OLD", "KEPT"], ["ONE"], []])
def test_another_key(keys):
    done = planned(keys, rotate=["nlp"])
    assert [key["id"] for key in done["unused"]] == keys
    assert (former(done), done["problems"]) == ([], [])
    assert done["steps"] == [f"user mlflow-nlp: gets {'another' if keys else 'a'} key"]


def test_a_key_that_is_not_kept_goes_and_so_do_all_of_a_team_that_is_absent():
    done = planned(["OLD", "KEPT"])
    assert done["former"] == [{"team": "nlp", "user": "mlflow-nlp", "id": "OLD", "hosts": ["one"]}]
    assert done["steps"] == []
    assert former(planned(["OLD", "KEPT"], absent=True)) == ["OLD", "KEPT"]
    assert former(planned(None, absent=True)) == []


def test_a_key_that_the_s3_has_lost_is_made_anew():
    assert planned([])["steps"] == ["user mlflow-nlp: gets a key"]


@pytest.mark.parametrize(
    ("problem", "state"),
    [
        (
            "the user 'mlflow-nlp' has the policies 'more', too, and may do what these allow; take them away, or say "
            "another mlflow_bucket_user_prefix",
            {"keys": ["KEPT"], "policies": {"mlflow": MINE, "more": {}}},
        ),
        (
            "the user 'mlflow-nlp' has a key already, which is not that in mlflow_bucket_keys; put its file there, or "
            "have another made with mlflow_bucket_rotate: [nlp]",
            {"keys": ["OTHER"]},
        ),
        (
            "the user 'mlflow-nlp' has a key already, which is not that in mlflow_bucket_keys; put its file there, or "
            "have another made with mlflow_bucket_rotate: [nlp]",
            {"keys": ["OTHER"], "account": {**NLP, "kept": ""}},
        ),
        (
            "the key of 'mlflow-nlp' has been made inactive; make it active again, or have another made with "
            "mlflow_bucket_rotate: [nlp]",
            {"keys": ["KEPT"], "inactive": ["KEPT"]},
        ),
    ],
)
def test_what_is_refused(problem, state):
    done = planned(**state)
    assert done["problems"] == [f"{PLACE}{problem}"]
    assert not any(value for name, value in done.items() if name != "problems")


def test_what_an_s3_refuses_is_said_of_the_team_alone():
    vision = {**NLP, "team": "vision", "bucket": "mlflow-vision", "user": "mlflow-nlp-vision"}
    taken = {"item": "mlflow-nlp", "changed": False, "msg": "Failed to create bucket:\nBucketAlreadyExists"}
    denied = {"item": {"user": "mlflow-nlp-vision", "policy": MINE}, "msg": "AccessDenied"}
    fine = [{"item": "mlflow-vision", "changed": True}, {"item": "mlflow-nlp", "changed": True}]
    left_out = {"item": "mlflow-nlp", "skipped": True, "msg": "remote module does not support check mode"}
    assert refusals([NLP, vision], [*fine, left_out], fine) == []
    assert refusals([NLP, vision], [taken, fine[0]], [fine[1], denied]) == [
        {"user": "mlflow-nlp", "problem": f"{PLACE}the S3 says: Failed to create bucket: BucketAlreadyExists"},
        {"user": "mlflow-nlp-vision", "problem": f"{PLACE.replace('nlp', 'vision')}the S3 says: AccessDenied"},
    ]
