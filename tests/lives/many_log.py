"""Runs on a host: people log beside each other until a file is gone.

Arguments: how many, the experiment, the file, how many of them repeat what they post, as MLflow's client does up to
3.17, and whether they keep files, too. Beside the file, one more is made by each who has begun. Prints a line of JSON:
each call with when it began, how long it took, how it ended, what it was to make and of what kind; what was told and
is not there; and what is there twice.
"""

import json
import multiprocessing
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import mlflow
import mlflow.utils.request_utils
import person

NUMBER, EXPERIMENT, MARK = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
REPEAT, FILES = int(sys.argv[4]), sys.argv[5] == "files"
# Of so many calls, one makes a run: what would be there twice if anything repeated it. The next one may keep a file.
MAKES = 5
TEXT = "what is in a file\n" * 10_000


def kind(error: BaseException) -> str:
    """Say in a word what became of a call."""
    found = re.search(r"error code (\d+)|^(\d{3}) \w+ Error", str(error))
    return (found[1] or found[2]) if found else getattr(error, "error_code", type(error.__cause__ or error).__name__)


def made(number: int) -> str:
    """Say what a call is to make."""
    if number % MAKES == 0:
        return "run"
    return "file" if number % MAKES == 1 and FILES else "metric"


def log(me: int) -> tuple[list[tuple[float, float, str, str, str]], list[str], list[str]]:
    """Log as one of them."""
    if me >= REPEAT:
        mlflow.utils.request_utils.Retry = person.Once
    client, calls, told = mlflow.MlflowClient(), [], set()
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    run = client.create_run(experiment).info.run_id
    while MARK.exists():
        number, began, ended = len(calls), time.time(), "well"
        name, what = f"{me}-{number}-{run}", made(number)
        try:
            if what == "run":
                client.create_run(experiment, run_name=name)
            elif what == "file":
                client.log_text(run, name + TEXT, name)
            else:
                client.log_metric(run, "step", number, step=number)
            told.add(name)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
            ended = kind(error)
        calls.append((began, time.time() - began, ended, name, what))
        if number == 0:
            MARK.with_name(f"{MARK.name}.{me}").touch()
        time.sleep(0.05)
    steps = Counter(metric.step for metric in client.get_metric_history(run, "step"))
    names = Counter(it.info.run_name for it in client.search_runs([experiment], max_results=50_000))
    there = Counter({f"{me}-{step}-{run}": count for step, count in steps.items()})
    there.update({name: count for name, count in names.items() if name.startswith(f"{me}-") and name.endswith(run)})
    there.update(uploaded(client, run))
    return calls, sorted(told - set(there)), sorted(name for name, count in there.items() if count > 1)


def uploaded(client: mlflow.MlflowClient, run: str) -> list[str]:
    """Return the files of a run that are as they were uploaded."""
    if not FILES or not client.list_artifacts(run):
        return []
    with tempfile.TemporaryDirectory() as place:
        mlflow.artifacts.download_artifacts(run_id=run, dst_path=place)
        return [file.name for file in Path(place).iterdir() if file.read_text() == file.name + TEXT]


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(NUMBER) as pool:
        answers = pool.map(log, range(NUMBER), chunksize=1)
    lists = ("calls", "lost", "twice")
    print(json.dumps({key: [it for answer in answers for it in answer[at]] for at, key in enumerate(lists)}))
