"""Whether nginx has read what it serves: its role's own program and task, on real files."""

import json
import os
import shutil
import subprocess

import pytest
import yaml


@pytest.fixture
def role(request):
    return request.config.rootpath / "roles" / "mlflow_proxy"


@pytest.fixture
def read(role, tmp_path):
    """Return a function that notes what nginx reads when it starts, with what happens meanwhile."""
    for name in ("run", "live", "archive"):
        (tmp_path / name).mkdir()
    (tmp_path / "mlflow.conf").write_text("")
    for name in ("cert.pem", "key.pem"):
        (tmp_path / "archive" / name).write_text("")
        (tmp_path / "live" / name).symlink_to(f"../archive/{name}")
    files = [tmp_path / "mlflow.conf", tmp_path / "live" / "cert.pem", tmp_path / "live" / "key.pem"]

    def run(meanwhile=lambda: None):
        program = ["sh", str(role / "files" / "read.sh")]
        subprocess.run([*program, "begin", tmp_path / "run", *files], check=True, capture_output=True)
        meanwhile()
        subprocess.run([*program, "end", tmp_path / "run"], check=True, capture_output=True)

    return run


@pytest.fixture
def unread(role, tmp_path):
    """Return a function that tells whether nginx is to read its files again, without systemd."""
    tasks = {task["name"]: task for task in yaml.safe_load((role / "tasks" / "run.yml").read_text())}
    look = tasks["Run | Check whether nginx has loaded its files"]
    when = tasks["Run | Load the nginx configuration"]["when"]
    told = {"ansible.builtin.debug": {"msg": "it is to read"}, "when": when, "check_mode": False}
    file = tmp_path / "play.yml"
    file.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [look, told]}]))
    given = {
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "__mlflow_proxy_run_dir": str(tmp_path / "run"),
    }

    def run():
        done = subprocess.run(
            ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", json.dumps(given), str(file)],
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return '"msg": "it is to read"' in done.stdout

    return run


def test_what_was_read_is_not_read_again(read, unread, tmp_path):
    assert unread()
    read()
    assert not unread()
    # Only what is in them counts.
    (tmp_path / "mlflow.conf").touch()
    assert not unread()


@pytest.mark.parametrize("name", ["mlflow.conf", "archive/cert.pem", "archive/key.pem"])
def test_what_came_since_is_read(read, unread, tmp_path, name):
    read()
    (tmp_path / name).write_text("new")
    # Copied with the time that it was made at.
    os.utime(tmp_path / name, (1000, 1000))
    assert unread()
    read()
    assert not unread()


@pytest.mark.parametrize("name", ["run/loaded", "live/cert.pem", "mlflow.conf"])
def test_what_is_not_there_is_read(read, unread, tmp_path, name):
    read()
    (tmp_path / name).unlink()
    assert unread()


def test_what_comes_while_it_reads_is_read_again(read, unread, tmp_path):
    read(lambda: (tmp_path / "mlflow.conf").write_text("new"))
    assert unread()


def test_what_an_older_role_noted_tells_nothing(read, unread, tmp_path):
    read()
    (tmp_path / "run" / "loaded").write_text("")
    assert unread()


def test_who_does_not_come_to_the_end_has_not_read_it(read, unread, tmp_path):
    read()
    (tmp_path / "mlflow.conf").write_text("new")

    def breaks_off():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        read(breaks_off)
    assert unread()


@pytest.fixture
def count(role, tmp_path):
    """Return a function that has the kernel count connections by such rules, in a network of its own."""
    if os.geteuid() != 0 or not shutil.which("nft"):
        pytest.skip("it takes root and nftables")

    def run(rules):
        (tmp_path / "connections.nft").write_text(rules)
        command = ["unshare", "--net", "sh", role / "files" / "read.sh", "count", tmp_path / "run"]
        command += [shutil.which("nft"), "--file", tmp_path / "connections.nft"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    return run


def test_connections_that_are_not_counted_are_tried_again_and_told(read, unread, count, tmp_path):
    # Also where nginx has noted the same files before.
    read()
    assert count("table inet mlflow_proxy {}\n") == (0, "")
    assert not unread()
    # As when nginx starts, and when it is reloaded.
    read(lambda: count("nonsense\n"))
    assert unread()
    code, said = count("nonsense\n")
    assert code == 1
    assert said.startswith("connections are not counted: ")
    assert "connections.nft:1:" in said
    assert (tmp_path / "run" / "uncounted").read_text() == said
    # What comes after that is not told of it.
    read(lambda: count("table inet mlflow_proxy {}\n"))
    assert not unread()
    assert not (tmp_path / "run" / "uncounted").exists()
