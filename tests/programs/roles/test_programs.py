"""What comes to a host of the programs that run there is all of them, whichever role brings them."""

import json
import os
import subprocess

import project
import pytest
from mlflowctl.program import PACKAGE

ROLES = project.ROOT / "roles"
# By role, where its program comes from, and where it goes to file by file.
BROUGHT = {
    "mlflow_server": (PACKAGE, None),
    "mlflow_backup": (PACKAGE, None),
    "mlflow_monitoring": (ROLES / "mlflow_monitoring/files/monitoring", "/usr/local/lib/mlflow/monitoring"),
    "mlflow_mounts": (ROLES / "mlflow_mounts/files", "/usr/local/lib/mlflow-mounts"),
}


@pytest.fixture(scope="module")
def brought(tmp_path_factory):
    """Return the files of each role's programs, as the files module would have them."""
    home = tmp_path_factory.mktemp("programs")
    tasks = [
        {
            "ansible.builtin.copy": {
                "content": f"{{{{ (__{role}_program_files + __{role}_shared_files | default([])) | to_json }}}}",
                "dest": str(home / role),
                "mode": "0600",
            },
            "vars": {"role_path": str(ROLES / role)},
        }
        for role in BROUGHT
    ]
    files = [str(ROLES / role / "vars" / "main" / name) for role in BROUGHT for name in ("main.yml", "files.yml")]
    play = {"hosts": "localhost", "gather_facts": False, "vars_files": files, "tasks": tasks}
    (home / "play.yml").write_text(json.dumps([play]))
    command = ["ansible-playbook", "-i", "localhost,", "-c", "local", str(home / "play.yml")]
    command += ["-e", json.dumps({"ansible_python_interpreter": "{{ ansible_playbook_python }}"})]
    paths = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_COLLECTIONS_PATH": str(project.BUILD / "checkout")}
    done = subprocess.run(command, env={**os.environ, **paths}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {role: json.loads((home / role).read_text()) for role in BROUGHT}


@pytest.mark.parametrize("role", BROUGHT)
def test_all_of_it_is_brought(brought, role):
    source, place = BROUGHT[role]
    wanted = {str(path.relative_to(source)): path.read_text() for path in source.rglob("*.py")}
    if place is None:
        (program,) = [file["files"] for file in brought[role] if file.get("state") == "program"]
        assert program == wanted
        return
    files = brought[role]
    below = [file for file in files if file["path"].startswith(f"{place}/")]
    texts = {file["path"]: file["content"] for file in below if "content" in file}
    assert texts == {f"{place}/{path}": text for path, text in wanted.items()}
    # A directory comes before what is in it.
    known = set()
    for file in files:
        if file.get("state") == "directory":
            known.add(file["path"])
        elif file["path"] in texts:
            assert os.path.dirname(file["path"]) in known


def test_monitoring_brings_the_program_that_it_asks(brought):
    (program,) = [file["files"] for file in brought["mlflow_monitoring"] if file.get("state") == "program"]
    assert program == {str(path.relative_to(PACKAGE)): path.read_text() for path in PACKAGE.rglob("*.py")}
