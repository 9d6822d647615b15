"""What the role says of where packages come from, and what it does about it, by its own tasks."""

import json
import os
import re
import shutil
import subprocess

import pytest
from programs.roles.conftest import VERSION

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact:
        __mlflow_server_declared: "{{ query('mlops.mlflow.teams', resolve=true) | first }}"
    - ansible.builtin.assert:
        that: __mlflow_server_problems | length == 0
        fail_msg: "{{ __mlflow_server_problems | join(' AND ') }}"
    - ansible.builtin.include_role: {name: mlops.mlflow.mlflow_server, tasks_from: "{{ item }}"}
      loop: [inspect.yml, install.yml]
    - ansible.builtin.include_role: {name: mlops.mlflow.mlflow_server, tasks_from: remove_unused.yml}
      when: mlflow_server_remove_unused or __mlflow_server_look.workshops | length > 0
  vars_files: [VARS/vars/main/main.yml, VARS/defaults/main.yml]
"""


@pytest.fixture
def play(builder, request):
    """Run the tasks on this machine."""
    root = request.config.rootpath
    file = builder.home / "play.yml"
    file.write_text(PLAYBOOK.replace("VARS", str(root / "roles" / "mlflow_server")))

    def run(*options, **variables):
        team = {"name": "one", "port": 5001, "admin_password": "correct horse battery"}
        given = {
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "mlflow_teams": [team],
            "mlflow_version": VERSION,
            "mlflow_server_install_dir": str(builder.install_dir),
            "mlflow_server_python": "/usr/bin/python3",
            "mlflow_server_extra_packages": ["needed"],
            "__mlflow_server_config_dir": str(builder.home / "etc"),
            **variables,
        }
        command = ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", json.dumps(given), *options, str(file)]
        environment = {
            **os.environ,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_COLLECTIONS_PATH": str(root / "build" / "checkout"),
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def test_refuses_what_cannot_be_meant_before_anything(play, builder):
    code, output = play(
        mlflow_server_wheel_dir="wheels",
        mlflow_server_index_url="https://reader:canary-secret@index.example.org/simple",
    )
    assert code == 2
    assert "mlflow_server_wheel_dir, mlflow_server_index_url: packages come either from a directory or" in output
    assert "mlflow_server_wheel_dir: 'wheels' does not begin with /" in output
    assert "mlflow_server_index_url: has credentials in it" in output
    assert "~/.netrc of root" in output
    assert "canary-secret" not in output
    assert not builder.install_dir.exists()


def test_a_directory_that_is_not_there_is_told_also_in_check_mode(play, builder):
    code, output = play("--check", mlflow_server_wheel_dir="/no/such")
    assert code == 2
    assert "mlflow_server_wheel_dir: '/no/such' is not a directory on localhost" in output
    assert f"pip download -d DIRECTORY --only-binary :all:  'mlflow[auth]=={VERSION}' needed" in output
    assert not builder.install_dir.exists()


def test_builds_once_removes_once_and_says_so_before(play, builder, wheels):
    given = {"mlflow_server_wheel_dir": str(wheels), "mlflow_server_remove_unused": True}
    old = builder.install_dir / "3.15.2"
    old.mkdir(parents=True)
    (old / "requirements.txt").write_text("mlflow[auth]==3.15.2\n")
    (old / "pyvenv.cfg").write_text("home = /usr/bin\n")
    for options, left in (["--check"], ["3.15.2"]), ([], [VERSION]):
        code, output = play(*options, **given)
        assert (code, "changed=2 " in output) == (0, True), output
        assert f"{old} {'would be' if options else 'was'} removed" in output
        assert builder.left() == left
    code, output = play(**given)
    assert (code, "changed=0 " in output) == (0, True), output


def test_what_a_build_left_that_was_killed_goes_with_the_next_run(play, builder, wheels):
    given = {"mlflow_server_wheel_dir": str(wheels)}
    assert play(**given)[0] == 0
    # As one does that is killed when it has exchanged both, and has the former one still to remove.
    shutil.copytree(builder.environment, builder.workshop, symlinks=True)
    for options in ["--check"], []:
        code, output = play(*options, **given)
        assert (code, "changed=1 " in output) == (0, True), output
        assert f"{builder.workshop} {'would be' if options else 'was'} removed" in output
    assert builder.left() == [VERSION]
    code, output = play(**given)
    assert (code, "changed=0 " in output) == (0, True), output


def test_an_environment_whose_python_is_gone_is_built_again(play, builder, wheels):
    given = {"mlflow_server_wheel_dir": str(wheels)}
    assert play(**given)[0] == 0
    python = builder.environment / "bin" / "python"
    # As an upgrade of the distribution leaves it: the same name is another version, or nothing.
    for former in (lambda: (builder.environment / "lib").rename(builder.home / "lib"), python.unlink):
        former()
        code, output = play("--check", **given)
        assert (code, f"{builder.environment} would be built" in output) == (0, True), output
        code, output = play(**given)
        assert (code, "changed=1 " in output) == (0, True), output
        assert subprocess.run([python, "-Ic", "import mlflow"], check=False).returncode == 0
        shutil.rmtree(builder.home / "lib", ignore_errors=True)


@pytest.mark.parametrize(
    ("make", "who"),
    [
        (lambda path: os.chown(path, 65534, 0), "nobody:root 755"),
        (lambda path: path.chmod(0o757), "root:root 757"),
        (lambda path: (os.chown(path, 0, 65534), path.chmod(0o775)), "root:nogroup 775"),
    ],
)
@pytest.mark.parametrize("where", ["itself", "above it", "a link's"])
def test_a_directory_that_others_could_exchange_is_refused(play, builder, where, make, who):
    loose, inner = builder.install_dir, builder.install_dir / "inner"
    loose.mkdir()
    place = loose if where == "itself" else inner
    if where == "above it":
        inner.mkdir()
    if where == "a link's":
        inner.symlink_to("/opt")
    make(loose)
    code, output = play(mlflow_server_install_dir=str(place))
    assert code == 2
    assert f"mlflow_server_install_dir: others than root could exchange what is in {place}" in output
    assert f"{loose} ({who})" in output


def test_what_pip_or_uv_misses_is_told_with_the_way_to_fill(play, wheels):
    next(wheels.glob("needed*")).unlink()
    code, output = play(mlflow_server_wheel_dir=str(wheels))
    assert code == 2
    assert f"mlflow_server_wheel_dir: {wheels} does not have all that is needed. On a machine with internet" in output


def test_what_is_lean_and_what_is_full(request, tmp_path):
    role = request.config.rootpath / "roles" / "mlflow_server"
    ours = tmp_path / "constraints.txt"
    ours.write_text("mlflow==3.15.2\n")
    teams = [
        {"name": "one", "port": 5001, "version": "3.17.2"},
        {"name": "two", "port": 5002, "version": "3.15.2"},
        {"name": "old", "port": 5003, "version": "3.13.0"},
    ]
    jobs = {"environment": {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true"}, "idle_timeout": "never"}
    tasks = """
