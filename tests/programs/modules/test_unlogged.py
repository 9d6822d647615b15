"""What stands in the target's journal of a module's arguments. Ansible hides a password there only as it is."""

import json
import subprocess
import sys

import pytest

# Whatever Ansible's own no_log of the task says, as it says it to each module.
RUN = """
import json, runpy, sys
sys.path.insert(0, sys.argv[1])
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.tests.unit.core import patch_module_args
AnsibleModule.log = lambda self, msg, log_args=None: print("LOGGED", msg, log_args, file=sys.stderr)
with patch_module_args({**json.load(sys.stdin), "_ansible_check_mode": True, "_ansible_no_log": False}):
    runpy.run_module("ansible_collections.mlops.mlflow.plugins.modules." + sys.argv[2], run_name="__main__")
"""
PASSWORD = "canary\\of \"both\" 'quotes'"
LOGIN = {"tracking_uri": "http://127.0.0.1:1", "username": "admin", "password": PASSWORD}
PEOPLE = {"users": [{"name": "ann", "password": PASSWORD}]}
TEAM = {
    "name": "vision",
    "listen_address": "127.0.0.1",
    "port": 5001,
    "admin_username": "admin",
    "admin_password": PASSWORD,
}


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("access", {**LOGIN, **PEOPLE}),
        ("servers_access", {"servers": [{"name": "vision", **LOGIN, **PEOPLE}]}),
        ("servers_admin", {"servers": [{"name": "vision", **LOGIN, "password_file": "/no/such"}]}),
        ("host_info", {"teams": [TEAM], "install_dir": "/no/such"}),
        ("files", {"files": [{"path": "/no/such"}], "secret_contents": {"/no/such": PASSWORD}}),
        ("credentials", {"users": [], "passwords": {"ann": {"vision": PASSWORD}}}),
        ("user", {**LOGIN, "name": "ann", "user_password": PASSWORD}),
    ],
)
def test_no_password_is_in_the_journal(request, module, arguments):
    checkout = str(request.config.rootpath / "build" / "checkout")
    done = subprocess.run(
        [sys.executable, "-c", RUN, checkout, module],
        input=json.dumps(arguments),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "LOGGED" in done.stderr
    assert "Unsupported parameters" not in done.stdout
    assert "canary" not in done.stderr
    assert "canary" not in done.stdout
