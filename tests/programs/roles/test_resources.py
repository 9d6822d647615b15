"""What a team's units may take of the host, as systemd is told."""

import json
import os
import subprocess

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.copy:
        content: "{{ lookup('ansible.builtin.template', template) }}"
        dest: "{{ dest }}"
"""


def test_a_team_has_its_share_of_the_disk_as_of_the_processor(tmp_path, request):
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    team = {"name": "vision", "sleeps": True, "memory_max": "2G", "cpu_weight": 50, "tasks_max": 200}
    template = request.config.rootpath / "roles" / "mlflow_server" / "templates" / "resources.conf.j2"
    given = {"template": str(template), "dest": str(tmp_path / "resources.conf"), "team": team}
    given["ansible_python_interpreter"] = "{{ ansible_playbook_python }}"
    command = ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", json.dumps(given), "play.yml"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    _unit, service = (tmp_path / "resources.conf").read_text().split("[Service]\n")
    said = [line for line in service.splitlines() if not line.startswith("#")]
    assert said == ["MemoryMax=2G", "CPUWeight=50", "IOWeight=50", "TasksMax=200"]
