"""Ansible's connection to a throwaway host: tools/enter.sh, and pipelining, which podman's own cannot do."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import gc
import hashlib
import importlib.util
import io
import py_compile
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleFileNotFound
from ansible.executor import module_common
from ansible.plugins.connection import ConnectionBase
from ansible.release import __version__
from ansible.utils.display import Display

DOCUMENTATION = """
name: testhost
short_description: enter a throwaway host of tools/testhosts.py
description: Runs commands in the namespaces of a container's first process.
author: the mlops.mlflow authors
options:
  remote_addr:
    description: Name of the container.
    vars:
      - name: inventory_hostname
      - name: ansible_host
  pidfile:
    description: File with the number of the container's first process.
    required: true
    vars:
      - name: ansible_testhost_pidfile
  pipelining:
    description: Whether modules come by standard input instead of by a file.
    type: boolean
    default: true
    vars:
      - name: ansible_pipelining
"""
ENTER = Path(__file__).parent.parent / "enter.sh"
BUILD = Path(__file__).parent.parent.parent / "build"

display = Display()


def share_modules() -> None:
    """Let runs share what Ansible makes of a module before it is sent, which takes an eighth of a run's processor time.

    Ansible keeps that for as long as a run goes on. It is the same until tools/build.py installs another collection,
    and bytecode is one Python's.
    """
    collections = Path(constants.config.get_config_value("COLLECTIONS_PATHS")[0])
    with contextlib.suppress(FileNotFoundError, FileExistsError):
        inputs = [(collections / ".complete").read_text(), __version__, importlib.util.MAGIC_NUMBER.hex()]
        what = hashlib.sha256(" ".join(inputs).encode()).hexdigest()
        shared = BUILD / "ansible" / "modules" / what
        shared.mkdir(parents=True, exist_ok=True)
        Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache").symlink_to(shared)  # type: ignore[attr-defined]


def with_bytecode(archive: bytes) -> bytes:
    """Return the archive of a module, and beside each source what a Python like this one makes of it.

    Else each execution compiles all of Ansible's that the module loads, which is half of a short one. Another
    Python takes the source.
    """
    given, made = zipfile.ZipFile(io.BytesIO(archive)), io.BytesIO()
    with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
        place = Path(scratch)
        for entry in given.infolist():
            text = given.read(entry)
            target.writestr(entry, text)
            if entry.filename.endswith(".py"):
                (place / "source").write_bytes(text)
                name, how = str(place / "compiled"), py_compile.PycInvalidationMode.UNCHECKED_HASH
                py_compile.compile(str(place / "source"), name, entry.filename, doraise=True, invalidation_mode=how)
                target.write(name, f"{entry.filename}c")
    return made.getvalue()


def send_bytecode() -> None:
    """Let what is kept of a module have its bytecode, where this Ansible keeps it as is known here."""
    kind: Any = getattr(module_common, "_CachedModule", None)
    if kind is None:
        return
    keep = kind.dump

    def dump(self: Any, path: str) -> None:
        more = base64.b64encode(with_bytecode(base64.b64decode(self.zip_data)))
        keep(dataclasses.replace(self, zip_data=more), path)

    kind.dump = dump


class Connection(ConnectionBase):
    """Nothing is kept open."""

    transport = "testhost"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a shell command."""
        return self._run("RUN", ["/bin/sh", "-c", cmd], in_data or b"")

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file to the host."""
        try:
            content = Path(in_path).read_bytes()
        except FileNotFoundError as error:
            raise AnsibleFileNotFound(str(error)) from error
        self._checked("PUT", ["/bin/dd", "status=none", f"of={out_path}"], content)

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file from the host."""
        Path(out_path).write_bytes(self._checked("FETCH", ["/bin/cat", in_path], b""))

    def close(self) -> None:
        """There is nothing to close."""
        self._connected = False

    def _checked(self, what: str, command: list[str], feed: bytes) -> bytes:
        code, out, err = self._run(what, command, feed)
        if code:
            raise AnsibleConnectionFailure(err.decode("utf-8", "replace"))
        return out

    def _run(self, what: str, command: list[str], feed: bytes) -> tuple[int, bytes, bytes]:
        display.vvv(f"{what} {command}", host=self._option("remote_addr"))
        enter = [str(ENTER), self._option("pidfile")]
        done = subprocess.run([*enter, *command], input=feed, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def _option(self, name: str) -> str:
        return str(self.get_option(name))  # type: ignore[no-untyped-call]


def be_light() -> None:
    """Let a run look whether a task is done a hundred times a second instead of a thousand, and seldom for garbage.

    What it has loaded stays, and each of its processes looks through a copy of all of it.
    """
    constants.DEFAULT_INTERNAL_POLL_INTERVAL = 0.01  # type: ignore[attr-defined]
    gc.set_threshold(50_000, 20, 100)
    gc.freeze()


# Ansible loads all that make connections before it runs anything; the modules of this machine are the same as a host's.
if __name__.startswith("ansible.plugins."):
    send_bytecode()
    share_modules()
    be_light()
