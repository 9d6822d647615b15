"""Where a declared experiment may keep its artifacts, and which versions hand those elsewhere to everybody."""

import pytest
from unit.plugin_utils.refusals import fault_of, faults, team

HOST = "is a place on the host, which no backup has and other experiments could be in; use mlflow-artifacts:/NAME"


def at(location, **settings):
    return {"experiments": [{"name": "resnet", "artifact_location": location}], **settings}


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("file:///var/lib/mlflow/vision/own", f"'file:///var/lib/mlflow/vision/own' {HOST}"),
        ("file:/srv/own", f"'file:/srv/own' {HOST}"),
        ("file:own", f"'file:own' {HOST}"),
        ("FILE:///srv/own", f"'FILE:///srv/own' {HOST}"),
        ("/srv/own", f"'/srv/own' {HOST}"),
        ("own", f"'own' {HOST}"),
        ("./own", f"'./own' {HOST}"),
        ("", f"'' {HOST}"),
        (" mlflow-artifacts:/own", f"' mlflow-artifacts:/own' {HOST}"),
        ("//host/own", f"'//host/own' {HOST}"),
        ("http://127.0.0.1:9999/x", "'http' is not a store that a server can use"),
        ("https://example.org/x", "'https' is not a store that a server can use"),
        ("HTTP://example.org/x", "'HTTP' is not a store that a server can use"),
        ("runs:/1/x", "'runs' is not a store"),
        ("models:/x/1", "'models' is not a store"),
        ("dbfs:/x", "'dbfs' is not a store"),
        ("hdfs://x/y", "'hdfs' is not a store"),
        ("gs://x/y", "gs:// needs google-cloud-storage"),
        ("mlflow-artifacts://example.org/own", "names a server; write it with one slash, mlflow-artifacts:/NAME"),
        ("mlflow-artifacts:own", "names a server; write it with one slash"),
        ("mlflow-artifacts:/", "names a server; write it with one slash"),
        ("mlflow-artifacts:/1?x=/4", "has '?', which programs read differently"),
        ("mlflow-artifacts:/1#x", "has '#'"),
        ("mlflow-artifacts:/a%2F..%2Fb", "has '%'"),
        ("mlflow-artifacts:/a/../1", "has '.' or '..'"),
        ("mlflow-artifacts:/a//1", "has '//'"),
        ("mlflow-artifacts:/a\\b", "has '\\', which programs read differently"),
        ("mlflow-artifacts:/a\0", "control characters"),
        ("s3://bucket/../x", "has '.' or '..'"),
        ("s3://bucket/x?y=/4", "has '?'"),
    ],
)
def test_places_that_cannot_be(location, said):
    line = fault_of(**at(location))
    assert line.startswith("experiments: resnet: artifact_location: ")
    assert said in line


@pytest.mark.parametrize("location", ["mlflow-artifacts:/named", "mlflow-artifacts:/a/b c", "s3://bucket/own", None])
def test_places_that_can_be(location):
    assert faults(team(**at(location))) == []


def test_a_server_that_serves_none_has_no_place_for_them():
    artifacts = {"serve": False, "root": "s3://bucket"}
    assert "is on the server, which serves none" in fault_of(**at("mlflow-artifacts:/x", artifacts=artifacts))


SERVED = {"artifacts": {"destination": "s3://bucket"}}
DIRECT = {"artifacts": {"serve": False, "root": "s3://bucket"}}
SIGNED = {"artifacts": {"destination": "s3://bucket", "presigned": True}}


