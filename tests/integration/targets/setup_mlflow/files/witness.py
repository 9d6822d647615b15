"""What the real MLflow client sees and can do, as JSON: read-back that owes nothing to the modules.

witness.py experiments NAME…     the experiments by name, null where there is none
witness.py models NAME…          the registered models likewise
witness.py transfer NAME         log a run with an artifact, read it back, return its text

The server and the account come from the client's own environment variables.
"""

import json
import sys
import tempfile
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException


def experiment(client, name):
    found = client.get_experiment_by_name(name)
    return found and {
        "id": found.experiment_id,
        "stage": found.lifecycle_stage,
        "location": found.artifact_location,
        "tags": dict(found.tags),
    }


def model(client, name):
    try:
        found = client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return {"description": found.description or "", "tags": dict(found.tags)}


def transfer(client, name):
    run = client.create_run(client.get_experiment_by_name(name).experiment_id).info.run_id
    client.log_text(run, "text that went there and back", "folder/note.txt")
    client.set_terminated(run)
    with tempfile.TemporaryDirectory() as scratch:
        return Path(client.download_artifacts(run, "folder/note.txt", scratch)).read_text()


def main(command, *names):
    look = {"experiments": experiment, "models": model, "transfer": transfer}[command]
    client = MlflowClient()
    print(json.dumps({name: look(client, name) for name in names}))


main(*sys.argv[1:])
