"""Environments are complete or not there, whatever happens to who builds them."""

import contextlib
import functools
import http.server
import os
import shutil
import subprocess
import threading
import time

import pytest
from programs.roles.conftest import MARKER, PATIENCE, REQUIREMENTS, VERSION, write_wheel

DONE = (0, "built\n", "")
NOTHING_TO_DO = (0, "", "")


class Index(http.server.SimpleHTTPRequestHandler):
    """Wheels as a package index has them: a page of links for each name."""

    asked: threading.Event
    go_on: threading.Event

    def do_GET(self):
        self.asked.set()
        assert self.go_on.wait(PATIENCE)
        # One page of all wheels does for every name.
        self.path = "/" + self.path.rpartition("/")[2]
        with contextlib.suppress(ConnectionError):
            super().do_GET()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def index(wheels):
    """An index that makes whoever asks it wait until it is told to go on."""
    handler = type("Index", (Index,), {"asked": threading.Event(), "go_on": threading.Event()})
    served = functools.partial(handler, directory=str(wheels))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), served) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/simple", handler
        handler.go_on.set()
        server.shutdown()


def says(builder, command="mlflow"):
    return subprocess.run([builder.environment / "bin" / command], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("uv", [True, False], ids=["uv", "pip"])
def test_builds_from_wheels_alone_once(builder, wheels, uv):
    assert builder.build(wheel_dir=wheels, uv=uv) == DONE
    assert builder.left() == [VERSION]
    assert says(builder) == f"mlflow {VERSION}\n"
    assert (builder.environment / MARKER).read_text() == "\n".join(REQUIREMENTS) + "\n"
    compiled = {file.name.partition(".")[0] for file in builder.environment.glob("lib/python3*/site-packages/**/*.pyc")}
    assert {"mlflow", "needed"} <= compiled
    assert builder.build(uv=uv) == NOTHING_TO_DO


@pytest.mark.parametrize("uv", [True, False], ids=["uv", "pip"])
def test_a_lean_one_has_what_is_listed_and_all_that_stands_beside_mlflow(builder, wheels, uv):
    write_wheel(wheels, "mlflow", VERSION, extra="auth", entry="mlflow = mlflow:main", needs="heavy")
    write_wheel(wheels, "heavy")
    write_wheel(wheels, "beside", needs="below")
    write_wheel(wheels, "below")
    wanted = [*REQUIREMENTS[:1], "beside", "# lean"]
    lean = f"# What is needed.\nmlflow=={VERSION}\nneeded==1.0 ; python_version >= '3'\nbelow==9 ; python_version < '3'"
    assert builder.build(requirements=wanted, lean=lean, wheel_dir=wheels, uv=uv) == DONE
    modules = {file.stem for file in builder.environment.glob("lib/python3*/site-packages/*.py")}
    assert modules >= {"mlflow", "needed", "beside", "below"}
    assert "heavy" not in modules
    assert builder.build(requirements=wanted, lean=lean, uv=uv) == NOTHING_TO_DO
    # Another kind of the same version takes its place.
    assert builder.build(requirements=wanted[:2], wheel_dir=wheels, uv=uv) == DONE
    assert list(builder.environment.glob("lib/python3*/site-packages/heavy.py"))


def test_a_lean_one_may_have_nothing_beside_mlflow(builder, wheels):
    for uv in (True, False):
        wanted = [*REQUIREMENTS[:1], f"# lean {uv}"]
        assert builder.build(requirements=wanted, lean=f"mlflow=={VERSION}", wheel_dir=wheels, uv=uv)[:2] == DONE[:2]
        assert says(builder) == f"mlflow {VERSION}\n"


def test_a_wheel_that_is_missing_is_named_and_nothing_is_trusted(builder, wheels):
    next(wheels.glob("needed*")).unlink()
    code, output, errors = builder.build(wheel_dir=wheels)
    assert (code != 0, output) == (True, "")
    assert "needed" in errors
    assert builder.left() == [builder.workshop.name]
    write_wheel(wheels, "needed")
    assert builder.build(wheel_dir=wheels) == DONE
    assert builder.left() == [VERSION]


def test_builds_from_another_index_what_it_would_from_wheels(builder, wheels, index):
    address, handler = index
    handler.go_on.set()
    assert builder.build(index_url=address) == DONE
    assert says(builder) == f"mlflow {VERSION}\n"
    assert builder.build(wheel_dir=wheels) == NOTHING_TO_DO


def test_the_index_that_only_pip_knows_is_asked(builder, index):
    address, handler = index
    handler.go_on.set()
    settings = builder.home / ".config" / "pip" / "pip.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"[global]\nindex-url = {address}\n")
    # uv stands beside, and would ask PyPI.
    assert builder.build() == DONE
    assert says(builder) == f"mlflow {VERSION}\n"


# What a host may have set for all: each of them alone has led a build elsewhere, or ended it.
OF_A_HOST = {
    **dict.fromkeys(("PYTHONPATH", "PYTHONHOME", "PYTHONPYCACHEPREFIX"), "{elsewhere}"),
    **dict.fromkeys(("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_EDITABLE", "UV_PROJECT"), "{elsewhere}"),
    **dict.fromkeys(("PIP_REQUIREMENT", "PIP_CONSTRAINT", "UV_CONSTRAINT", "UV_OVERRIDE"), "{elsewhere}/more.txt"),
    **dict.fromkeys(("PYTHONDONTWRITEBYTECODE", "PIP_USER", "PIP_DRY_RUN", "UV_NO_BINARY", "UV_REQUIRE_HASHES"), "1"),
    "PIP_PYTHON": "/usr/bin/python3",
    "UV_EXCLUDE_NEWER": "2000-01-01",
}


@pytest.mark.parametrize("uv", [True, False], ids=["uv", "pip"])
def test_what_a_host_has_set_leads_nowhere_else(builder, wheels, tmp_path, monkeypatch, uv):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "more.txt").write_text("needed==0.1\n")
    for name in ("venv", "pip", "needed", "sitecustomize"):
        (elsewhere / f"{name}.py").write_text(f"raise SystemExit('{name} of somebody else')\n")
    there = sorted(os.listdir(elsewhere))
    # Where whoever connects begins.
    monkeypatch.chdir(elsewhere)
    settings = builder.home / "pip.conf"
    settings.write_text("[install]\nuser = true\n")
    given = {name: value.format(elsewhere=elsewhere) for name, value in OF_A_HOST.items()}
    given["PIP_CONFIG_FILE"] = str(settings)
    assert builder.build(wheel_dir=wheels, uv=uv, variables=given) == DONE
    packages = next(builder.environment.glob("lib/python3*/site-packages"))
    assert {"mlflow.py", "needed.py"} <= {file.name for file in packages.glob("*.py")}
    assert list(packages.glob("__pycache__/needed.cpython-*[0-9].pyc"))
    assert sorted(os.listdir(elsewhere)) == there
    assert builder.build(uv=uv, variables=given) == NOTHING_TO_DO