- hosts: localhost
  gather_facts: false
  vars_files: [ROLE/vars/main/main.yml, ROLE/defaults/main.yml]
  tasks:
    - ansible.builtin.set_fact:
        __mlflow_server_declared: "{{ query('mlops.mlflow.teams', resolve=true) | first }}"
    - ansible.builtin.debug:
        msg: "{{ __mlflow_server_version }} is {{ 'lean' if '# lean' in __mlflow_server_marker_text else 'full' }}."
      loop: ["3.17.2", "3.15.2", "3.13.0"]
      loop_control: {loop_var: __mlflow_server_version}
"""
    (tmp_path / "play.yml").write_text(tasks.replace("ROLE", str(role)))

    def found(**given):
        password = {"admin_password": "correct horse battery"}
        declared = [{**team, **password, **given.get(team["name"], {})} for team in teams]
        more = {key: value for key, value in given.items() if key.startswith("mlflow_")}
        values = {"mlflow_teams": declared, "role_path": str(role), **more}
        command = ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", json.dumps(values)]
        environment = {
            **os.environ,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_COLLECTIONS_PATH": str(request.config.rootpath / "build" / "checkout"),
        }
        done = subprocess.run(
            [*command, str(tmp_path / "play.yml")], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return re.findall(r"([\d.]+) is (\w+)\.", done.stdout)

    assert found() == [("3.17.2", "lean"), ("3.15.2", "lean"), ("3.13.0", "full")]
    # One version has one environment, also when only another team of it is worked on.
    kinds = found(one=jobs, mlflow_server_only=["two"], mlflow_server_constraints={"3.15.2": str(ours)})
    assert kinds == [("3.17.2", "full"), ("3.15.2", "full"), ("3.13.0", "full")]
