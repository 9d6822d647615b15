"""Connections that ask nothing are counted by the kernel, for each address: with a kernel's real tables."""

import json
import os
import shutil
import subprocess
import sys

import pytest

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  vars_files: [ROLE/defaults/main.yml, ROLE/vars/main/main.yml]
  tasks:
    - ansible.builtin.copy:
        content: "{{ lookup('ansible.builtin.template', 'ROLE/templates/connections.nft.j2') }}"
        dest: OUT
"""
# In a network of its own it tries to open connections from addresses, and says which it could.
TRY = """
import json, socket, subprocess, sys
file, nft = sys.argv[1:]
def run(*words):
    subprocess.run(words, check=True)
run("ip", "link", "set", "lo", "up")
for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"):
    run("ip", "-6", "address", "add", address + "/128", "dev", "lo", "nodad")
# Twice, as at each reload.
run(nft, "--file", file)
run(nft, "--file", file)
found = []
for family, to, sources in (
    (socket.AF_INET, "127.0.0.1", ["127.0.0.5"] * 4 + ["127.0.0.6"]),
    (socket.AF_INET6, "2001:db8::1", ["2001:db8::1", "2001:db8::2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]),
):
    listening = socket.create_server((to, 443), family=family, backlog=64)
    held = []
    for source in sources:
        held.append(socket.socket(family))
        held[-1].bind((source, 0))
        held[-1].settimeout(300)
        found.append(held[-1].connect_ex((to, 443)) == 0)
print(json.dumps(found))
"""


@pytest.fixture
def rules(request, tmp_path):
    """What the role writes."""
    role, out = request.config.rootpath / "roles" / "mlflow_proxy", tmp_path / "connections.nft"
    (tmp_path / "play.yml").write_text(PLAYBOOK.replace("ROLE", str(role)).replace("OUT", str(out)))
    given = {"mlflow_proxy_open_connections_per_address": 3, "ansible_python_interpreter": sys.executable}
    command = ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", json.dumps(given), "play.yml"]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(request.config.rootpath / "build" / "checkout")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_what_comes_in_is_counted_and_what_a_host_says_to_itself_is_not(rules):
    text = rules.read_text()
    assert 'iifname != "lo" tcp dport { 443, 80 } ct state new goto opened' in text
    assert text.count("ct count over 3 }") == 2


def test_one_address_has_no_more_and_another_one_has_its_own(rules):
    nft = shutil.which("nft")
    if os.geteuid() != 0 or not nft or not shutil.which("ip"):
        pytest.skip("it takes root, nftables and iproute2")
    # All that is there is this host itself.
    rules.write_text(rules.read_text().replace('iifname != "lo" ', ""))
    command = ["unshare", "--net", sys.executable, "-c", TRY, str(rules), nft]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True, True, True, False, True] * 2
