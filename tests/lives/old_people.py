"""What people left on an older server, made with that version's own client: old_people.py ADMIN_PASSWORD PEOPLE.

PEOPLE is JSON of passwords by name: alice, bob and carol. MLFLOW_TRACKING_URI says where. Prints the run's id.
"""

import json
import os
import sys

import mlflow
from mlflow.server import get_app_client

LOSSES = [0.9, 0.5, 0.3, 0.2]


def act_as(name, password):
    """Whoever is named does what follows."""
    os.environ.update(MLFLOW_TRACKING_USERNAME=name, MLFLOW_TRACKING_PASSWORD=password)


def main(admin_password, people):
    act_as("admin", admin_password)
    admin = get_app_client("basic-auth", os.environ["MLFLOW_TRACKING_URI"])
    for name, password in people.items():
        admin.create_user(name, password)
    act_as("alice", people["alice"])
    mlflow.set_experiment("heritage")
    with mlflow.start_run(run_name="old") as run:
        mlflow.log_params({"layers": 18, "rate": 0.1})
        for step, loss in enumerate(LOSSES):
            mlflow.log_metric("loss", loss, step=step)
        mlflow.log_text("what the picture shows", "notes/first.txt")
    client = mlflow.MlflowClient()
    client.create_registered_model("veteran")
    client.create_model_version("veteran", f"{run.info.artifact_uri}/notes", run.info.run_id)
    client.register_prompt("greeting", "Good morning, {{ name }}!")
    experiment = mlflow.get_experiment_by_name("heritage").experiment_id
    act_as("admin", admin_password)
    for name, level in (("bob", "READ"), ("carol", "NO_PERMISSIONS")):
        admin.create_experiment_permission(experiment, name, level)
        for thing in ("veteran", "greeting"):
            admin.create_registered_model_permission(thing, name, level)
    print(run.info.run_id)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
