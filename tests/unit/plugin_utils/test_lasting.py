"""Where new passwords would be written into a container that is thrown away."""

import pytest
from ansible_collections.mlops.mlflow.plugins.plugin_utils.lasting import goes_with_the_run

# As podman mounts a project's directory into an execution environment.
MOUNTS = r"""
1 0 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/x
2 1 0:51 / /proc rw - proc proc rw
3 1 0:52 / /tmp rw - tmpfs tmpfs rw
4 1 8:1 /home/op/site /home/op/site rw - ext4 /dev/sda1 rw
5 1 8:1 /home/op/a\040b /home/op/a\040b rw - xfs /dev/sda1 rw
6 1 8:1 /var/runner /runner rw - ext4 /dev/sda1 rw
7 4 0:53 / /home/op/site/secret rw - tmpfs tmpfs rw
""".lstrip()


@pytest.fixture
def machine(tmp_path):
    """Return where a controller keeps what it says of itself."""

    def make(mounts=MOUNTS, mark="run/.containerenv"):
        for name, text in {"proc/self/mountinfo": mounts, mark: ""}.items():
            if name:
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_text(text)
        return str(tmp_path)

    return make


@pytest.mark.parametrize(
    ("path", "lost"),
    [
        ("/nowhere/passwords.yml", True),
        ("/passwords.yml", True),
        ("/scratch/passwords.yml", True),
        ("/home/op/passwords.yml", True),
        ("/home/op/site/secret/passwords.yml", True),
        ("/home/op/site2/passwords.yml", True),
        ("/home/op/site/../passwords.yml", True),
        ("/home/op/site/passwords.yml", False),
        ("/home/op/site/new/passwords.yml", False),
        ("/home/op/a b/passwords.yml", False),
        ("/runner/project/passwords.yml", False),
    ],
)
@pytest.mark.parametrize("mark", ["run/.containerenv", ".dockerenv"])
def test_only_volumes_last(machine, path, lost, mark):
    assert goes_with_the_run(path, {}, machine(mark=mark)) is lost


def test_a_pod_is_a_container_too(machine):
    root = machine(mark="")
    assert not goes_with_the_run("/passwords.yml", {}, root)
    assert goes_with_the_run("/passwords.yml", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, root)


def test_the_directory_of_a_job_goes_with_it(machine):
    assert goes_with_the_run("/runner/project/passwords.yml", {"JOB_ID": "7"}, machine())
    assert not goes_with_the_run("/home/op/site/passwords.yml", {"JOB_ID": "7"}, machine())


def test_a_link_is_where_it_leads(machine, tmp_path):
    (tmp_path / "link").symlink_to("/home/op/site")
    assert not goes_with_the_run(f"{tmp_path}/link/passwords.yml", {}, machine())


def test_a_machine_is_no_container(machine):
    assert not goes_with_the_run("/passwords.yml", {}, machine(mark=""))
