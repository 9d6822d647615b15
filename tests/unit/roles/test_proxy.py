"""What the proxy's role sees on its host, and refuses before anything."""

import json
import os
import re
import subprocess

import pytest

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact:
        __mlflow_proxy_declared: "{{ query('mlops.mlflow.all_teams', visitor='localhost', resolve=true) | first }}"
    - ansible.builtin.assert:
        that: __mlflow_proxy_problems | length == 0
        fail_msg: "{{ __mlflow_proxy_problems | join(' AND ') }}"
  vars_files: [ROLE/defaults/main.yml, ROLE/vars/main.yml]
"""


@pytest.fixture
def role(request):
    return request.config.rootpath / "roles" / "mlflow_proxy"


@pytest.fixture
def check(role, request, tmp_path):
    """Let the role check what it is given."""

    def run(**given):
        file = tmp_path / "play.yml"
        file.write_text(PLAYBOOK.replace("ROLE", str(role)))
        given = {"mlflow_proxy_domain": "mlflow.example.org", "mlflow_proxy_tls_from_controller": True, **given}
        collections = str(request.config.rootpath / "build" / "checkout")
        done = subprocess.run(
            ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", json.dumps(given), str(file)],
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_COLLECTIONS_PATH": collections},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_names_the_files_that_the_controller_does_not_have(check, tmp_path):
    certificate, key = tmp_path / "site.pem", tmp_path / "site.key"
    given = {"mlflow_proxy_tls_certificate": str(certificate), "mlflow_proxy_tls_key": str(key)}
    certificate.touch()
    code, output = check(**given)
    assert (code, f"mlflow_proxy_tls_key: the controller has no {key}" in output) == (2, True), output
    assert "mlflow_proxy_tls_certificate: the controller" not in output
    key.touch()
    code, output = check(**given)
    assert code == 0, output


def test_says_which_collection_is_missing_before_anything(check, tmp_path, monkeypatch):
    given = {"mlflow_proxy_tls_from_controller": False}
    assert check(**given)[0] == 0
    # Without the bundle of the ansible package, as with ansible-core alone.
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_SCAN_SYS_PATH", "false")
    code, output = check(**given)
    assert (code, "ansible-galaxy collection install community.crypto" in output) == (2, True), output
    certificate, key = tmp_path / "site.pem", tmp_path / "site.key"
    certificate.touch()
    key.touch()
    assert check(mlflow_proxy_tls_certificate=str(certificate), mlflow_proxy_tls_key=str(key))[0] == 0


def test_sees_copies_and_what_is_missing(role, tmp_path):
    copy, own = tmp_path / f"{'0a' * 32}.pem", tmp_path / "server.pem"
    copy.touch()
    own.touch()
    arguments = [str(tmp_path), str(own), "/no/such.pem", str(own)]
    done = subprocess.run(
        ["sh", "-c", (role / "files" / "look.sh").read_text(), "look", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    found = [line for line in done.stdout.splitlines() if line.split()[0] in ("copy", "missing", "expires")]
    assert found == [f"copy {copy}", "missing /no/such.pem", f"expires {own}"]


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("user www-data;", ["user www-data www-data"]),
        ("user  nobody;", ["user nobody nogroup"]),
        ("  user nobody www-data; # ours", ["user nobody www-data"]),
        ("# user nobody;", []),
    ],
)
def test_sees_whom_nginx_runs_as(role, tmp_path, line, seen):
    main = tmp_path / "nginx.conf"
    main.write_text(f"{line}\nworker_processes auto;\n")
    program = (role / "files" / "look.sh").read_text().replace("/etc/nginx/nginx.conf", str(main))
    arguments = ["look", str(tmp_path), "/no/such.pem"]
    done = subprocess.run(["sh", "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert [found for found in done.stdout.splitlines() if found.startswith("user ")] == seen


TEMPLATE = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.template: {src: TMP/in.j2, dest: TMP/out}
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  vars_files: [ROLE/defaults/main.yml, ROLE/vars/main.yml]
"""
LOOKS = """{% import 'locations.j2' as locations with context %}{% include 'requests.j2' %}
{% for version in ['3.12.0', '3.14.1', '3.15.2', '3.16.0', '3.17.2'] %}
VERSION {{ version }}
{{ locations.team({'name': 'vision', 'version': version}, '') }}
{% endfor %}
"""


def test_what_older_versions_do_not_check_is_closed(role, tmp_path):
    (tmp_path / "play.yml").write_text(TEMPLATE.replace("ROLE", str(role)).replace("TMP", str(tmp_path)))
    (tmp_path / "in.j2").write_text(LOOKS)
    for template in ("requests.j2", "locations.j2"):
        (tmp_path / template).symlink_to(role / "templates" / template)
    given = {"__mlflow_proxy_teams": [{"name": "vision", "cors_allowed_origins": []}]}
    done = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", json.dumps(given), str(tmp_path / "play.yml")],
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    requests, *versions = (tmp_path / "out").read_text().split("VERSION ")
    found = {each.split()[0]: re.findall(r"mlflow_presigned = (\w+)\)", each) for each in versions}
    both = ["download", "upload"]
    assert found == {"3.12.0": both, "3.14.1": both, "3.15.2": ["upload"], "3.16.0": [], "3.17.2": []}
    (block,) = re.findall(r"(?s)map \$uri \$mlflow_presigned {(.*?)}", requests)
    patterns = re.findall(r'"~\*(\S+)" (\w+);', block)
    for path, kind in (
        ("mlflow-artifacts/presigned/1/a/model.pkl", "download"),
        ("mlflow-artifacts/PRESIGNED", "download"),
        ("mlflow/artifacts/presigned-upload-url", "upload"),
        ("mlflow/artifacts/presigned-upload-url/", "upload"),
        ("mlflow-artifacts/artifacts/1/presigned/x", None),
        ("mlflow/artifacts/list", None),
    ):
        for begins in ("/api/2.0/", "/ajax-api/2.0/", "/vision/api/2.0/"):
            closed = [name for pattern, name in patterns if re.match(pattern, begins + path, re.IGNORECASE)]
            assert (path, closed) == (path, [kind] if kind else [])
