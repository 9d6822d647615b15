"""The admin's password: made to work, kept, and never lost on the way."""

import json
import subprocess
from pathlib import Path

import loopback
import mlflow_proxy
import project
import pytest

UPDATE = "/api/2.0/mlflow/users/update-password"
OTHER = 'another: "pass\'word" %'


@pytest.fixture
def server(lab, some, secret, tmp_path):
    """A server with an admin of the test's own, whose password nobody has kept yet."""
    name, password = some("chief"), secret()
    lab.ok("user", name=name, user_password=password, admin=True)
    (tmp_path / "bootstrap.env").write_text(password)
    return {
        "name": "vision",
        "tracking_uri": lab.proxy.uri,
        "username": name,
        "password": password,
        "password_file": str(tmp_path / "admin_password"),
        "bootstrap_file": str(tmp_path / "bootstrap.env"),
    }


@pytest.fixture
def kept(lab, server):
    """The same, kept."""
    lab.several("servers_admin", server)
    return server


def files(tmp_path):
    return {path.name: (path.read_text(), oct(path.stat().st_mode & 0o777)) for path in tmp_path.iterdir()}


def test_the_first_password_is_kept(lab, server, tmp_path):
    before = files(tmp_path)
    predicted = lab.several("servers_admin", server, check=True)
    assert files(tmp_path) == before
    assert lab.proxy.requests == []
    done = lab.several("servers_admin", server)
    assert done["diff"] == predicted["diff"]
    assert done["vision"]["changes"] == [f"+ {server['password_file']}", f"- {server['bootstrap_file']}"]
    assert lab.proxy.writes == []
    assert files(tmp_path) == {"admin_password": (server["password"], "0o600")}
    for check in (True, False):
        again = lab.several("servers_admin", server, check=check)["vision"]
        assert (again["changed"], again["asked"]) == (False, False)
        assert lab.proxy.requests == []


def test_a_new_password(lab, kept, secret, tmp_path):
    former, kept["password"] = kept["password"], secret()
    predicted = lab.several("servers_admin", kept, check=True)
    assert lab.proxy.requests == []
    assert lab.reader.logs_in(kept["username"], former)
    done = lab.several("servers_admin", kept)
    assert done["vision"]["changes"] == [f"~ user {kept['username']} password changed", f"~ {kept['password_file']}"]
    assert done["diff"] == predicted["diff"]
    assert lab.reader.logs_in(kept["username"], kept["password"])
    assert not lab.reader.logs_in(kept["username"], former)
    assert files(tmp_path) == {"admin_password": (kept["password"], "0o600")}
    assert not lab.several("servers_admin", kept)["changed"]


@pytest.mark.parametrize("fate", [mlflow_proxy.CUT, mlflow_proxy.CUT_AFTER])
def test_a_run_that_is_cut_off_between_changing_and_keeping(lab, kept, secret, tmp_path, fate):
    former, kept["password"] = kept["password"], secret()

    def decide(method, path, writes):
        return fate if path == UPDATE else mlflow_proxy.PASS

    with lab.proxy.deciding(decide):
        assert UPDATE in lab.several("servers_admin", kept)["failures"]["vision"]
    # What is kept is what may still be needed.
    assert files(tmp_path) == {"admin_password": (former, "0o600")}
    done = lab.several("servers_admin", kept)["vision"]
    changed = [f"~ user {kept['username']} password changed"] if fate == mlflow_proxy.CUT else []
    assert done["changes"] == [*changed, f"~ {kept['password_file']}"]
    assert lab.reader.logs_in(kept["username"], kept["password"])
    assert files(tmp_path) == {"admin_password": (kept["password"], "0o600")}


def test_a_database_that_has_another_password_already(lab, server, tmp_path):
    before = files(tmp_path)
    why = lab.several("servers_admin", {**server, "password": OTHER})["failures"]["vision"]
    assert (
        f"the server does not accept the credentials of user '{server['username']}'. If its database had users " in why
    )
    assert "give the password that works there; it can be changed in a later run" in why
    assert files(tmp_path) == before
    (tmp_path / "admin_password").write_text("kept, but wrong by now")
    before = files(tmp_path)
    why = lab.several("servers_admin", {**server, "password": OTHER})["failures"]["vision"]
    assert f"nor with the password kept in {server['password_file']}" in why
    assert "kept, but wrong by now" not in str(why)
    assert files(tmp_path) == before
    assert lab.reader.logs_in(server["username"], server["password"])


@pytest.fixture
def down():
    """Return the address of a server that is not there."""
    with loopback.nobody() as uri:
        yield uri


def test_one_that_is_down_does_not_keep_the_others_waiting(lab, server, down, tmp_path):
    away = {**server, "name": "away", "tracking_uri": down}
    away |= {"password_file": str(tmp_path / "away"), "bootstrap_file": None}
    wrong = {
        **server,
        "name": "wrong",
        "password": OTHER,
        "password_file": str(tmp_path / "wrong"),
        "bootstrap_file": None,
    }
    for parallel in (1, 2):
        done = lab.several("servers_admin", away, wrong, server, parallel=parallel)
        assert list(done["failures"]) == ["away", "wrong"]
        assert "Connection refused" in done["failures"]["away"]
        assert done["vision"]["changed"] is (parallel == 1)
    assert list(files(tmp_path)) == ["admin_password"]


