"""Sends and fetches files with MLflow's own client, as whoever is logged in, who has no key of the store's."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import mlflow

SETTINGS = ("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD")
# Nobody waits for the 500 MB from which on MLflow sends in parts. These are as small as parts of an S3 may be.
PART = 5 << 20
SIZES = {
    "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": str(PART),
    "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": str(PART),
    "MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE": str(PART),
}


def send(experiment_id: str, path: str) -> dict[str, str]:
    """Log a file to a run, and to a model; say where both are."""
    client = mlflow.MlflowClient()
    run = client.create_run(experiment_id).info.run_id
    client.log_artifact(run, path, "deep")
    model = client.create_logged_model(experiment_id, name="model").model_id
    client.log_model_artifact(model, path)
    client.finalize_logged_model(model, "READY")
    return {"run": f"runs:/{run}/deep/{Path(path).name}", "model": f"models:/{model}"}


def fetch(uri: str, folder: str) -> str:
    """Download a file, or a model that is one; give its SHA-256."""
    mlflow.artifacts.download_artifacts(uri, dst_path=folder)
    (found,) = (path for path in Path(folder).rglob("*") if path.is_file())
    return hashlib.sha256(found.read_bytes()).hexdigest()


def main() -> None:
    """Leave it to the server which way they go, or insist on going past it."""
    do, way, *words = sys.argv[1:]
    os.environ.update(SIZES)
    for name in SETTINGS:
        os.environ.pop(name, None)
        if way == "insists":
            os.environ[name] = "true"
    print(json.dumps({"send": send, "fetch": fetch}[do](*words)))


main()
