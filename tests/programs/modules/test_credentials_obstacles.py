"""Whatever a user has put where their credentials are to be: it is named, costs little, and the others get theirs."""

import os
import pwd
import resource
import shutil
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can work as somebody else")

PASSWORD = "canary-pass-word"
# Accounts that every host has, with homes of their own here.
VICTIM, OTHER = "nobody", "daemon"
ENTRY = pwd.getpwnam(VICTIM)
MARK = "# Written by Ansible (mlops.mlflow), and again whenever it is changed.\n"


@pytest.fixture
def homes(monkeypatch):
    """Homes of two accounts, where both get to."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    (place / "lib").mkdir()
    (place / "lib" / "sitecustomize.py").write_text(
        "import pwd\n_entry = pwd.getpwnam\n"
        f"pwd.getpwnam = lambda name: pwd.struct_passwd((*_entry(name)[:5], {str(place)!r} + '/' + name, '/bin/sh'))\n"
    )
    for name in (VICTIM, OTHER):
        (place / name).mkdir()
        shutil.chown(place / name, name)
    monkeypatch.setenv("PYTHONPATH", str(place / "lib"))
    yield place
    shutil.rmtree(place)


@pytest.fixture
def give(homes, run_module):
    """Give both users their teams, within bounds of memory; return what was answered."""

    def run(teams=("vision",), check=False, **more):
        given = [{"name": team, "tracking_uri": f"https://{team}", "username": "alice"} for team in teams]
        users = [{"name": name, "teams": given} for name in (VICTIM, OTHER)]
        passwords = {name: dict.fromkeys(teams, PASSWORD) for name in (VICTIM, OTHER)}
        answer = run_module("credentials", {"users": users, "passwords": passwords}, check=check, **more)
        assert "canary" not in answer.output
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 400_000
        return answer

    return run


def as_victim(home, *commands):
    for command in commands:
        subprocess.run(["/bin/sh", "-euc", command], check=True, user=VICTIM, cwd=home, extra_groups=[])


def special(path, kind):
    """Make something that is no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    elif kind == "directory":
        path.mkdir()
    elif kind == "sparse":
        path.touch()
        os.truncate(path, 1 << 40)
    else:
        path.symlink_to(kind)
    for made in (path, *path.parents):
        if made.name == VICTIM:
            break
        os.chown(made, ENTRY.pw_uid, ENTRY.pw_gid, follow_symlinks=False)


KINDS = ["pipe", "socket", "device", "directory", "sparse", "/dev/zero", "/dev/full", "/dev/tty", "/proc/kmsg"]
KINDS += ["/proc/self/environ", "/proc/self/mem", "/proc/self/fd/0", "/etc/shadow", "self.env", "/proc/1/maps"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_ours_is_left_alone(homes, give, kind):
    there = homes / VICTIM / ".config/mlflow" / ("self.env" if kind == "self.env" else "zz.env")
    special(there, kind)
    answer = give()
    assert not answer.failed, answer.output
    assert os.path.lexists(there)
    for name in (VICTIM, OTHER):
        assert (homes / name / ".config/mlflow/vision.env").read_text().startswith(MARK)
    assert not give(check=True).changed


@pytest.mark.parametrize("name", [".config/mlflow/vision.env", ".mlflow/credentials", ".config/mlflow", ".mlflow"])
@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "directory", "sparse", "/dev/zero", "/proc/self/environ"])
def test_what_stands_in_the_way_is_named_and_the_others_go_on(homes, give, name, kind):
    there = homes / VICTIM / name
    if kind == "directory" and name in (".config/mlflow", ".mlflow"):
        pytest.skip("it is to be one")
    special(there, kind)
    for check in (True, False):
        answer = give(check=check)
        assert answer.failed
        assert answer.result["msg"].startswith(f"{VICTIM}: ")
        assert str(there) in answer.result["msg"], answer.result["msg"]
        assert list(answer.result["failures"]) == [VICTIM]
    assert os.path.lexists(there)
    assert (homes / OTHER / ".config/mlflow/vision.env").read_text().startswith(MARK)
    assert (homes / OTHER / ".mlflow/credentials").exists()


def test_a_home_that_is_missing_or_a_link(homes, give):
    (homes / VICTIM).rename(homes / "elsewhere")
    answer = give()
    assert answer.failed
    assert answer.result["msg"] == f"{VICTIM}: their home {homes}/{VICTIM} is not there; make it, or take them out"
    assert (homes / OTHER / ".mlflow/credentials").exists()
    # Who has nothing to lose needs no home.
    assert not give(teams=()).failed
    (homes / VICTIM).symlink_to("elsewhere")
    assert give().changed
    assert (homes / "elsewhere/.mlflow/credentials").exists()


def test_a_home_that_takes_nothing(homes, give):
    """Full, read-only, and where nobody may write."""
    home = homes / VICTIM
    home.chmod(0o555)
    assert f"{home}/.config" in give().result["msg"]
    home.chmod(0o755)
    for options, why in (("size=8k", "No space left"), ("size=8k,ro", "Read-only")):
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", home], check=True)
        try:
            if "ro" not in options:
                home.chmod(0o777)
                as_victim(home, "head -c 8000 /dev/zero >fill 2>/dev/null || true; mkdir -p .config/mlflow .mlflow")
            answer = give()
            assert answer.failed
            assert why in answer.result["msg"]
            assert not list(home.rglob("*.new"))
        finally:
            subprocess.run(["umount", home], check=True)
    assert (homes / OTHER / ".mlflow/credentials").exists()


