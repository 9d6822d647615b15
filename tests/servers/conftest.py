"""Three MLflow servers, started together; `lab` is one of them, `newest` the newest alone.

`make between` tries a fourth, and some tests the one after the newest, which `make next` gives to all of them instead.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import typing as t
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import loopback
import mlflow_person
import mlflow_proxy
import project
import pytest
import servers
from lab import Lab, module_server
from mlflow_reader import reader_for

HOME = project.BUILD / "servers"
NEWEST = project.MLFLOW.name
VENVS = [*project.OLDER_MLFLOWS, *project.between_mlflows(), NEWEST]
# What is tried with the one after the newest, too: all that it could call by another name, or ask for in another way.
WITH_NEXT = {"test_kinds"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test the servers that it is for, unless it says so itself."""
    said = any("lab" in mark.args[:1] for mark in metafunc.definition.iter_markers("parametrize"))
    if "lab" in metafunc.fixturenames and not said:
        more = project.next_mlflows() if metafunc.module.__name__.rpartition(".")[2] in WITH_NEXT else []
        metafunc.parametrize("lab", [*VENVS, *more], indirect=True)


def wanted(session: pytest.Session) -> list[str]:
    """The servers that the chosen tests need."""
    needed = {item.callspec.params.get("lab") for item in session.items if hasattr(item, "callspec")}
    needed |= {NEWEST for item in session.items if "newest" in getattr(item, "fixturenames", ())}
    return [name for name in [*VENVS, *project.next_mlflows()] if name in needed]


@contextlib.contextmanager
def laboratory(name: str, modules: Path) -> Iterator[Lab]:
    """One server with all that belongs to it."""
    venv, home = project.BUILD / name, HOME / name
    password = f'admin: "{secrets.token_hex(8)}" %'
    found = servers.version_of(venv)
    version = (int(found.split(".")[0]), int(found.split(".")[1]))
    # 2.22 cannot keep its users beside its experiments.
    database = "auth.db" if version < (3, 0) else "mlflow.db"
    with (
        # Each test has users of its own, and each costs two slow hashes: one to be made, and one for the first log-in.
        servers.serving(venv, home, password, auth_database=database, gateway=True, hurried=True) as uri,
        mlflow_person.working(venv, uri, home) as person,
        loopback.listening(mlflow_proxy.Proxy(uri)) as proxy,
    ):
        yield Lab(uri, modules, proxy, person, reader_for(uri, password, version), password, home)


@pytest.fixture(scope="session")
def modules() -> Iterator[Path]:
    """What runs the modules."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    with module_server(HOME) as path:
        yield path


@pytest.fixture(scope="session")
def labs(request: pytest.FixtureRequest, modules: Path) -> Iterator[dict[str, Lab]]:
    """All servers that are needed, by name."""
    names = wanted(request.session)
    with contextlib.ExitStack() as stack, ThreadPoolExecutor() as pool:
        started = pool.map(lambda name: stack.enter_context(laboratory(name, modules)), names)
        yield dict(zip(names, started, strict=True))


@pytest.fixture
def lab(request: pytest.FixtureRequest, labs: dict[str, Lab]) -> Lab:
    """Each server in turn, with nobody on it but the admin where users can be listed."""
    chosen = labs[request.param]
    if chosen.can_list:
        # MLflow 3.12 is asked about each user and group, so that earlier tests' would cost time.
        chosen.ok("access")
    return chosen


@pytest.fixture(scope="session")
def newest(labs: dict[str, Lab]) -> Lab:
    """The newest server."""
    return labs[NEWEST]


@pytest.fixture
def some(request: pytest.FixtureRequest) -> t.Callable[[str], str]:
    """Names that no other test uses."""
    mark = secrets.token_hex(3)
    return lambda word: f"{word}-{mark}"


@pytest.fixture
def secret() -> t.Callable[[], str]:
    """Passwords that no other test uses."""
    return lambda: f"p:a \"s'{secrets.token_hex(8)}"
