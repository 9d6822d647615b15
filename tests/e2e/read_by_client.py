"""Reads all that a user may, with MLflow's own client; prints a line for each file, as md5sum would in the mount.

read_by_client.py [EXPERIMENT …]: of all experiments, unless some are named.
"""

import hashlib
import pathlib
import sys
import tempfile

import mlflow

client = mlflow.MlflowClient()


def in_tree(name):
    return name.replace("%", "%25").replace("/", "%2F")


def show(where, uri):
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder))
        for file in sorted(place.rglob("*")):
            # The client writes that one beside what it has downloaded of a model.
            if file.is_file() and file.name != "registered_model_meta":
                digest = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
                print(f"{digest}  {where}/{file.relative_to(place)}")


for experiment in client.search_experiments():
    if sys.argv[1:] and experiment.name not in sys.argv[1:]:
        continue
    top = in_tree(experiment.name)
    for run in client.search_runs([experiment.experiment_id]):
        if client.list_artifacts(run.info.run_id):
            name = in_tree(run.info.run_name or "")
            show(f"{top}/{name}@{run.info.run_id[:8]}", f"runs:/{run.info.run_id}/")
    for model in client.search_logged_models([experiment.experiment_id]):
        show(f"{top}/models/{model.name}@{model.model_id[2:10]}", f"models:/{model.model_id}")
