"""What the server of a replica does before MLflow begins, with MLflow's own libraries and the driver in MORE.

Prints what is said of a change in the database, and why it would not start. Has the database open until its input ends,
also as the other program that it becomes.
"""

import json
import os
import sys

uri, mlflowctl, driver, becomes = sys.argv[1:]
sys.path[:0] = [mlflowctl, driver]
from mlflowctl.in_mlflow import other_schema  # noqa: E402

found = other_schema.marked("tracking", uri)
print(json.dumps([found, other_schema.who_changes([found], None)]), flush=True)
if becomes:
    other_schema.outlive_exec()
    os.execvp("cat", ["cat"])
sys.stdin.read()
