"""What one person does with MLflow's own client: build/mlflow/bin/python tools/person.py …, or tools/people.py.

Who they are is in the environment, as MLflow wants it. Prints one line of JSON, in which
"refused" is the status that the server refused them with.

What is posted is sent once, unless told otherwise: up to 3.17 the client repeats it whatever became of it, and from
3.18 on, where it makes things, only when no connection came about. Who fails at nothing that way notices nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow  # type: ignore[import-not-found,unused-ignore]  # only build/mlflow has it
import mlflow.utils.request_utils  # type: ignore[import-not-found,unused-ignore]
from urllib3.util import Retry

LOSSES = [0.9, 0.5, 0.3, 0.2]
NOTE = "what the picture shows"


class Once(Retry):
    """Repeats all but what is posted; a connection that did not come about is tried again for that, too."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{**options, "allowed_methods": Retry.DEFAULT_ALLOWED_METHODS})


def log(experiment: str) -> dict[str, Any]:
    """Log a run with a bit of everything, then read it back."""
    mlflow.set_experiment(experiment)
    with mlflow.start_run(run_name="demo") as run:
        mlflow.log_params({"layers": 18, "rate": 0.1})
        for step, loss in enumerate(LOSSES):
            mlflow.log_metric("loss", loss, step=step)
        mlflow.log_text(NOTE, "notes/first.txt")
        model = log_model()
    return {"run": run.info.run_id, "model": model, "kept": read(run.info.run_id) and model_works(model)}


def log_model() -> str:
    """Log a model that is nothing but a few lines of Python."""
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / "model.py"
        code.write_text(
            "import mlflow\n"
            "class Doubler(mlflow.pyfunc.PythonModel):\n"
            "    def predict(self, context, model_input, params=None):\n"
            "        return [2 * number for number in model_input]\n"
            "mlflow.models.set_model(Doubler())\n"
        )
        info = mlflow.pyfunc.log_model(name="doubler", python_model=str(code), pip_requirements=[])
    return str(info.model_uri)


def model_works(uri: str) -> bool:
    """Say whether the model comes back and computes."""
    return list(mlflow.pyfunc.load_model(uri).predict([1, 2])) == [2, 4]


def read(run: str) -> bool:
    """Say whether all of a run is there."""
    client = mlflow.MlflowClient()
    data = client.get_run(run).data
    losses = [metric.value for metric in sorted(client.get_metric_history(run, "loss"), key=lambda it: it.step)]
    note = mlflow.artifacts.load_text(f"runs:/{run}/notes/first.txt")
    return data.params == {"layers": "18", "rate": "0.1"} and losses == LOSSES and note == NOTE


def see(experiment: str, run: str) -> dict[str, Any]:
    """Read somebody's run."""
    return {"seen": mlflow.get_experiment_by_name(experiment) is not None and read(run)}


def write(experiment: str) -> dict[str, Any]:
    """Try to begin a run."""
    found = mlflow.get_experiment_by_name(experiment)
    client = mlflow.MlflowClient()
    return {"run": client.create_run(found.experiment_id).info.run_id}


def stream(experiment: str, seconds: float, pauses: str, mark: Path | None, after: int) -> dict[str, Any]:
    """Log one metric after the other, with these pauses in turn; say how many were acknowledged and are there.

    A file is made when it has begun; when somebody removes that, so many more are logged, and it ends.
    """
    waits = itertools.cycle(map(float, pauses.split(",")))
    mlflow.set_experiment(experiment)
    client, sent, longest = mlflow.MlflowClient(), 0, 0.0
    with mlflow.start_run(run_name="stream") as run:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if mark and sent and not mark.exists():
                if after == 0:
                    break
                after -= 1
            before = time.monotonic()
            client.log_metric(run.info.run_id, "step", sent, step=sent)
            if mark and not sent:
                mark.touch()
            sent, longest = sent + 1, max(longest, time.monotonic() - before)
            time.sleep(next(waits))
    history = client.get_metric_history(run.info.run_id, "step")
    return {"sent": sent, "kept": len({metric.step for metric in history}), "longest": longest}


def model(name: str) -> dict[str, Any]:
    """Look at a registered model's versions, and the runs that they are of."""
    found = mlflow.MlflowClient().search_model_versions(f"name = '{name}'")
    mlflow.MlflowClient().get_registered_model(name)
    return {"versions": [str(version.version) for version in found], "runs": [version.run_id for version in found]}


def pour(experiment: str, seconds: float, writers: int, until: Path) -> dict[str, Any]:
    """Log runs with an artifact side by side, until a file is there; return when each was acknowledged, all of it."""
    found = mlflow.get_experiment_by_name(experiment)
    end = time.time() + seconds

    def write(_me: int) -> list[tuple[float, str]]:
        client, told = mlflow.MlflowClient(), []
        while time.time() < end and not until.exists():
            run = client.create_run(found.experiment_id, run_name="poured").info.run_id
            client.log_metric(run, "loss", 0.5)
            client.log_text(run, run, "note.txt")
            told.append((time.time(), run))
        return told

    with ThreadPoolExecutor(writers) as pool:
        return {"runs": [it for told in pool.map(write, range(writers)) for it in told]}


def poured(experiment: str) -> dict[str, Any]:
    """Return those of these runs that are there with all they had."""
    client, found = mlflow.MlflowClient(), mlflow.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], "attributes.run_name = 'poured'", max_results=10_000)

    def is_whole(run: Any) -> bool:
        try:
            note = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/note.txt")
        except mlflow.MlflowException:
            return False
        return run.data.metrics == {"loss": 0.5} and note == run.info.run_id

    with ThreadPoolExecutor(8) as pool:
        whole = list(pool.map(is_whole, runs))
    return {"runs": [run.info.run_id for run, good in zip(runs, whole, strict=True) if good]}


def lose(experiment: str, run: str) -> dict[str, Any]:
    """Delete a run."""
    client = mlflow.MlflowClient()
    client.delete_run(run)
    return {"lost": client.get_run(run).info.lifecycle_stage == "deleted"}


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["log", "see", "write", "stream", "model", "pour", "poured", "lose"])
    parser.add_argument("experiment")
    parser.add_argument("--run", help="for see and lose")
    parser.add_argument("--seconds", type=float, default=10, help="for stream and pour, which takes no longer")
    parser.add_argument("--until", type=Path, help="for pour: the file that ends it")
    parser.add_argument("--writers", type=int, default=4, help="for pour")
    parser.add_argument("--mark", type=Path, help="for stream: the file that is made, and ends it when it is gone")
    parser.add_argument("--after", type=int, default=0, help="for stream: how many more are logged when it is gone")
    parser.add_argument("--repeat", action="store_true", help="repeat what is posted, as the client does up to 3.17")
    # Without any, a stream and its server would take a processor from what happens meanwhile.
    parser.add_argument("--pauses", default="0.05", help="for stream: seconds after each metric, as in 5,6.5")
    options = parser.parse_args(arguments)
    if not options.repeat:
        mlflow.utils.request_utils.Retry = Once
    more = {
        "see": [options.run],
        "lose": [options.run],
        "stream": [options.seconds, options.pauses, options.mark, options.after],
        "pour": [options.seconds, options.writers, options.until],
    }.get(options.action, [])
    try:
        answer = globals()[options.action](options.experiment, *more)
    except mlflow.MlflowException as error:
        refused = re.search(r"error code (40[13])\b|^(40[13]) Client Error", str(error))
        if not refused:
            raise
        answer = {"refused": int(refused.group(1) or refused.group(2))}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
