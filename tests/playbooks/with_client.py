"""What people do with MLflow's own client; everybody's passwords stand in PEOPLE. Prints JSON."""

import contextlib
import json
import os
import sys

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

PEOPLE = json.loads(os.environ["PEOPLE"])


@contextlib.contextmanager
def person(name):
    """Be somebody."""
    os.environ.update(MLFLOW_TRACKING_USERNAME=name, MLFLOW_TRACKING_PASSWORD=PEOPLE[name])
    yield MlflowClient()


def allowed(call, *arguments):
    """Whether the server lets somebody do it."""
    try:
        call(*arguments)
    except MlflowException as error:
        if error.get_http_status_code() != 403 and error.error_code != "PERMISSION_DENIED":
            raise
        return False
    return True


def create(name, *experiments):
    """Make experiments as this person."""
    with person(name) as client:
        for experiment in experiments:
            client.create_experiment(experiment)


def delete(*experiments):
    """Delete experiments as the admin."""
    with person("admin") as client:
        for experiment in experiments:
            client.delete_experiment(client.get_experiment_by_name(experiment).experiment_id)


def level(*attempts):
    """The level that as many attempts are a proof of, each taking more than the one before."""
    succeeded = [allowed(*attempt) for attempt in attempts]
    assert succeeded == sorted(succeeded, reverse=True)
    return ("none", "READ", "EDIT", "MANAGE")[sum(succeeded)]


def levels():
    """What everybody may do with every experiment and model, found out by doing it."""
    with person("admin") as admin:
        experiments = {found.name: found.experiment_id for found in admin.search_experiments()}
        models = [found.name for found in admin.search_registered_models()]
    found = {}
    for name in PEOPLE:
        for experiment, key in experiments.items():
            with person(name) as client:
                found[f"{name} experiment {experiment}"] = level(
                    (client.get_experiment, key),
                    (client.set_experiment_tag, key, "tried", "yes"),
                    (client.delete_experiment, key),
                )
            with person("admin") as admin:
                if admin.get_experiment(key).lifecycle_stage == "deleted":
                    admin.restore_experiment(key)
        for model in models:
            with person(name) as client:
                # A deleted model is gone, so that MANAGE is not tried.
                found[f"{name} registered_model {model}"] = level(
                    (client.get_registered_model, model), (client.set_registered_model_tag, model, "tried", "yes")
                )
    return found


print(json.dumps({"create": create, "delete": delete, "levels": levels}[sys.argv[1]](*sys.argv[2:])))
