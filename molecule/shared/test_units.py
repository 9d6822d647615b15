"""Every team's units, files and sandbox, seen from the host."""

from typing import Any

import pytest

EXPOSURE = 1.0
# Where a role or a server could leave a secret behind.
TREES = "/etc /home /opt /root /run /srv /tmp /usr/local /var/lib/mlflow /var/log /var/tmp"


@pytest.fixture(autouse=True)
def awake(server: Any) -> None:
    """Wake the server first, if it sleeps."""
    assert server.ask("/health").status == 200


def test_the_socket_is_always_there_and_the_server_when_it_is_wanted(server: Any) -> None:
    socket, service = f"mlflow-listen@{server.name}.socket", f"mlflow@{server.name}.service"
    assert server.show(socket, "ActiveState", "UnitFileState") == ["active", "enabled"]
    at_boot = "disabled" if server.team["sleeps"] else "enabled"
    assert server.show(service, "ActiveState", "UnitFileState") == ["active", at_boot]


def test_takes_one_process_a_worker(server: Any) -> None:
    (main,) = server.show(f"mlflow@{server.name}.service", "MainPID")
    found = server.host.check_output("ps --no-headers -o pid,args -u %s", f"mlflow-{server.name}").splitlines()
    workers = [line for line in found if "socket-proxyd" not in line]
    # Several are kept by a process of uvicorn's, which has a helper of Python's for them.
    extra = 0 if server.team["workers"] == 1 else 2
    assert len(workers) == server.team["workers"] + extra, found
    # One alone goes on in the process that has prepared it.
    program = "in_mlflow serve server" if server.team["workers"] == 1 else "serve_uvicorn.py"
    assert program in next(line for line in found if line.split()[0] == main)


def test_lives_within_its_limits(server: Any) -> None:
    memory, weight, tasks = server.show(f"mlflow@{server.name}.service", "MemoryMax", "CPUWeight", "TasksMax")
    assert int(memory) == int(server.team["memory_max"].removesuffix("G")) * 1024**3
    assert [int(weight), int(tasks)] == [server.team["cpu_weight"], server.team["tasks_max"]]


def test_listens_where_declared_and_nowhere_else(server: Any) -> None:
    sockets = server.host.check_output("ss --no-header --listening --tcp --numeric").splitlines()
    found = [line.split()[3] for line in sockets if line.split()[3].endswith(f":{server.team['port']}")]
    address = server.team["listen_address"]
    assert found == [f"{f'[{address}]' if ':' in address else address}:{server.team['port']}"]


@pytest.mark.parametrize("unit", ["mlflow", "mlflow-listen"])
def test_is_hardly_exposed(server: Any, unit: str) -> None:
    text = server.host.check_output("systemd-analyze security --no-pager %s", f"{unit}@{server.name}.service")
    last = next(line for line in text.splitlines() if "Overall exposure level" in line)
    assert float(last.split(":")[1].split()[0]) <= EXPOSURE


def test_files_have_their_owners_and_modes(server: Any) -> None:
    name, account = server.name, f"mlflow-{server.name}"
    wanted = {
        f"/etc/mlflow/{name}": f"drwxr-x--- root {account}",
        f"/etc/mlflow/{name}/admin_password": "-rw------- root root",
        f"/etc/mlflow/{name}/basic_auth.ini": f"-rw-r----- root {account}",
        f"/etc/mlflow/{name}/environment": "-rw------- root root",
        f"/etc/mlflow/{name}/secrets.env": "-rw------- root root",
        f"/etc/mlflow/{name}/team.json": "-rw------- root root",
        f"/etc/mlflow/{name}/venv": "lrwxrwxrwx root root",
        f"/var/lib/mlflow/{name}": f"drwx------ {account} {account}",
        # Root's from the moment at which the server answers.
        f"/run/mlflow/{name}": f"drwxr-x--- root {account}",
    }
    if server.team["creator_names"] is not None:
        wanted[f"/etc/mlflow/{name}/creators.json"] = f"-rw-r----- root {account}"
    receipt = f"/etc/mlflow/{name}/access_receipt.json"
    if server.host.file(receipt).exists:
        # Only there once nothing was left to do.
        wanted[receipt] = "-rw------- root root"
    places = f"/etc/mlflow/{name} /var/lib/mlflow/{name} /run/mlflow/{name}"
    # What a restore has kept aside is root's, and looked at by the tests of backups.
    kept = f"-path '*/.{name}.restore' -prune -o"
    listed = server.host.check_output(f"find {places} {kept} -printf '%M %u %g %p\\n'").splitlines()
    found = {path: about for about, path in (line.rsplit(" ", 1) for line in listed)}
    assert {path: about for path, about in found.items() if path.startswith("/etc") or path in wanted} == wanted
    owners = {about.split(" ", 1)[1] for path, about in found.items() if path not in wanted}
    assert owners == {f"{account} {account}"}


def test_the_account_can_do_nothing_but_serve(server: Any) -> None:
    user = server.host.user(f"mlflow-{server.name}")
    assert user.shell == "/usr/sbin/nologin"
    assert user.groups == [f"mlflow-{server.name}"]
    assert user.password in ("!", "!!", "*", "!*")


def test_the_account_cannot_change_its_own_configuration(server: Any) -> None:
    owned = f"find /etc/mlflow /opt/mlflow /usr/local/lib/mlflow -user mlflow-{server.name} -print -quit"
    assert server.host.run(owned).stdout == ""


def test_no_secret_can_be_read_by_others(server: Any) -> None:
    # One that all may read shows that the search works.
    patterns = "\n".join([*server.secrets(), "root:x:0:0"])
    nobody = "setpriv --reuid=nobody --regid=nogroup --clear-groups"
    search = f"{nobody} grep -rlFs --exclude-dir=site-packages --devices=skip -f - {TREES}"
    found = server.feed(patterns + "\n", "sh", "-c", search).stdout.splitlines()
    assert "/etc/passwd" in found
    assert [file for file in found if not file.startswith("/etc/passwd")] == []


@pytest.mark.parametrize(
    "channel",
    [
        "ps axww -o args",
        "journalctl --no-pager --output cat",
        "systemctl show --all 'mlflow*'",
        "systemctl cat 'mlflow*'",
        "cat /etc/passwd /var/log/dpkg.log",
    ],
)
def test_no_secret_shows(server: Any, channel: str) -> None:
    text = server.host.run(channel).stdout
    assert text
    assert [secret for secret in server.secrets() if secret in text] == []


def test_the_server_has_the_network_it_needs_and_no_more(server: Any) -> None:
    (pid,) = server.show(f"mlflow@{server.name}.service", "MainPID")
    interfaces = server.host.check_output("tail -n +3 /proc/%s/net/dev", pid)
    names = {line.split(":")[0].strip() for line in interfaces.splitlines()}
    if server.team["private_network"]:
        assert names == {"lo"}
    else:
        assert "eth0" in names
