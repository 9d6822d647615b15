"""Removes the programs of before, when each was a file of its own, once no unit and no process knows of them.

A host may have units of a role that has not been run since, and servers that were started before.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from mlflowctl import paths

NAMES = (
    *(
        "age",
        "answers",
        "archive",
        "artifacts",
        "ask",
        "audit",
        "backup",
        "bring_back",
        "causes",
        "changes",
        "client_root",
    ),
    *("client_root", "collect_garbage", "compare", "contents", "databases", "deleted", "drain", "drill"),
    "drill_postgresql",
    *("environment_file", "fetched", "find_retired", "grants", "locations", "migrate", "old_keys", "own_places"),
    *("own_tables", "places", "processes", "prompts", "repository", "restore", "retire", "run", "serve"),
    *("serve_uvicorn", "settings", "sqlite_files", "start", "starts", "team", "trees", "turns", "upgrade"),
    *("user_store", "verify", "wait_until_healthy", "with_settings"),
)


def programs() -> list[Path]:
    """Return those that are there."""
    found = (paths.HERE.library / f"{name}.py" for name in NAMES)
    return [path for path in found if path.is_file()]


def in_use(found: list[Path]) -> bool:
    """Say whether something would miss them."""
    texts = [*paths.HERE.units.glob("mlflow*.service"), *paths.HERE.units.glob("mlflow*.service.d/*.conf")]
    for text in (*texts, *Path("/proc").glob("[0-9]*/cmdline")):
        # A process may have ended.
        with contextlib.suppress(OSError):
            said = text.read_bytes()
            if any(bytes(path) in said for path in found):
                return True
    return False


def main() -> None:
    """Remove them, and print which."""
    found = programs()
    if not found or in_use(found):
        return
    for path in found:
        path.unlink()
        print(path)
    shutil.rmtree(paths.HERE.library / "__pycache__", ignore_errors=True)