def test_a_kept_password_is_for_root_alone(lab, kept, tmp_path):
    (tmp_path / "admin_password").chmod(0o644)
    assert lab.several("servers_admin", kept)["vision"]["changes"] == [f"~ {kept['password_file']}"]
    assert files(tmp_path) == {"admin_password": (kept["password"], "0o600")}
    # Written by hand: of use, though not the same.
    (tmp_path / "admin_password").write_text(kept["password"] + "\n")
    kept["password"] = OTHER
    assert lab.several("servers_admin", kept)["failures"] == {}
    assert lab.reader.logs_in(kept["username"], OTHER)


def test_what_cannot_work_is_refused_before_anything_is_asked(lab, kept, tmp_path):
    before = files(tmp_path)
    for check in (True, False):
        why = lab.several("servers_admin", {**kept, "password": "short"}, check=check)["failures"]["vision"]
        assert why == "password: has under 12 characters, which MLflow refuses"
        assert lab.proxy.requests == []
    assert files(tmp_path) == before


def test_a_file_that_cannot_be_written_is_that_servers_failure(lab, server, tmp_path):
    server["password_file"] = str(tmp_path / "none" / "admin_password")
    done = lab.several("servers_admin", server)
    assert "No such file or directory" in done["failures"]["vision"]
    # Nothing is forgotten before it is kept.
    assert list(files(tmp_path)) == ["bootstrap.env"]


def readmitted(lab, username, password, **more):
    """Let somebody in by the database, as root does on a host."""
    home = Path(lab.databases[0]).parent
    told = {"uri": f"sqlite:///{lab.databases[0]}", "username": username, "password": password, **more}
    script = project.ROOT / "roles" / "mlflow_access" / "files" / "readmit.py"
    command = [project.BUILD / home.name / "bin" / "python", "-I", "-c", script.read_text()]
    done = subprocess.run(
        command, input=json.dumps(told), capture_output=True, text=True, check=False, env={"LC_ALL": "C.UTF-8"}
    )
    assert password not in done.stdout + done.stderr
    return done.returncode, (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("fate", ["password", "rights", "account"])
def test_root_has_a_way_back_when_another_admin_locked_this_one_out(lab, kept, secret, tmp_path, fate):
    name, declared = kept["username"], kept["password"]
    taken = secret()
    if fate == "account":
        lab.ok("user", name=name, state="absent")
    else:
        lab.ok("user", name=name, user_password=taken, admin=fate == "password")
        assert lab.reader.logs_in(name, taken)
    (tmp_path / "admin_password").unlink()
    why = lab.several("servers_admin", kept)["failures"]["vision"]
    assert "mlops.mlflow.readmit_admin lets this one in by the database" in why
    assert readmitted(lab, name, declared) == (0, "made" if fate == "account" else "changed")
    assert lab.several("servers_admin", kept)["failures"] == {}
    assert lab.reader.logs_in(name, declared)
    assert lab.reader.user(name)["admin"] is True
    # With all that an admin may do.
    users = lab.ok("user_info", username=name, password=declared, name=name)["users"]
    assert [user["name"] for user in users] == [name]


def test_a_database_that_cannot_be_written_to_is_told_without_what_is_in_it(lab, secret, tmp_path):
    code, said = readmitted(lab, "chief", secret(), uri=f"sqlite:///{tmp_path}/none/mlflow.db")
    assert (code, said) == (1, "the database of the users cannot be written to: OperationalError")


USERS = "/api/2.0/mlflow/users/"


def change(reader, name, taken):
    reader.ask("PATCH", f"{USERS}update-password", username=name, password=taken)


def demote(reader, name, _taken):
    reader.ask("PATCH", f"{USERS}update-admin", username=name, is_admin=False)


def delete(reader, name, _taken):
    reader.ask("DELETE", f"{USERS}delete", username=name)


def remake(reader, name, taken):
    delete(reader, name, taken)
    reader.create_user(name, taken)


@pytest.mark.parametrize("request_number", [1, 2, 3])
@pytest.mark.parametrize("act", [change, demote, delete, remake])
def test_what_another_admin_does_in_the_middle_of_a_run_loses_no_password(
    lab, kept, secret, tmp_path, act, request_number
):
    """What works is kept, or what did; nothing is said to be changed that was not; and there is a way back."""
    name, former, taken, asked = kept["username"], kept["password"], secret(), []
    kept["password"] = secret()

    def decide(_method, path, _writes):
        asked.append(path)
        if len(asked) == request_number:
            act(lab.reader, name, taken)
        return mlflow_proxy.PASS

    with lab.proxy.deciding(decide):
        done = lab.several("servers_admin", kept)
    works = lab.reader.logs_in(name, kept["password"])
    assert works is (act is demote)
    text = (tmp_path / "admin_password").read_text()
    assert text == (kept["password"] if works else former)
    assert bool(done["failures"]) is not works
    assert not any(it in str(done) for it in (former, taken, kept["password"]))
    if not works:
        assert f"user '{name}'" in done["failures"]["vision"] or UPDATE in done["failures"]["vision"]
        assert readmitted(lab, name, kept["password"])[0] == 0
    again = lab.several("servers_admin", kept)
    assert again["failures"] == {}
    assert lab.reader.logs_in(name, kept["password"])
    assert (tmp_path / "admin_password").read_text() == kept["password"]