@pytest.mark.parametrize(
    ("version", "settings", "needed"),
    [
        ("3.13.0", SERVED, "3.15.0"),
        ("3.13.9", SERVED, "3.15.0"),
        ("3.14.0", SERVED, "3.15.0"),
        ("3.15.0rc0", SERVED, "3.15.0"),
        ("3.15.0", SERVED, None),
        ("3.15.2", SERVED, None),
        ("3.13.0", DIRECT, "3.16.0"),
        ("3.14.0", DIRECT, "3.16.0"),
        ("3.15.2", DIRECT, "3.16.0"),
        ("3.16.0rc1", DIRECT, "3.16.0"),
        ("3.16.0", DIRECT, None),
        ("3.17.2", DIRECT, None),
        ("3.15.2", at("s3://bucket/x"), "3.16.0"),
        ("3.15.2", SIGNED, "3.16.0"),
        ("3.16.0", SIGNED, None),
        ("3.16.1", at("s3://bucket/x"), None),
        ("3.13.0", at("mlflow-artifacts:/x"), None),
        ("3.13.0", {"artifacts": {"serve": False, "root": "/srv/a/b"}}, None),
        ("3.13.0", {"artifacts": {"destination": "/srv/a/b"}}, None),
        ("3.13.0", {}, None),
    ],
)
def test_versions_that_hand_out_what_is_elsewhere(version, settings, needed):
    found = faults(team(version=version, **settings))
    if needed is None:
        assert found == []
    else:
        (line,) = found
        assert f": MLflow {version} " in line
        assert line.endswith(f"; use version {needed} or later")


NOWHERE = (
    "artifacts: presigned: only has a meaning where artifacts are in a store whose addresses MLflow signs "
    "(s3, gs, wasbs); give such a destination, or leave it out"
)


@pytest.mark.parametrize(
    "artifacts",
    [{}, {"destination": "/srv/a/b"}, {"destination": "sftp://user@host/x"}, {"serve": False, "root": "/srv/a/b"}],
)
def test_addresses_that_nothing_signs(artifacts):
    wanted, not_wanted = (team(artifacts={**artifacts, "presigned": word}) for word in (True, False))
    assert faults(wanted, packages=["pysftp"]) == [f"mlflow_teams: vision: {NOWHERE}"]
    assert faults(not_wanted, packages=["pysftp"]) == []


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:9000"}, "MLFLOW_S3_ENDPOINT_URL"),
        ({"MLFLOW_S3_ENDPOINT_URL": "https://127.8.0.1"}, "MLFLOW_S3_ENDPOINT_URL"),
        ({"MLFLOW_S3_ENDPOINT_URL": "http://[::1]:9000/"}, "MLFLOW_S3_ENDPOINT_URL"),
        ({"MLFLOW_S3_ENDPOINT_URL": "http://LocalHost:9000"}, "MLFLOW_S3_ENDPOINT_URL"),
        ({"AWS_ENDPOINT_URL_S3": "http://localhost:9000"}, "AWS_ENDPOINT_URL_S3"),
        ({"AWS_ENDPOINT_URL": "http://localhost"}, "AWS_ENDPOINT_URL"),
        # What is signed has the first.
        ({"MLFLOW_S3_ENDPOINT_URL": "https://s3.example.org", "AWS_ENDPOINT_URL": "http://localhost"}, None),
        (
            {"AWS_ENDPOINT_URL_S3": "http://localhost", "AWS_ENDPOINT_URL": "https://s3.example.org"},
            "AWS_ENDPOINT_URL_S3",
        ),
        ({"MLFLOW_S3_ENDPOINT_URL": "https://s3.example.org:9000"}, None),
        ({"MLFLOW_S3_ENDPOINT_URL": "https://localhost.example.org"}, None),
        ({}, None),
    ],
)
def test_addresses_that_lead_clients_to_themselves(environment, named):
    signed = team(environment=environment, **SIGNED)
    lines = [
        f"mlflow_teams: vision: environment: {named} is an address that only the server's host reaches, and artifacts: "
        "presigned gives it to clients; give the address at which clients reach the store, or leave presigned out"
    ]
    assert faults(signed, packages=["boto3"]) == (lines if named else [])
    # Where the server itself goes there, or another store is meant, it is as good as any.
    assert faults(team(environment=environment, **SERVED), packages=["boto3"]) == []
    elsewhere = team(environment=environment, artifacts={"destination": "gs://bucket", "presigned": True})
    assert faults(elsewhere, packages=["google-cloud-storage"]) == []


@pytest.mark.parametrize(
    ("settings", "packages"),
    [
        (SIGNED, ["boto3"]),
        ({"artifacts": {"destination": "gs://bucket", "presigned": True}}, ["google-cloud-storage"]),
        ({"artifacts": {**DIRECT["artifacts"], "presigned": True}}, ["boto3"]),
        (at("s3://bucket/own", artifacts={"presigned": True}), ["boto3"]),
    ],
)
def test_addresses_that_are_signed(settings, packages):
    assert faults(team(**settings), packages=packages) == []
