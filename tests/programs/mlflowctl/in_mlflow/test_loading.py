"""What is left undone while MLflow is loaded is made up for when somebody asks for it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import project

FILES = project.ROOT / "roles" / "mlflow_server" / "files"
PYTHON = project.MLFLOW / "bin" / "python"
# A program of ours that finds the edge of a piece of memory at one of the depths from which it calls.
DEEP = """
import resource

def nothing():
    pass

def deeper(left):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _time in range(500):
        nothing()
    found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    if left:
        deeper(left - 1)

def main():
    deeper(400)
    print(max(found))

found = []
"""
ADDRESSES = """
import importlib.metadata, json, sys
from werkzeug.routing import BuildError, Map, Rule

read = []
distributions = importlib.metadata.distributions
importlib.metadata.distributions = lambda *a, **k: read.append(1) or distributions(*a, **k)
if sys.argv[1] == "short":
    sys.path.insert(0, sys.argv[2])
    from mlflowctl.in_mlflow import loading

    loading.shorten()
wanted = ("console_scripts", "mlflow.app", "none")
groups = [sorted(map(repr, importlib.metadata.entry_points(group=group))) for group in wanted]
compiled = []
Rule._get_func_code = staticmethod(lambda *a, own=Rule._get_func_code: compiled.append(1) or own(*a))
rules = [
    Rule("/", endpoint="root"),
    Rule("/api/<name>/<int:number>", endpoint="thing"),
    Rule("/files/<path:path>", endpoint="file"),
    Rule("/all", endpoint="paged", defaults={"page": 1}),
    Rule("/all/<int:page>", endpoint="paged"),
]
routes = Map(rules).bind("host")
before = len(compiled)
asked = [
    ("root", {}), ("root", {"self": "a b", "more": [1, 2]}), ("thing", {"name": "a/b c", "number": 3}),
    ("thing", {"name": "a"}), ("thing", {"name": "a", "number": "x"}), ("file", {"path": "a/ä"}),
    ("paged", {"page": 1}), ("paged", {"page": 2}), ("paged", {"page": 2, "q": "&"}),
]
built = []
for endpoint, values in asked * 2:
    try:
        built.append(routes.build(endpoint, values))
    except (BuildError, ValueError) as error:
        built.append(type(error).__name__)
print(json.dumps({"built": built, "groups": groups, "read": len(read), "before": before, "compiled": len(compiled)}))
"""


def asked(how: str) -> dict[str, object]:
    command = [PYTHON, "-c", ADDRESSES, how, FILES]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_addresses_and_entry_points_are_the_same() -> None:
    ever, short = asked("as ever"), asked("short")
    assert (short["built"], short["groups"]) == (ever["built"], ever["groups"])
    assert ever["groups"][0], "there are programs"
    assert (ever["read"], short["read"]) == (3, 1)
    assert (ever["before"], short["before"]) == (10, 0)
    assert 0 < short["compiled"] <= 10, "each once"


def test_no_call_asks_the_kernel_for_memory(tmp_path: Path) -> None:
    shutil.copytree(FILES / "mlflowctl", tmp_path / "mlflowctl")
    (tmp_path / "mlflowctl" / "in_mlflow" / "deep.py").write_text(DEEP)
    command = [PYTHON, tmp_path / "mlflowctl" / "in_mlflow", "deep"]
    faults = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(faults) < 250
