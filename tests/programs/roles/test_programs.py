"""What comes to a host of the program that it runs by itself is all of it, from either role."""

import json
import os
import subprocess

from mlflowctl.program import PACKAGE

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.copy:
        content: "{{ files | from_yaml | to_json }}"
        dest: "{{ dest }}"
        mode: "0600"
      vars:
        files: >-
          {{ lookup('ansible.builtin.template', roles ~ '/mlflow_server/templates/programs.yml.j2',
                    template_vars={'libexec_dir': '/usr/local/lib', 'package_dir': roles ~ '/mlflow_server/files'}) }}
"""


def test_all_of_it_is_brought(tmp_path, request):
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    given = {"roles": str(request.config.rootpath / "roles"), "dest": str(tmp_path / "found.json")}
    given["ansible_python_interpreter"] = "{{ ansible_playbook_python }}"
    command = [
        "ansible-playbook",
        "-i",
        "localhost,",
        "-c",
        "local",
        "-e",
        json.dumps(given),
        str(tmp_path / "play.yml"),
    ]
    done = subprocess.run(
        command, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (_directory, program) = json.loads((tmp_path / "found.json").read_text())
    wanted = {str(path.relative_to(PACKAGE)): path.read_text() for path in PACKAGE.rglob("*.py")}
    assert program["files"] == wanted
