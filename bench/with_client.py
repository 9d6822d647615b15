"""The same declaration with MLflow's own Python client: look, and write what is missing, one by one."""

import json
import sys

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.server.auth.client import AuthServiceClient

DECLARATION = json.load(open(sys.argv[1]))  # noqa: SIM115
uri = mlflow.get_tracking_uri()
auth, tracking = AuthServiceClient(uri), mlflow.MlflowClient(uri)


def ensure_user(name, password):
    """Look for the user, and make it."""
    try:
        auth.get_user(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        auth.create_user(name, password)


def ensure_experiment(name):
    """Look for the experiment, and make it; return its id."""
    found = tracking.get_experiment_by_name(name)
    return found.experiment_id if found else tracking.create_experiment(name)


def ensure_grant(user, experiment, level):
    """Look what the user may do, and grant it."""
    if auth.get_user_permission(user, "experiment", experiment).permission != level:
        auth.grant_user_permission(user, "experiment", experiment, level)


for person in DECLARATION["users"]:
    ensure_user(person["name"], person["password"])
for thing in DECLARATION["experiments"]:
    identity = ensure_experiment(thing["name"])
    for grantee, wanted in thing["grants"].items():
        ensure_grant(grantee, identity, wanted)
