"""One set of secrets for a team on several hosts, by the role's own tasks, on hosts that are directories."""

import json
import os
import subprocess

import pytest

PLAYBOOK = """
- hosts: all
  gather_facts: false
  vars_files: [VARS/vars/main/main.yml, VARS/vars/main/files.yml, VARS/defaults/main.yml]
  tasks:
    - ansible.builtin.set_fact:
        __mlflow_server_declared: "{{ query('mlops.mlflow.teams', resolve=true) | first }}"
      no_log: true
    # As the role does it: what reads declarations is loaded once.
    - ansible.builtin.meta: end_host
      when: query('mlops.mlflow.teams', resolved=__mlflow_server_declared, problems=true) is undefined
    - ansible.builtin.include_role: {name: mlops.mlflow.mlflow_server, tasks_from: "{{ item }}"}
      loop: [inspect.yml, replicas.yml]
    - ansible.builtin.copy:
        content: "{{ it | to_json }}"
        dest: "{{ __mlflow_server_config_dir }}/told.json"
      no_log: true
      vars:
        it:
          texts: "{{ __mlflow_server_team_texts | combine(__mlflow_server_secret_texts) }}"
          files: "{{ __mlflow_server_team_files.files }}"
          leaving: "{{ __mlflow_server_leaving }}"
          drained: "{{ __mlflow_server_drained }}"
          refused: "{{ __mlflow_server_drained_leaders }}"
          failed: "{{ mlflow_server_failed_teams | default({}) }}"
"""
KEYS = ("MLFLOW_FLASK_SERVER_SECRET_KEY", "MLFLOW_CRYPTO_KEK_PASSPHRASE", "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY")
BOTH = ["a", "b"]
# By team: the hosts that are to serve it, and what secrets each host has of it, as session-encryption.
TEAMS = {
    "joined": (BOTH, "1-2", None),
    "rotated": (BOTH, "new-2", "1-2"),
    "led-anew": (BOTH, None, "1-2"),
    "same": (BOTH, "1-2", "1-2"),
    "differ": (BOTH, "1-2", "1-3"),
    "left": (["b"], "1-2", "1-2"),
    "left-alone": (["b"], "1-2", None),
    "own": (["b"], "1-2", "1-2"),
}

# Where somebody has drained one.
DRAINED = ("a/rotated", "b/own", "b/same")


def keys(word):
    """What a host's file of secrets has; the first part is of sessions."""
    session, rest = word.split("-")
    return "# Managed\n" + "".join(
        f"{name}=canary{part}\n" for name, part in zip(KEYS, (session, rest, rest), strict=True)
    )


def declared(name, servers, number):
    return {
        "name": name,
        "port": 5001 + number,
        "admin_password": "correct horse battery",
        "servers": servers,
        "backend_store_uri": f"postgresql+psycopg://db.example.org/{name}",
        "artifacts": {"destination": f"s3://{name}/x"},
    }


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture(scope="module")
def told(tmp_path_factory, request):
    """Let the role's tasks work on two hosts; return what each of them was told, and what was to be seen meanwhile."""
    home, root = tmp_path_factory.mktemp("hosts"), request.config.rootpath
    role = root / "roles" / "mlflow_server"
    for name, (_servers, *has) in TEAMS.items():
        for host, word in zip(BOTH, has, strict=True):
            if word:
                write(home / host / name / "secrets.env", keys(word))
                write(home / host / name / "admin_password", "it works")
        write(home / "a" / name / "team.json", json.dumps({"name": name, "leader": "" if name == "own" else "a"}))
    for place in DRAINED:
        write(home / place / "drained", "{}")
    (home / "play.yml").write_text(PLAYBOOK.replace("VARS", str(role)))
    # Where a task that is none of the role's looks for them.
    for name in ("templates", "files"):
        (home / name).symlink_to(role / name)
    given = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "mlflow_server_python": "{{ ansible_playbook_python }}",
        "mlflow_teams": [declared(name, about[0], number) for number, (name, about) in enumerate(TEAMS.items())],
        "role_path": str(role),
        "__mlflow_server_config_dir": f"{home}/{{{{ inventory_hostname }}}}",
    }
    (home / "hosts.json").write_text(json.dumps({"mlflow_servers": {"hosts": {"a": {}, "b": {}}}}))

    def play(*options):
        command = ["ansible-playbook", "-i", "hosts.json", "-e", json.dumps(given), *options, "play.yml"]
        paths = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_COLLECTIONS_PATH": str(root / "build" / "checkout")}
        done = subprocess.run(
            command, cwd=home, env={**os.environ, **paths}, capture_output=True, text=True, check=False
        )
        # It ends with the teams that failed.
        assert done.returncode == 2, (done.stdout + done.stderr)[-3000:]
        return done.stdout + done.stderr

    seen = play("-vvv", "--diff")
    found = {host: json.loads((home / host / "told.json").read_text()) for host in BOTH}
    play("--limit=b")
    return {**found, "seen": seen, "alone": json.loads((home / "b" / "told.json").read_text()), "home": home}