def test_a_home_whose_file_system_keeps_no_modes(homes, give):
    """As that of another system does, where it is mounted so that others may read all of it."""
    with open(homes / "lib" / "sitecustomize.py", "a") as file:
        file.write(
            "import os\n_fchmod = os.fchmod\n"
            f"os.fchmod = lambda on, mode: _fchmod(on, 0o755 if os.geteuid() == {ENTRY.pw_uid} else mode)\n"
        )
    answer = give()
    assert answer.failed
    assert f"{VICTIM}: " in answer.result["msg"]
    assert "is not written, since its file system lets others read it" in answer.result["msg"]
    assert [path for path in (homes / VICTIM).rglob("*") if path.is_file()] == []
    assert (homes / OTHER / ".mlflow/credentials").exists()


def test_thousands_of_files(homes, give):
    """Also such as look like those that are written here: reading them has an end."""
    folder = homes / VICTIM / ".config/mlflow"
    as_victim(homes / VICTIM, "mkdir -p .config/mlflow")
    for number in range(3000):
        (folder / f"t{number}.env").write_text(MARK + "x" * 60_000)
    answer = give()
    assert answer.failed
    assert f"{VICTIM}: {folder} has more than" in answer.result["msg"]
    assert (homes / OTHER / ".config/mlflow/vision.env").exists()


@pytest.mark.parametrize("text", [MARK + "A='unfinished\n", MARK.encode() + b"\xff\xfe\x00", b"\x00" * 1000, MARK])
def test_a_text_that_nobody_can_read(homes, give, text):
    give()
    file = homes / VICTIM / ".config/mlflow/vision.env"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert give().changed
    assert PASSWORD in file.read_text()
    (homes / VICTIM / ".config/mlflow/zz.env").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert not give(teams=()).failed


def test_what_never_answers_is_ended(homes, give):
    """A file system that the user stopped: as one of a server that is gone."""
    with (homes / "lib" / "sitecustomize.py").open("a") as file:
        file.write(STOPPED)
    # Whoever is not stopped may be too slow for the shorter ones, on a busy machine.
    for patience in (0.5, 6, 30):
        answer = give(patience=patience)
        assert answer.failed
        assert VICTIM in answer.result["failures"]
        if len(answer.result["failures"]) == 1:
            break
    assert answer.result["msg"].startswith(f"{VICTIM}: did not come to its end within {10 * patience:g} seconds")
    assert (homes / OTHER / ".config/mlflow/vision.env").exists()


# The process that works for the user is stopped as soon as it is theirs.
STOPPED = f"""
import os, signal
_become = os.setresuid
def setresuid(*numbers):
    _become(*numbers)
    if numbers[0] == {ENTRY.pw_uid}:
        os.kill(os.getpid(), signal.SIGSTOP)
os.setresuid = setresuid
"""


def test_what_the_user_wrote_in_letters_of_their_own_stays(homes, give):
    as_victim(homes / VICTIM, "mkdir .mlflow", "printf '[databricks]\\nhost = caf\\351\\n' > .mlflow/credentials")
    assert give().changed
    assert (homes / VICTIM / ".mlflow/credentials").read_bytes().startswith(b"[databricks]\nhost = caf\xe9\n[mlflow]\n")
    assert not give().changed


def test_what_a_killed_run_left_is_removed(homes, give):
    left = [".config/mlflow/.vision.env.new", ".config/mlflow/.gone.env.new", ".mlflow/.credentials.new"]
    for teams in (("vision",), ()):
        for name in left:
            file = homes / VICTIM / name
            as_victim(homes / VICTIM, f"mkdir -p {file.parent}")
            file.write_text(MARK + f"MLFLOW_TRACKING_PASSWORD={PASSWORD}")
            shutil.chown(file, VICTIM)
        own = homes / VICTIM / ".config/mlflow/.own.env.new"
        own.write_text("MINE=1")
        answer = give(teams=teams)
        assert not answer.failed, answer.output
        assert [name for name in left if (homes / VICTIM / name).exists()] == []
        assert own.exists()
        assert not give(teams=teams).changed


@pytest.mark.parametrize("name", ["a\nroot: write all", "a\x1b[1A\x1b[2K", "a\u202eb", "a\udcff"], ids=ascii)
def test_what_a_user_calls_a_file_begins_no_line_of_its_own(homes, give, name):
    give()
    file = homes / VICTIM / ".config/mlflow" / f"{name}.env"
    file.write_text(MARK)
    answer = give(check=True)
    (step,) = answer.result["steps"]
    assert step.startswith(f"{VICTIM}: remove {file.parent}/a\\")
    assert step.isprintable()
    assert answer.result["diff"]["after"] == f"{step}\n"
    assert give().changed
    assert not os.path.lexists(file)