def test_where_the_variables_of_a_host_say_is_asked(builder, index):
    address, handler = index
    handler.go_on.set()
    for name, uv in (("UV_DEFAULT_INDEX", True), ("PIP_INDEX_URL", False), ("PIP_INDEX_URL", True)):
        wanted = (*REQUIREMENTS, f"# {name} {uv}")
        assert builder.build(requirements=wanted, uv=uv, variables={name: address}) == DONE


def test_killed_in_the_middle_leaves_nothing_that_is_trusted(builder, wheels, index):
    address, handler = index
    killed = builder.start(index_url=address)
    assert handler.asked.wait(PATIENCE)
    killed.kill()
    killed.wait()
    assert not builder.environment.exists()
    # What it had started goes on, and must not write into the workshop of the next.
    following = builder.start(wheel_dir=wheels)
    time.sleep(0.5)
    assert following.poll() is None
    handler.go_on.set()
    assert (*following.communicate(timeout=PATIENCE), following.returncode) == ("built\n", "", 0)
    killed.communicate()
    assert builder.left() == [VERSION]
    assert says(builder) == f"mlflow {VERSION}\n"


def test_of_two_at_once_one_builds(builder, wheels):
    both = [builder.start(wheel_dir=wheels) for _number in range(2)]
    found = sorted(process.communicate(timeout=PATIENCE) for process in both)
    assert found == [("", ""), ("built\n", "")]
    assert says(builder) == f"mlflow {VERSION}\n"


