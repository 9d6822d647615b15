"""The role makes buckets and keys at a real S3, keeps teams from each other's, and says before what it would do."""

import importlib.util
import json
import shutil
import stat

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from programs.roles.bucket_lab import ADMIN, Store, run_role

MADE = [
    "bucket mlflow-{0}: is made",
    "user mlflow-{0}: is made",
    "user mlflow-{0}: may read and write in mlflow-{0}/{0}, and nothing else",
    "user mlflow-{0}: gets a key",
]
PASSWORD = "canary of the vault"

pytestmark = pytest.mark.skipif(
    shutil.which("weed") is None
    or importlib.util.find_spec("boto3") is None
    or importlib.util.find_spec("ansible_collections.amazon") is None,
    reason="takes SeaweedFS, boto3 and amazon.aws, as requirements-dev.txt has them",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    found = Store(tmp_path_factory.mktemp("s3"))
    found.start()
    try:
        found.wait()
        yield found
    finally:
        found.stop()


@pytest.fixture
def keys(tmp_path):
    """The keys of teams, as they are kept: for nobody else's eyes, and encrypted."""

    def read():
        directory, found = tmp_path / "run" / "mlflow_bucket_keys", {}
        for file in directory.glob("*"):
            assert (stat.S_IMODE(directory.stat().st_mode), stat.S_IMODE(file.stat().st_mode)) == (0o700, 0o600)
            text = VaultLib([("default", VaultSecret(PASSWORD.encode()))]).decrypt(file.read_bytes())
            found[file.stem] = tuple(json.loads(text).values())
        return found

    return read


@pytest.fixture
def play(request, store, tmp_path, keys):
    (tmp_path / "vault").write_text(PASSWORD)

    def run(teams, *words, **given):
        words = (*words, "--vault-password-file", str(tmp_path / "vault"))
        given = {"mlflow_bucket_vault_password": PASSWORD, **given}
        done = run_role(request.config.rootpath, tmp_path / "run", store, teams, *words, **given)
        for secret in [ADMIN["secret_key"], PASSWORD, *(secret for _id, secret in keys().values())]:
            assert secret not in done.output
        return done

    return run


def team(store, name="nlp", **settings):
    key, more = f"lookup('mlops.mlflow.bucket_key', '{name}')", f"{{'MLFLOW_S3_ENDPOINT_URL': '{store.address}'}}"
    return {
        "name": name,
        "port": 5001 if name == "nlp" else 5002,
        "admin_password": "canary-of-the-admin",
        "artifacts": {"destination": f"s3://mlflow-{name}/{name}"},
        "environment": f"{{{{ {key} | combine({more}) }}}}",
        **settings,
    }


def test_makes_rotates_keeps_teams_apart_and_takes_keys_away(store, play, keys):
    teams = [team(store), team(store, "vision")]
    checked = play(teams, "--check", "--diff", mlflow_bucket_only=["nlp"])
    wanted = [line.format("nlp") for line in MADE]
    assert (checked.code, checked.steps(), keys()) == (0, wanted, {}), checked.output
    assert checked.changed > 0
    assert store.admin("s3").list_buckets().get("Buckets", []) == []
    made = play(teams, "-vvv", "--diff")
    wanted += [line.format("vision") for line in MADE]
    assert (made.code, sorted(made.steps())) == (0, sorted(wanted)), made.output

    own, first, vision = {"Bucket": "mlflow-nlp", "Key": "nlp/1/model"}, keys()["nlp"], keys()["vision"]
    assert store.comes_of("done", *first, "put_object", **own, Body=b"weights") == "done"
    assert store.comes_of("done", *first, "get_object", **own) == "done"
    assert store.comes_of("done", *first, "list_objects_v2", Bucket="mlflow-nlp", Prefix="nlp/") == "done"
    refused = [
        (first, "put_object", {"Bucket": "mlflow-nlp", "Key": "elsewhere", "Body": b""}),
        (first, "delete_bucket", {"Bucket": "mlflow-nlp"}),
        (first, "put_bucket_acl", {"Bucket": "mlflow-nlp", "ACL": "public-read"}),
        (first, "create_bucket", {"Bucket": "mlflow-more"}),
        (vision, "get_object", own),
        (vision, "put_object", {**own, "Body": b""}),
        (vision, "delete_object", own),
        (vision, "list_objects_v2", {"Bucket": "mlflow-nlp"}),
    ]
    theirs = {"Bucket": "mlflow-vision", "Key": "vision/1/model"}
    assert store.comes_of("done", *vision, "put_object", **theirs, Body=b"weights") == "done"
    assert [store.try_out(*whose, what, **words) for whose, what, words in refused] == ["AccessDenied"] * len(refused)

    # Another key, and nothing else; the former one is refused.
    rotated = play(teams, "-vvv", "--diff", mlflow_bucket_rotate=["nlp"])
    assert (rotated.code, rotated.steps()) == (0, ["user mlflow-nlp: gets another key"]), rotated.output
    assert rotated.changed == 3, rotated.output
    second = keys()["nlp"]
    assert (second != first, keys()["vision"]) == (True, vision)
    assert store.comes_of("done", *second, "get_object", **own) == "done"
    assert store.comes_of("InvalidAccessKeyId", *first, "get_object", **own) == "InvalidAccessKeyId"
    # What somebody has opened is closed, and a team that ends has no key any more; what it has stays.
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}]}
    store.admin("iam").put_user_policy(
        UserName="mlflow-nlp", PolicyName="mlflow", PolicyDocument=json.dumps(everything)
    )
    served = play([team(store), team(store, "vision", state="absent")], served=True)
    assert (served.code, served.steps(), list(keys())) == (0, [MADE[2].format("nlp")], ["nlp"]), served.output
    assert store.comes_of("done", *second, "get_object", **own) == "done"
    assert store.comes_of("AccessDenied", *second, "get_object", **theirs) == "AccessDenied"
    assert store.comes_of("InvalidAccessKeyId", *vision, "get_object", **theirs) == "InvalidAccessKeyId"
    assert store.admin("s3").get_object(**theirs)["Body"].read() == b"weights"
