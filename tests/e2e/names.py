"""Logs artifacts whose names are unusual, and a run of an experiment whose name is; reads all of them back."""

import sys
import tempfile
from pathlib import Path

import mlflow

NAMES = (
    "model.pkl",
    ".hidden",
    ".config/..data/x",
    "a b/c d.txt",
    "100% sure.txt",
    "50%25.txt",
    "grüße ☃ 😀.txt",
    "~c++ (x) [y] {z} 'q' $1 & @2, =3; 4!.txt",
    "tail.",
    "...",
)
EXPERIMENT = "odd/../name; with // & ? % ☃"

if len(sys.argv) > 1:
    mlflow.set_tracking_uri(sys.argv[1])
experiment = mlflow.set_experiment(EXPERIMENT)
with tempfile.TemporaryDirectory() as folder, mlflow.start_run() as run:
    for name in NAMES:
        file = Path(folder, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    mlflow.log_artifacts(folder)
with tempfile.TemporaryDirectory() as folder:
    client = mlflow.MlflowClient()
    for name in NAMES:
        kept = Path(client.download_artifacts(run.info.run_id, name, folder)).read_text()
        assert kept == name, (name, kept)
assert mlflow.get_experiment_by_name(EXPERIMENT).experiment_id == experiment.experiment_id
print("all kept")
