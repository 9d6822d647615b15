"""Ansible's connection to a throwaway host: tools/enter.sh, and pipelining, which podman's own cannot do."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleFileNotFound
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

    Ansible keeps that for as long as a run goes on. It is the same until tools/build.py installs another collection.
    """
    collections = Path(constants.config.get_config_value("COLLECTIONS_PATHS")[0])
    with contextlib.suppress(FileNotFoundError, FileExistsError):
        what = hashlib.sha256(f"{(collections / '.complete').read_text()} {__version__}".encode()).hexdigest()
        shared = BUILD / "ansible" / "modules" / what
        shared.mkdir(parents=True, exist_ok=True)
        Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache").symlink_to(shared)  # type: ignore[attr-defined]


class Connection(ConnectionBase):
    """Nothing is kept open."""

    transport = "testhost"
    has_pipelining = True

    def __init__(self, *arguments: Any, **more: Any) -> None:
        # Before the first module is made for it.
        share_modules()
        super().__init__(*arguments, **more)

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
