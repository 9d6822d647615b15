"""The same declaration with MLflow's own Python client: look, and write what is missing, one by one.

With --writes-only nothing is looked for: it only works on an empty server.
"""

import json
import sys

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.server.auth.client import AuthServiceClient

DECLARATION = json.load(open(sys.argv[1]))  # noqa: SIM115
LOOK = "--writes-only" not in sys.argv
uri = mlflow.get_tracking_uri()
auth, tracking = AuthServiceClient(uri), mlflow.MlflowClient(uri)


def has_user(name):
    """Look for a user."""
    try:
        auth.get_user(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True


def ensure_user(name, password):
    """Make the user if need be."""
    if not (LOOK and has_user(name)):
        auth.create_user(name, password)


def ensure_experiment(name):
    """Make the experiment if need be; return its id."""
    found = tracking.get_experiment_by_name(name) if LOOK else None
    return found.experiment_id if found else tracking.create_experiment(name)


def ensure_grant(user, experiment, level):
    """Grant the level if the user has another one, or none."""
    held = auth.get_user_permission(user, "experiment", experiment).permission if LOOK else "NO_PERMISSIONS"
    if held == level:
        return
    if held != "NO_PERMISSIONS":
        auth.revoke_user_permission(user, "experiment", experiment)
    auth.grant_user_permission(user, "experiment", experiment, level)


for person in DECLARATION["users"]:
    ensure_user(person["name"], person["password"])
for thing in DECLARATION["experiments"]:
    identity = ensure_experiment(thing["name"])
    for grantee, wanted in thing["grants"].items():
        ensure_grant(grantee, identity, wanted)
