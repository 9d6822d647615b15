"""Whether nginx has read what it serves: its role's own task, on real files."""

import json
import os
import subprocess
import time

import pytest
import yaml


@pytest.fixture
def unread(request, tmp_path):
    """Return a function that tells whether nginx is to read its files again, without systemd."""
    tasks = yaml.safe_load((request.config.rootpath / "roles/mlflow_proxy/tasks/run.yml").read_text())
    (look,) = [task for task in tasks if task["name"] == "Run | See whether nginx has read what it serves"]
    (reload,) = [task for task in tasks if task["name"] == "Run | Let nginx read it"]
    told = {"ansible.builtin.debug": {"msg": "it is to read"}, "when": reload["when"], "check_mode": False}
    file = tmp_path / "play.yml"
    file.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [look, told]}]))
    given = {
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "__mlflow_proxy_run_dir": str(tmp_path / "run"),
        "__mlflow_proxy_config": str(tmp_path / "mlflow.conf"),
        "__mlflow_proxy_certificate": str(tmp_path / "live" / "cert.pem"),
        "__mlflow_proxy_key": str(tmp_path / "live" / "key.pem"),
    }
    for name in ("run", "live", "archive"):
        (tmp_path / name).mkdir()
    (tmp_path / "mlflow.conf").write_text("")
    for name in ("cert.pem", "key.pem"):
        (tmp_path / "archive" / name).write_text("")
        (tmp_path / "live" / name).symlink_to(f"../archive/{name}")
    (tmp_path / "run" / "loaded").touch()

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


def test_what_was_read_is_not_read_again(unread):
    assert not unread()
    assert not unread()


@pytest.mark.parametrize("name", ["mlflow.conf", "archive/cert.pem", "archive/key.pem"])
def test_what_came_since_is_read(unread, tmp_path, name):
    (tmp_path / name).write_text("new")
    # Copied with the time that it was made at.
    os.utime(tmp_path / name, (1000, 1000))
    assert unread()


@pytest.mark.parametrize("name", ["run/loaded", "live/cert.pem", "mlflow.conf"])
def test_what_is_not_there_is_read(unread, tmp_path, name):
    (tmp_path / name).unlink()
    assert unread()


@pytest.mark.parametrize("ahead", [60, 400 * 86_400])
def test_a_clock_that_was_ahead_when_it_read_hides_nothing(unread, tmp_path, ahead):
    later = time.time() + ahead
    os.utime(tmp_path / "run" / "loaded", (later, later))
    (tmp_path / "mlflow.conf").write_text("new")
    assert unread()
    (tmp_path / "run" / "loaded").touch()
    assert not unread()


def test_a_file_with_a_time_to_come_is_read_once(unread, tmp_path):
    later = time.time() + 86_400
    os.utime(tmp_path / "archive" / "cert.pem", (later, later))
    assert unread()
    (tmp_path / "run" / "loaded").touch()
    assert not unread()
