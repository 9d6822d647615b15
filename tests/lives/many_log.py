"""Runs on a host: people log beside each other until a file is gone, and post nothing twice.

Arguments: how many, the experiment, and the file. Beside it, one more is made by each who has begun. With UPLOADS=n in
the environment, one of n calls uploads a file. With ORDINARY=n, so many of them use the client as it comes, which
repeats what is posted, too; what fails for them is called so, and what is there twice of them stands apart.

Prints a line of JSON: each call, and apart from them each upload, with when it began, how long it took and how it
ended; what was acknowledged and is not there; and what is there twice.
"""

import json
import multiprocessing
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import mlflow
import mlflow.utils.request_utils
import person

NUMBER, EXPERIMENT, MARK = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
UPLOADS, ORDINARY = (int(os.environ.get(name, "0")) for name in ("UPLOADS", "ORDINARY"))
# Of so many calls, one makes a run: what would be there twice if anything repeated it.
MAKES = 5
TEXT = "what is in a file\n" * 10_000


def kind(error: BaseException) -> str:
    """Say in a word what became of a call."""
    found = re.search(r"error code (\d+)|^(\d{3}) \w+ Error", str(error))
    return (found[1] or found[2]) if found else getattr(error, "error_code", type(error.__cause__ or error).__name__)


def log(me: int) -> dict[str, list[Any]]:
    """Log as one of them."""
    ordinary = me < ORDINARY
    if not ordinary:
        mlflow.utils.request_utils.Retry = person.Once
    client, calls, uploads, told = mlflow.MlflowClient(), [], [], set()
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    run = client.create_run(experiment).info.run_id
    while MARK.exists():
        number, began, ended = len(calls) + len(uploads), time.time(), "well"
        name = f"{me}-{number}-{run}"
        uploads_now = UPLOADS and number % UPLOADS == 1
        try:
            if uploads_now:
                client.log_text(run, name + TEXT, name)
            elif number % MAKES:
                client.log_metric(run, "step", number, step=number)
            else:
                client.create_run(experiment, run_name=name)
            told.add(name)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
            ended = kind(error) + (" though repeated" if ordinary else "")
        (uploads if uploads_now else calls).append((began, time.time() - began, ended))
        if number == 0:
            MARK.with_name(f"{MARK.name}.{me}").touch()
        time.sleep(0.05)
    there = Counter(f"{me}-{metric.step}-{run}" for metric in client.get_metric_history(run, "step"))
    names = Counter(it.info.run_name for it in client.search_runs([experiment], max_results=50_000))
    there.update({name: count for name, count in names.items() if name.startswith(f"{me}-") and name.endswith(run)})
    there.update(uploaded(client, run))
    lost, twice = sorted(told - set(there)), sorted(name for name, count in there.items() if count > 1)
    found = {"again": twice, "twice": []} if ordinary else {"again": [], "twice": twice}
    return {"calls": calls, "uploads": uploads, "lost": lost, **found}


def uploaded(client: mlflow.MlflowClient, run: str) -> list[str]:
    """Return the files of a run that are as they were uploaded."""
    files = [it.path for it in client.list_artifacts(run)] if UPLOADS else []
    return [name for name in files if mlflow.artifacts.load_text(f"runs:/{run}/{name}") == name + TEXT]


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(NUMBER) as pool:
        answers = pool.map(log, range(NUMBER), chunksize=1)
    print(json.dumps({key: [it for answer in answers for it in answer[key]] for key in answers[0]}))
