"""No module without tests, and none outside the action group."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(file.stem for file in (ROOT / "plugins" / "modules").glob("*.py"))
# Modules that do not speak with a server.
LOCAL = {"credentials", "files", "home_links", "host_info", "units"}
# Modules that need a host with systemd, or with people on it: tests/e2e is where they are tried.
ON_HOSTS = {"credentials", "home_links", "units"}
# Modules that speak with several servers, and so cannot have one address and account for all their tasks.
SEVERAL = {"servers_access", "servers_admin"}
ONE = [module for module in MODULES if module not in LOCAL | SEVERAL]


@pytest.mark.parametrize("module", [module for module in MODULES if module not in ON_HOSTS])
def test_every_module_has_an_integration_target(module):
    tasks = ROOT / "tests" / "integration" / "targets" / module / "tasks"
    assert f"mlops.mlflow.{module}:" in "".join(file.read_text() for file in tasks.glob("*.yml"))


def test_every_module_that_speaks_with_one_server_is_in_the_action_group():
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    assert sorted(runtime["action_groups"]["mlflow"]) == ONE


def test_every_module_that_speaks_with_a_server_is_tested_where_servers_fail():
    tests = (ROOT / "tests" / "servers" / "test_failures.py").read_text()
    assert [module for module in ONE if f'    "{module}": ' not in tests] == []
    for module in SEVERAL:
        assert "failures" in (ROOT / "tests" / "servers" / f"test_{module}.py").read_text()
