"""What nginx is told of a team that several servers answer for, and that it is told nothing new of all others."""

import json
import os
import re
import subprocess

import pytest

PLAYBOOK = """
- hosts: proxy
  gather_facts: false
  vars_files: [ROLE/defaults/main.yml, ROLE/vars/main/main.yml, ROLE/vars/main/files.yml]
  tasks:
    - ansible.builtin.set_fact:
        __mlflow_proxy_declared: "{{ query('mlops.mlflow.all_teams', from_host='proxy', resolve=true) | first }}"
    - ansible.builtin.copy:
        content: "{{ lookup('ansible.builtin.template', 'ROLE/templates/' ~ item) }}"
        dest: "OUT/{{ item }}"
      loop: [mlflow.conf.j2, nginx.service.conf.j2]
    - ansible.builtin.copy:
        content: "{{ (__mlflow_proxy_host_files + __mlflow_proxy_optional_files) | to_json }}"
        dest: OUT/files.json
"""
OURS = ("max_fails", "proxy_connect_timeout 2s", "proxy_socket_keepalive", "systemd-sysctl")


def team(name, port, *servers):
    """Describe one that keeps nothing on its hosts."""
    return {
        "name": name,
        "port": port,
        "admin_password": "correct horse battery",
        "servers": servers,
        "backend_store_uri": f"postgresql+psycopg://db.example.org/{name}",
        "artifacts": {"destination": f"s3://{name}/x"},
    }


@pytest.fixture
def render(request, tmp_path):
    """Write what the role would, for these teams."""

    def run(*teams, **more):
        root = request.config.rootpath
        play = PLAYBOOK.replace("ROLE", str(root / "roles" / "mlflow_proxy")).replace("OUT", str(tmp_path))
        (tmp_path / "play.yml").write_text(play)
        # Where a task that is none of the role's looks for them.
        for name in ("templates", "files"):
            if not (tmp_path / name).exists():
                (tmp_path / name).symlink_to(root / "roles" / "mlflow_proxy" / name)
        known = {host: {"mlflow_listen_address": f"10.0.0.{number}"} for number, host in enumerate("ab", 1)}
        given = {
            "mlflow_proxy_domain": "mlflow.example.org",
            "mlflow_proxy_routing": ["name", "path"],
            "mlflow_teams": teams,
            "__mlflow_proxy_seen": {"stdout": "nginx 1.22.1", "stdout_lines": ["nginx 1.22.1"]},
            **more,
        }
        hosts = {"mlflow_servers": {"hosts": known}, "mlflow_proxies": {"hosts": {"proxy": {}}}}
        local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        (tmp_path / "hosts.json").write_text(json.dumps({"all": {"children": hosts, "vars": local}}))
        done = subprocess.run(
            ["ansible-playbook", "-i", "hosts.json", "-e", json.dumps(given), "play.yml"],
            env={
                **os.environ,
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_COLLECTIONS_PATH": str(root / "build" / "checkout"),
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        files = {file["path"]: file for file in json.loads((tmp_path / "files.json").read_text())}
        # What is not to be there has no text.
        texts = {path: file.get("state") != "absent" and file.get("content") for path, file in files.items()}
        return [*((tmp_path / f"{name}.j2").read_text() for name in ("mlflow.conf", "nginx.service.conf")), texts]

    return run


def test_another_server_answers_for_one_that_is_not_to_be_reached(render):
    config, unit, files = render(team("nlp", 5002, "a", "b"), team("vision", 5001, "a"))
    (upstream,) = re.findall(r"upstream mlflow_nlp \{(.*?)\n\}", config, re.DOTALL)
    directives = [line.strip() for line in upstream.splitlines() if line.strip() and "#" not in line]
    assert directives == [
        "zone mlflow_servers_of_nlp 64k;",
        "least_conn;",
        "server 10.0.0.1:5002 max_conns=512 max_fails=1 fail_timeout=5s;",
        "server 10.0.0.2:5002 max_conns=512 max_fails=1 fail_timeout=5s;",
    ]
    assert "    server 10.0.0.1:5001 max_conns=512;\n}" in config
    # Wherever a request is passed on, and where its log-in is asked about.
    passes = re.findall(r"proxy_pass http://mlflow_(\w+)", config)
    for directive in ("proxy_connect_timeout 2s;", "proxy_socket_keepalive on;"):
        assert config.count(directive) == passes.count("nlp")
    (question,) = re.findall(r"location = /nlp \{(\s*#.*?)\n    \}", config, re.DOTALL)
    assert "proxy_connect_timeout 2s;" in question
    assert "proxy_connect_timeout 10s;" not in question
    # A POST that was sent is not sent to another one, and one that died is not asked for what it has begun to receive.
    assert set(re.findall(r"proxy_next_upstream .*", config)) == {"proxy_next_upstream error timeout;"}
    # In time, since nginx would begin a reload before.
    assert unit.index("ExecReload=-/lib/systemd/systemd-sysctl") < unit.index("ExecReload=/bin/sh")
    for setting in ("net.ipv4.tcp_keepalive_time = 4", "net.ipv4.tcp_retries2 = 6"):
        assert setting in files["/etc/sysctl.d/60-mlflow-proxy.conf"]


def test_nothing_is_new_where_each_team_has_one_server(render):
    config, unit, files = render(team("nlp", 5002, "b"), team("vision", 5001, "a"))
    assert [it for it in OURS if it in config + unit] == []
    assert files["/etc/sysctl.d/60-mlflow-proxy.conf"] is False
    assert "nft" not in unit
    assert files["/etc/mlflow-proxy/connections.nft"] is False


def test_open_connections_are_counted_where_that_is_asked_for(render):
    _config, unit, files = render(team("nlp", 5002, "b"), mlflow_proxy_open_connections_per_address=1024)
    # Last, since nginx is to read a renewed certificate whatever becomes of that; "-" would hide it.
    steps = re.findall(r"(?m)^ExecReload=(/bin/sh \S+/read.sh (?:again|end) |.*/usr/sbin/nft .*)", unit)
    assert [step.split()[2] for step in steps] == ["again", "count", "end"]
    assert steps[1].endswith(" /run/mlflow-proxy /usr/sbin/nft --file /etc/mlflow-proxy/connections.nft")
    assert "ExecStartPre=-/bin/sh /usr/local/lib/mlflow-proxy/read.sh count " in unit
    # What is read is noted, so that another number is a reason to reload.
    assert unit.count("/etc/mlflow-proxy/connections.nft") == 4
    assert "ip saddr ct count over 1024 }" in files["/etc/mlflow-proxy/connections.nft"]
