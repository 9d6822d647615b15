"""Runs a module as Ansible does on a target: in a process of its own."""

import json
import subprocess
import sys

import pytest

RUN = """
import json, resource, runpy, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.mlops.mlflow.plugins.module_utils import _as_account, _private_files
from ansible_collections.mlops.mlflow.tests.unit.core import patch_module_args
given = json.load(sys.stdin)
# A machine that is busy is no disk that hangs.
times, work_as = given.get("patience", 30), _as_account.work_as
_as_account.work_as = lambda tasks, seconds: work_as(tasks, times * seconds)
_private_files.PATIENCE *= times
if given["largest_file"]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (given["largest_file"],) * 2)
with patch_module_args(given["arguments"]):
    runpy.run_module("ansible_collections.mlops.mlflow.plugins.modules." + sys.argv[2], run_name="__main__")
"""


class Answer:
    """What a module answered, and all that it wrote."""

    def __init__(self, process):
        self.output = process.stdout + process.stderr
        assert process.stdout, f"the module crashed: {process.stderr}"
        self.result = json.loads(process.stdout)
        self.failed = self.result.get("failed", False)
        self.changed = self.result["changed"] if not self.failed else None


@pytest.fixture(scope="session")
def run_module(request):
    """Return a function that runs a module with arguments; patience is how often as long it waits as on a host."""
    # Where tests/conftest.py has put the collection.
    checkout = str(request.config.rootpath / "build" / "checkout")

    def run(module, arguments, check=False, largest_file=None, umask=0o022, patience=30):
        given = {"_ansible_check_mode": check, "_ansible_diff": True, **arguments}
        process = subprocess.run(
            [sys.executable, "-c", RUN, checkout, module],
            input=json.dumps({"arguments": given, "largest_file": largest_file, "patience": patience}),
            capture_output=True,
            text=True,
            check=False,
            umask=umask,
        )
        return Answer(process)

    return run
