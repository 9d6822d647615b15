"""Logs what there is to see in mounts, as alice: log_for_mounts.py BYTES; prints the checksum of each file."""

import hashlib
import json
import os
import pathlib
import sys
import tempfile

import mlflow
import mlflow.pyfunc


class Doubler(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input


def digest(file):
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def sums(directory):
    # The client writes that one beside what it has downloaded of a model.
    files = (file for file in sorted(directory.rglob("*")) if file.is_file() and file.name != "registered_model_meta")
    return {str(file.relative_to(directory)): digest(file) for file in files}


told = {}
for experiment in ("a", "b", "c", "x", "y/with a slash"):
    mlflow.set_experiment(experiment)
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        (place / "note.txt").write_text(f"a note of {experiment}")
        (place / "empty").touch()
        (place / "deep" / "deeper").mkdir(parents=True)
        (place / "deep" / "deeper" / "100% of it, a+b=c.txt").write_text(f"{experiment}: odd")
        (place / "deep" / ".hidden").write_text(f"{experiment}: hidden")
        (place / "a name with ä and 字.csv").write_text(f"{experiment}: ä")
        if experiment == "a":
            (place / "large.bin").write_bytes(os.urandom(int(sys.argv[1])))
        with mlflow.start_run(run_name="base/line ../.."):
            mlflow.log_artifacts(folder)
        told[experiment] = sums(place)
    # Twice the same name, and one without any file.
    with mlflow.start_run(run_name="base/line ../.."):
        mlflow.log_text(f"{experiment}: the second", "second.txt")
    told[experiment]["second.txt"] = hashlib.md5(
        f"{experiment}: the second".encode(), usedforsecurity=False
    ).hexdigest()
    with mlflow.start_run(run_name="nothing"):
        mlflow.log_metric("loss", 0.5)
mlflow.set_experiment("c")
model = mlflow.pyfunc.log_model(name="doubler", python_model=Doubler(), pip_requirements=[])
with tempfile.TemporaryDirectory() as folder:
    found = mlflow.artifacts.download_artifacts(model.model_uri, dst_path=folder)
    told["c"].update({f"model/{name}": it for name, it in sums(pathlib.Path(found)).items()})
print(json.dumps(told))