def test_another_list_of_packages_replaces_what_a_server_runs_from(builder, wheels):
    assert builder.build(wheel_dir=wheels) == DONE
    code = "print(flush=True); input(); import needed, sys; sys.exit(0 if 'opt mlflow' in needed.__file__ else 1)"
    python = builder.environment / "bin" / "python"
    with subprocess.Popen([python, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        server.stdout.readline()
        write_wheel(wheels, "another", entry="another = another:main")
        assert builder.build(requirements=[*REQUIREMENTS, "another"], wheel_dir=wheels) == DONE
        server.communicate(b"\n", timeout=PATIENCE)
    assert server.returncode == 0
    assert builder.left() == [VERSION]
    assert says(builder, "another") == "another 1.0\n"


@contextlib.contextmanager
def watching(look):
    """Look again and again, as fast as it goes; yields what was seen."""
    seen, ended = set(), threading.Event()

    def watch():
        while not ended.is_set():
            seen.add(look())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def test_the_marker_comes_when_all_the_rest_is_there(builder, wheels):
    def look():
        marked = (builder.workshop / MARKER).exists()
        # In this order: what was complete a moment after the marker was seen counts as complete.
        return marked, (builder.workshop / "bin" / "mlflow").exists() or builder.environment.exists()

    with watching(look) as seen:
        assert builder.build(wheel_dir=wheels) == DONE
    assert (False, False) in seen
    assert (True, False) not in seen


def test_another_list_of_packages_replaces_it_at_no_moment_without_one(builder, wheels):
    assert builder.build(wheel_dir=wheels) == DONE
    write_wheel(wheels, "another", entry="another = another:main")
    python = str(builder.environment / "bin" / "mlflow")
    with watching(lambda: os.path.exists(python)) as seen:
        assert builder.build(requirements=[*REQUIREMENTS, "another"], wheel_dir=wheels) == DONE
    assert seen == {True}
    assert builder.left() == [VERSION]


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace, to see what a power cut would leave")
def test_it_is_on_the_disk_before_it_is_named(builder, wheels):
    process = builder.start(
        wheel_dir=wheels, under=["strace", "-f", "-qq", "-e", "trace=syncfs,fsync,rename,renameat,renameat2"]
    )
    _output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    calls = [line for line in errors.splitlines() if "= 0" in line]
    synced = next(number for number, line in enumerate(calls) if "syncfs(" in line)
    marked = next(number for number, line in enumerate(calls) if f"/{MARKER}" in line and "rename" in line)
    named = next(number for number, line in enumerate(calls) if "rename" in line and f'{builder.environment}"' in line)
    assert synced < marked < named
    assert any("fsync(" in line for line in calls[marked:named])
    assert any("fsync(" in line for line in calls[named:])


def test_cut_off_between_the_renames_the_former_one_comes_back(builder, wheels):
    assert builder.build(wheel_dir=wheels) == DONE
    os.rename(builder.environment, builder.former)
    assert builder.build() == NOTHING_TO_DO
    os.rename(builder.environment, builder.former)
    assert builder.build(requirements=REQUIREMENTS[:1], wheel_dir=wheels) == DONE
    assert builder.left() == [VERSION]
    assert says(builder) == f"mlflow {VERSION}\n"
