"""What stands in ~/.config/mlflow/TEAM.env, which Ansible has written for the user, and the user may change."""

from __future__ import annotations

import base64
import errno
import os
import re
import shlex
import stat
from typing import NamedTuple
from urllib.parse import urlsplit

TEAM = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
LARGEST = 64 << 10
DEFAULT = "default"


class Login(NamedTuple):
    """Where a team's server is, and who asks."""

    secure: bool
    host: str
    port: int | None
    prefix: str
    authorization: str
    authority: str | None


def unusable(path: str, why: str) -> OSError:
    """Return the error for a file that says no log-in."""
    return OSError(errno.EINVAL, f"{path}: {why}")


def names(directory: str) -> list[str]:
    """Return the teams that the user has a file for."""
    try:
        found = os.listdir(directory)
    except FileNotFoundError:
        return []
    teams = [name[:-4] for name in found if name.endswith(".env")]
    return sorted(team for team in teams if TEAM.match(team) and team != DEFAULT)


def version(path: str) -> tuple[int, int, int]:
    """Return what is another one when the file is."""
    found = os.stat(path)
    return (found.st_mtime_ns, found.st_ino, found.st_size)


def read(path: str) -> Login:
    """Return the log-in that a file says. Raises OSError, without a word of what stands in it."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        # Nothing is waited for, whatever the user has put there.
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise unusable(path, "is not a regular file")
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise unusable(path, "is too large")
    return parse(data.decode("utf-8", "replace"), path)


def parse(text: str, path: str = "") -> Login:
    """Return the log-in that a text of variables says."""
    try:
        words = shlex.split(text, comments=True)
        found = dict(word.split("=", 1) for word in words if "=" in word)
        url = urlsplit(found["MLFLOW_TRACKING_URI"])
        name, password = found["MLFLOW_TRACKING_USERNAME"], found["MLFLOW_TRACKING_PASSWORD"]
        port = url.port
    except KeyError as error:
        raise unusable(path, f"does not say {error}") from None
    except ValueError:
        raise unusable(path, "cannot be read") from None
    if url.scheme not in ("http", "https") or not url.hostname:
        raise unusable(path, "does not name an address of a server")
    pair = base64.b64encode(f"{name}:{password}".encode()).decode()
    authority = found.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or None
    return Login(url.scheme == "https", url.hostname, port, url.path.rstrip("/"), f"Basic {pair}", authority)
