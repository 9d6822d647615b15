"""Runs on a host: uploads a file of a gigabyte with MLflow's client, as it is; the argument is the experiment.

Prints a line of JSON: how long that took, what failed, and whether what is there is the same.
"""

import filecmp
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import mlflow

PIECE, PIECES = 1 << 20, 1024

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        file, piece = Path(place, "large"), os.urandom(PIECE)
        with file.open("wb") as large:
            large.writelines([piece] * PIECES)
        client = mlflow.MlflowClient()
        run = client.create_run(client.get_experiment_by_name(sys.argv[1]).experiment_id).info.run_id
        began, failed = time.time(), ""
        try:
            client.log_artifact(run, str(file))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            failed = repr(error)
        took = time.time() - began
        back = None if failed else mlflow.artifacts.download_artifacts(f"runs:/{run}/large", dst_path=f"{place}/back")
        same = bool(back) and filecmp.cmp(file, back, shallow=False)
    print(json.dumps({"took": took, "failed": failed, "same": same}))
