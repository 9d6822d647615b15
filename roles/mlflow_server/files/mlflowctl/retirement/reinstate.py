"""Gives teams that were retired what was kept of them: their data, and the secrets without which those are lost.

Argument: the names of the teams as JSON, whose accounts are there again. Prints what was done and what failed.
"""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

from mlflowctl import patience, processes, trees
from mlflowctl.errors import Problem
from mlflowctl.files import sync, write_private
from mlflowctl.retirement import here
from mlflowctl.retirement.find import Places, read

# The keys of what is encrypted in the databases, and the password with which the next one can be set.
KEPT = ("secrets.env", "admin_password", "venv")


class ReinstateError(Problem):
    """Why a team cannot begin where it ended."""


def has_databases(record: dict[str, Any]) -> bool:
    """Say whether the team would begin where it ended, and not anew; of another host's nobody here knows."""
    return all(os.path.exists(file) for file in record["files"])


def account_of(name: str) -> str:
    """Return whose the data are to be again; the role has made it before."""
    return f"mlflow-{name}"


def restore_secrets(archive: Path, target: Path) -> None:
    """Put them where the role keeps them, from the archive, with which version the databases are of."""
    texts, version = {}, None
    try:
        # They come first. After them may be millions of artifacts, of which a tarfile that is not a stream keeps each.
        with tarfile.open(archive, "r|gz") as tar:
            for member in tar:
                folder, _slash, name = member.name.partition("/")
                if folder != "config":
                    break
                file = tar.extractfile(member) if name in KEPT and member.isfile() else None
                if file:
                    texts[name] = file.read()
                elif name == "venv" and member.issym():
                    version = member.linkname
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ReinstateError(
            f"its data are there, but not {archive}, the archive with its keys and its admin's password: {error}. "
            "Put the archive back"
        ) from None
    target.mkdir(mode=0o700, exist_ok=True)
    for name, text in texts.items():
        write_private(target / name, text)
    if version:
        link = target / ".venv.new"
        link.unlink(missing_ok=True)
        link.symlink_to(version)
        link.replace(target / "venv")
    sync(str(target))


def reinstate(name: str, places: Places) -> str:
    """Bring one team back; return what became of it."""
    path = places.record(name)
    record = read(path)
    if record is None:
        return ""
    if record.get("replica"):
        # Its end was cut off: it kept nothing, and has everything from its leader.
        path.unlink()
        return ""
    patience.refuse_silent([*record["files"], *record["data"]])
    if not has_databases(record):
        path.unlink()
        return f"its data are gone, so that it begins anew; what it had is in {record['archive']}"
    restore_secrets(Path(record["archive"]), places.config / name)
    account = account_of(name)
    # It has had its number for a moment, and perhaps another had that before.
    processes.wait_until_nobody_runs(account, name, harmless=())
    own = list(map(Path, record["data"]))
    left = []
    for data in filter(os.path.lexists, own):
        try:
            trees.give(data, own, account, record.get("of_root", {}).get(str(data), ()))
        except trees.LinkError as error:
            left.append(f"; {error}, and what that leads to is not its own")
    # Last: without it nobody would look again.
    path.unlink()
    return f"its data are its own again, with the secrets from {record['archive']}{''.join(left)}"


def main(names: str) -> None:
    """Do it, and print what was done and what failed, as JSON by team."""
    print(json.dumps(reinstate_all(json.loads(names))))


def reinstate_all(names: list[str]) -> dict[str, dict[str, Any]]:
    """Do one after the other; one that fails does not keep the others."""
    done: dict[str, Any] = {}
    failures: dict[str, Any] = {}
    for name in names:
        try:
            what = reinstate(name, here())
            if what:
                done[name] = what
        except (Problem, OSError) as error:
            failures[name] = f"it cannot be brought back: {error}"
    return {"done": done, "failures": failures}
