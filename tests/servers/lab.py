"""One MLflow server, and everything a test does with it: run modules, look, work as somebody."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import ansible
import project
from mlflow_reader import Reader

MODULES = project.BUILD / "modules"
CHECKOUT = project.BUILD / "checkout"

# What only a database says: a statement, or how MLflow keeps passwords.
NEVER_SHOWN = ("scrypt:", "pbkdf2:", "INSERT INTO", "[SQL", "Traceback")


class Module(subprocess.Popen):
    """A module that runs, the way Ansible runs it: a process of its own, arguments and answer in JSON.

    It has no Python library but Ansible's, as on a host.
    """

    def __init__(self, name: str, arguments: dict[str, t.Any], check: bool) -> None:
        MODULES.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (MODULES / "ansible").symlink_to(Path(ansible.__file__).parent)
        module = f"ansible_collections.mlops.mlflow.plugins.modules.{name}"
        super().__init__(
            [sys.executable, "-S", "-m", module],
            env={
                "PATH": os.environ["PATH"],
                "LC_ALL": "C.UTF-8",
                "PYTHONPATH": f"{MODULES}:{CHECKOUT}",
                "PYTHONPYCACHEPREFIX": str(project.BUILD / "cache" / "modules"),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        given = {**arguments, "_ansible_check_mode": check, "_ansible_diff": True, "_ansible_verbosity": 3}
        self.secrets = set(secrets_in(arguments))
        self.given = json.dumps({"ANSIBLE_MODULE_ARGS": given})

    def result(self) -> dict[str, t.Any]:
        """Return what the module answered; no answer may show a secret."""
        out, err = self.communicate(self.given, timeout=120)
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


def secrets_in(value: t.Any, key: str = "") -> t.Iterator[str]:
    """All passwords among a module's arguments."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from secrets_in(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from secrets_in(inner, key)
    elif key in ("password", "user_password") and value:
        yield value


class Lab:
    """A server with a proxy before it, through which the modules go."""

    def __init__(self, uri: str, proxy: t.Any, person: t.Any, reader: Reader, password: str) -> None:
        self.uri = uri
        self.proxy = proxy
        self.person = person
        self.reader = reader
        self.version = reader.version
        self.password = password
        # None has more people from earlier tests.
        self.has_groups = reader.version >= (3, 12)
        self.can_list = reader.version >= (3, 10)

    def start(self, module: str, check: bool = False, **arguments: t.Any) -> Module:
        """Start a module and let it run."""
        connection = {"tracking_uri": self.proxy.uri, "username": "admin", "password": self.password}
        return Module(module, {**connection, **arguments}, check)

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
