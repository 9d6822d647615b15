"""One MLflow server, and everything a test does with it: run modules, look, work as somebody."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import ansible
import module_server as module_server_script
import project
from mlflow_reader import Reader

# Seconds for an answer, where a test is about something else: what a busy machine is too slow for is no fault.
PATIENCE = 300
# What only a database says: a statement, or how MLflow keeps passwords.
NEVER_SHOWN = ("scrypt:", "pbkdf2:", "INSERT INTO", "[SQL", "Traceback")


class Module:
    """A module that runs, the way Ansible runs it: a process of its own, arguments and answer in JSON."""

    def __init__(self, modules: Path, name: str, arguments: dict[str, t.Any], check: bool) -> None:
        given = {**arguments, "_ansible_check_mode": check, "_ansible_diff": True, "_ansible_verbosity": 3}
        self.secrets = set(secrets_in(arguments))
        self.files = [tempfile.TemporaryFile("w+") for _stream in range(3)]  # noqa: SIM115 - closed by result
        json.dump({"ANSIBLE_MODULE_ARGS": given}, self.files[0])
        self.files[0].seek(0)
        self.running = socket.socket(socket.AF_UNIX)
        self.running.settimeout(600)
        self.running.connect(str(modules))
        socket.send_fds(self.running, [name.encode()], [file.fileno() for file in self.files])

    def result(self) -> dict[str, t.Any]:
        """Return what the module answered; no answer may show a secret."""
        with self.running:
            self.running.recv(1)
        out, err = (read_again(file) for file in self.files[1:])
        self.files[0].close()
        shown = out + err
        for secret in self.secrets:
            assert secret not in shown, "a password was shown"
            assert json.dumps(secret)[1:-1] not in shown, "a password was shown"
        for words in NEVER_SHOWN:
            assert words not in shown, shown
        try:
            return json.loads(out)
        except ValueError:
            raise AssertionError(f"no answer, but: {shown}") from None


def read_again(file: t.TextIO) -> str:
    """What was written to a file, by whatever process."""
    with file:
        file.seek(0)
        return file.read()


@contextlib.contextmanager
def module_server(home: Path) -> Iterator[Path]:
    """Run what starts modules; give the path of its socket.

    Modules have no Python library but Ansible's there, as on a host.
    """
    (home / "ansible").symlink_to(Path(ansible.__file__).parent)
    path = home / "modules.sock"
    server = subprocess.Popen(
        [sys.executable, "-S", module_server_script.__file__, path],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PYTHONPATH": f"{home}:{project.BUILD / 'checkout'}"},
    )
    try:
        while not path.exists():
            assert server.poll() is None, "the module server does not start"
            time.sleep(0.05)
        yield path
    finally:
        server.kill()
        server.wait()


def secrets_in(value: t.Any, key: str = "") -> t.Iterator[str]:
    """All passwords among a module's arguments."""
    if isinstance(value, dict):
        for name, inner in value.items():
            # A model of the gateway names its secret.
            yield from secrets_in(inner, "" if name == "secret" and "model" in value else name)
    elif isinstance(value, list):
        for inner in value:
            yield from secrets_in(inner, key)
    elif key in ("password", "user_password", "secret", "api_key") and value:
        yield value


class Lab:
    """A server with a proxy before it, through which the modules go."""

    def __init__(
        self, uri: str, modules: Path, proxy: t.Any, person: t.Any, reader: Reader, password: str, home: Path
    ) -> None:
        self.uri = uri
        self.databases = sorted(str(path) for path in home.glob("*.db"))
        self.modules = modules
        self.proxy = proxy
        self.person = person
        self.reader = reader
        self.version = reader.version
        self.password = password
        self.has_groups = reader.version >= (3, 12)
        self.can_list = reader.version >= (3, 10)
        # Between its two words for it, MLflow has none.
        self.can_deny = not (3, 13) <= reader.version < (3, 17)

    def start(self, module: str, check: bool = False, **arguments: t.Any) -> Module:
        """Start a module and let it run."""
        connection = {"tracking_uri": self.proxy.uri, "username": "admin", "password": self.password}
        connection |= {"timeout": PATIENCE}
        return Module(self.modules, module, {**connection, **arguments}, check)

    def run(self, module: str, check: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
        """Run a module; in check mode it must not write."""
        self.proxy.forget()
        result = self.start(module, check, **arguments).result()
        if check or module.endswith("_info"):
            assert self.proxy.writes == [], "check mode wrote"
        return result

    def ok(self, module: str, check: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
        """Run a module that must not fail."""
        result = self.run(module, check, **arguments)
        assert not result.get("failed"), result["msg"]
        return result

    def several(
        self, module: str, *servers: dict[str, t.Any], check: bool = False, **shared: t.Any
    ) -> dict[str, t.Any]:
        """Run a module that works on several servers; return what became of each by name, and all it said."""
        self.proxy.forget()
        shared = {"timeout": PATIENCE, **shared}
        result = Module(self.modules, module, {"servers": list(servers), **shared}, check).result()
        assert not result.get("failed"), result["msg"]
        assert list(result["failures"]) == [one["name"] for one in result["servers"] if "failure" in one]
        assert result["changed"] is any(one["changed"] for one in result["servers"])
        if check:
            assert self.proxy.writes == [], "check mode wrote"
        return {**result, **{one["name"]: one for one in result["servers"]}}

    def refused(self, module: str, check: bool = False, **arguments: t.Any) -> str:
        """Run a module that must fail, and that before it writes; return why."""
        result = self.run(module, check, **arguments)
        assert result.get("failed"), result
        assert self.proxy.writes == []
        return result["msg"]

    def converge(self, module: str, **arguments: t.Any) -> dict[str, t.Any]:
        """Run a module in check mode, for real, and again: it predicts, does, and has nothing left to do."""
        predicted = self.ok(module, check=True, **arguments)
        assert predicted["changed"]
        done = self.ok(module, **arguments)
        assert done["changed"]
        assert self.proxy.writes
        assert predicted["diff"] == done["diff"]
        self.unchanged(module, **arguments)
        return done

    def unchanged(self, module: str, **arguments: t.Any) -> dict[str, t.Any]:
        """Run a module that has nothing to do."""
        again = self.ok(module, **arguments)
        assert not again["changed"], again.get("diff")
        assert self.proxy.writes == []
        return again
