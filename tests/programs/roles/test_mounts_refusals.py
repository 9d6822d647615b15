"""What the role refuses before anything changes, by its own tasks; in check mode: this machine is nobody's host."""

import json
import os
import re
import subprocess

import pytest

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  roles: [mlops.mlflow.mlflow_mounts]
"""
# As a container is that was not given the device.
WITHOUT_DEVICE = ["unshare", "--mount", "sh", "-c", 'mount --bind /etc/hostname /dev/fuse && exec "$@"', "sh"]
has_device = pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="this machine has no /dev/fuse")


@pytest.fixture
def refusal(tmp_path, request):
    """Return a function that runs the role, which is to be refused; it gives what was said."""
    file = tmp_path / "play.yml"
    file.write_text(PLAYBOOK)

    def run(*before, **variables):
        given = {"ansible_python_interpreter": "{{ ansible_playbook_python }}", "mlflow_mounts_users": [], **variables}
        command = ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", json.dumps(given), "--check", str(file)]
        checkout = str(request.config.rootpath / "build" / "checkout")
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_COLLECTIONS_PATH": checkout}
        done = subprocess.run([*before, *command], env=environment, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == 2, said
        assert re.search(r"changed=0 .*failed=1 ", said), said
        return said

    return run


@has_device
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_host_without_the_kernels_device(refusal):
    said = refusal(*WITHOUT_DEVICE)
    assert "mlflow_mounts: localhost has no /dev/fuse; load the kernel's module fuse there, give the container" in said


@has_device
@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"mlflow_mounts_users": ["root"]}, "or is root, who has no artifacts"),
        ({"mlflow_mounts_users": ["../x"]}, "has an entry that is not a valid name of a Unix user"),
        ({"mlflow_mounts_idle_seconds": 0}, "mlflow_mounts_idle_seconds: is not a valid number of seconds above 0"),
        ({"mlflow_mounts_memory_max": "much"}, "mlflow_mounts_memory_max"),
    ],
)
def test_what_cannot_be(refusal, variables, words):
    assert words in refusal(**variables)
