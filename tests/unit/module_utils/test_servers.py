"""A module for several servers ends with a result for each, whatever becomes of the work on one."""

import json
import subprocess
import sys

import pytest
from ansible.module_utils.common.parameters import PASS_VARS

SCRIPT = """
import os, signal, sys
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.tests.unit.core import patch_module_args
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import RequestRefused
from ansible_collections.mlops.mlflow.plugins.module_utils._servers import result, several_spec, work_on_servers

def work(server):
    if server["name"] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if server["name"] == "faulty":
        raise KeyError(server["password"])
    if server["name"] == "refused":
        raise RequestRefused("GET /version: 500 no disk", 500, "INTERNAL_ERROR")
    if server["name"] == "unwritable":
        open("/proc/none/file", "w")
    return result(["+ user ann"], warnings=["it is old"]) if server["name"] == "changed" else result()

with patch_module_args(__import__("json").load(sys.stdin)):
    work_on_servers(AnsibleModule(argument_spec=several_spec({}), supports_check_mode=True), work)
"""
PASSWORD = "a canary of a password"


@pytest.fixture
def run(request):
    """Return a function that runs the script for servers of these names."""

    def run(*names, **shared):
        connection = {"tracking_uri": "http://127.0.0.1:9", "username": "admin", "password": PASSWORD}
        arguments = {"servers": [{"name": name, **connection} for name in names], **shared}
        # From 2.21 on only where somebody asks for it.
        if "inject_invocation" in PASS_VARS:
            arguments["_ansible_inject_invocation"] = True
        process = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            input=json.dumps(arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PYTHONPATH": str(request.config.rootpath / "build" / "checkout")},
        )
        assert PASSWORD not in process.stdout + process.stderr
        return json.loads(process.stdout)

    return run


@pytest.mark.parametrize("parallel", [1, 2, 9])
def test_each_has_its_result(run, parallel):
    done = run("killed", "changed", "faulty", "refused", "unwritable", "same", parallel=parallel)
    assert done["changed"] is True
    assert not done.get("failed")
    assert [one["name"] for one in done["servers"] if not one["changed"]] == [*done["failures"], "same"]
    assert done["failures"]["killed"] == "its process ended with code -9 before it was done"
    assert done["failures"]["faulty"].endswith("this is a bug of the module")
    assert done["failures"]["refused"] == "GET /version: 500 no disk"
    assert "/proc/none/file" in done["failures"]["unwritable"]
    assert done["servers"][3]["failure"] == {"status": 500, "error_code": "INTERNAL_ERROR"}
    assert done["diff"] == [{"prepared": "changed:\n+ user ann\n"}]
    assert "changed: it is old" in str(done["warnings"])


def test_what_is_shown_of_the_arguments(run):
    shown = run("same")["invocation"]["module_args"]
    assert shown["servers"] == [{"name": "same", "tracking_uri": "http://127.0.0.1:9", "username": "admin"}]
    assert shown["parallel"] == 4


def test_no_servers_are_no_fault(run):
    assert (run()["servers"], run()["failures"], run()["changed"]) == ([], {}, False)


def test_arguments_that_make_no_sense(run):
    assert run("a", "b", "a")["msg"] == "servers: 'a' is declared twice"
    assert run("a", parallel=0)["msg"] == "parallel: 0 is less than 1"
