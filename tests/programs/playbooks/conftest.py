"""The playbooks that are shipped, on this machine alone, with inventories that nothing comes of."""

import os
import subprocess

import pytest
import yaml


@pytest.fixture
def play(request, tmp_path):
    """What runs a playbook on the groups of an inventory, each with its hosts, and returns how it ended."""

    def run(name, groups, *arguments):
        inventory = tmp_path / "hosts.yml"
        inventory.write_text(yaml.safe_dump({group: {"hosts": hosts} for group, hosts in groups.items()}))
        return subprocess.run(
            ["ansible-playbook", "-i", inventory, f"mlops.mlflow.{name}", *arguments],
            env={
                **os.environ,
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_COLLECTIONS_PATH": str(request.config.rootpath / "build" / "checkout"),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return run
