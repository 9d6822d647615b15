"""In what order the hosts of a team are upgraded, by the role's own tasks: the one that leads, then the others."""

import json
import os
import subprocess

import pytest
from programs.roles.test_replicas import BOTH, declared

PLAYBOOK = """
- hosts: all
  gather_facts: false
  vars_files: [VARS/vars/main/main.yml, VARS/defaults/main.yml]
  environment: {HOST: "{{ inventory_hostname }}", PATH: "HOME/bin:{{ lookup('ansible.builtin.env', 'PATH') }}"}
  tasks:
    - ansible.builtin.set_fact:
        __mlflow_server_declared: "{{ query('mlops.mlflow.teams', resolve=true) | first }}"
      no_log: true
    # As the role does it: what reads declarations is loaded once.
    - ansible.builtin.meta: end_host
      when: query('mlops.mlflow.teams', resolved=__mlflow_server_declared, problems=true) is undefined
    - ansible.builtin.include_role: {name: mlops.mlflow.mlflow_server, tasks_from: upgrade.yml}
"""
TEAM = {**declared("nlp", BOTH, 0), "version": "3.17.2"}
SEEN = {
    "account": True,
    "password": "declared",
    "version": "3.15.2",
    "drained": False,
    "retired": False,
    "leader": "a",
    "key_sums": ["1", "2"],
}
STOPPED, STARTED = "b mlflowctl hold nlp", "b systemctl start mlflow-listen@nlp.socket"
UPGRADED = {"upgraded": {"nlp": "3.15.2 -> 3.17.2"}, "failures": {}}
FAILED = {"upgraded": {}, "failures": {"nlp": "upgrade to 3.17.2 failed at step 'check'"}}


def play(home, root, leader):
    """Run the tasks where the program of the one that leads answers so; return what was done, and what was said."""
    role = root / "roles" / "mlflow_server"
    (home / "bin").mkdir()
    for name in ("systemctl", "systemd-run", "mlflowctl"):
        (home / "bin" / name).write_text(f'#!/bin/sh\necho "$HOST {name} $*" >> {home}/done\ncat {home}/$HOST.{name}\n')
        (home / "bin" / name).chmod(0o755)
    for host, answer in (("a", leader), ("b", UPGRADED)):
        (home / f"{host}.systemd-run").write_text(json.dumps(answer))
        (home / f"{host}.systemctl").touch()
        (home / f"{host}.mlflowctl").touch()
    (home / "play.yml").write_text(PLAYBOOK.replace("VARS", str(role)).replace("HOME", str(home)))
    (home / "hosts.json").write_text(json.dumps({"mlflow_servers": {"hosts": {"a": {}, "b": {}}}}))
    given = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "mlflow_teams": [TEAM],
        "__mlflow_server_look": {"families": ["another"], "teams": {"nlp": SEEN}},
        "__mlflow_server_run_program": [str(home / "bin" / "mlflowctl")],
        # What would be written then is another story.
        "__mlflow_server_upgraded": {},
    }
    paths = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_COLLECTIONS_PATH": str(root / "build" / "checkout")}
    command = ["ansible-playbook", "-i", "hosts.json", "-e", json.dumps(given), "play.yml"]
    ran = subprocess.run(command, cwd=home, env={**os.environ, **paths}, capture_output=True, text=True, check=False)
    return (home / "done").read_text().splitlines(), ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("leader", "after"), [(UPGRADED, ["b systemd-run", STARTED]), (FAILED, [STARTED])], ids=["upgraded", "failed"]
)
def test_who_follows_waits_for_the_one_that_leads(tmp_path, request, leader, after):
    done, said = play(tmp_path, request.config.rootpath, leader)
    assert [line.partition(" --")[0] for line in done] == [STOPPED, "a systemd-run", *after], said[-3000:]
    assert all("upgrade-teams /opt/mlflow 1 {" in line for line in done if "systemd-run" in line)
    why = "nlp: leader: a, which leads this team, did not get so far; see what is said of that host"
    assert (why in said) is (leader is FAILED)
    assert ("failed at step 'check'" in said) is (leader is FAILED)