def written(told, host, team):
    """The secrets that replace what a host has, or None."""
    place = str(told["home"] / host / team / "secrets.env")
    (file,) = [it for it in told[host]["files"] if it["path"] == place]
    return told[host]["texts"][place] if file["force"] else None


@pytest.mark.parametrize(
    ("team", "on_a", "on_b"),
    [("joined", None, "1-2"), ("rotated", None, "new-2"), ("led-anew", "1-2", None), ("same", None, None)],
)
def test_whose_secrets_are_not_the_team_s_has_them_of_another(told, team, on_a, on_b):
    assert written(told, "a", team) == (on_a and keys(on_a))
    assert written(told, "b", team) == (on_b and keys(on_b))


def test_nothing_of_them_was_to_be_seen(told):
    assert "Read the secrets for other hosts" in told["seen"]
    assert "canary" not in told["seen"]


def test_the_one_that_leads_alone_begins_an_empty_user_store(told):
    begins = [
        (host, file["path"].split("/")[-2])
        for host in BOTH
        for file in told[host]["files"]
        if file["path"].endswith("/bootstrap.env") and file.get("state") != "absent"
    ]
    # And a host that has a team for itself.
    assert begins == [("a", "led-anew"), ("b", "left-alone")]
    # One that is new here, and not for its leader.
    assert "/b/joined/bootstrap.env" not in str(told["b"]["files"])


def test_keys_that_differ_are_left_as_they_are(told):
    for host in BOTH:
        assert list(told[host]["failed"]) == ["differ"]
        assert told[host]["failed"]["differ"].startswith("servers: a and b have keys of their own")
        assert "/differ/" not in str(told[host]["texts"])


def test_who_follows_does_nothing_alone(told):
    shared = {name for name, about in TEAMS.items() if about[0] == BOTH}
    assert set(told["alone"]["failed"]) == shared
    assert all("a, which leads this team, is not in this run" in why for why in told["alone"]["failed"].values())
    # What is its own goes on.
    assert "/b/left/secrets.env" in str(told["alone"]["texts"])


def test_who_is_no_longer_named_leaves_once_another_has_it_all(told):
    """But neither with the only secrets there are, nor with a team that was never one of several hosts."""
    assert (told["a"]["leaving"], told["b"]["leaving"]) == (["left"], [])


def test_what_is_drained_stays_so_and_nothing_is_done_where_its_leader_is(told):
    assert (told["a"]["drained"], told["b"]["drained"]) == (["rotated"], ["own", "same"])
    why = "is drained on {}, which {}, so that nothing is done with it; run mlflowctl undrain {} there"
    of_both = {"rotated": why.format("a", "leads it", "rotated") + ", or name another leader"}
    assert told["a"]["refused"] == of_both
    assert told["b"]["refused"] == {**of_both, "own": why.format("b", "alone serves it", "own")}


def test_a_port_refuses_for_a_dead_server_where_another_one_may_answer(told):
    of_several = told["a"]["texts"]["/etc/systemd/system/mlflow@same.service.d/replica.conf"]
    assert "systemctl stop --no-block mlflow-listen@%i.socket" in of_several
    alone = {file["path"]: file for file in told["b"]["files"]}[
        "/etc/systemd/system/mlflow@left.service.d/replica.conf"
    ]
    assert alone["state"] == "absent"
