"""How this program is run by itself, and its other half by an MLflow."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent
# This version of it: a command and its arguments follow. Whoever begins with a version goes on with it.
PROGRAM = [sys.executable, "-I", str(PACKAGE)]
# What a team's MLflow runs; its Python comes before, a name and arguments follow.
IN_MLFLOW = PACKAGE / "in_mlflow"


def lasting() -> list[str]:
    """Return the command of whatever version there is by then, for what is noted on disk."""
    link = PACKAGE.parent.parent / PACKAGE.name
    return [sys.executable, "-I", str(link if link.is_symlink() else PACKAGE)]


def last_answer(printed: str) -> dict[str, Any]:
    """Return what the half in MLflow has answered: the last line that is an object, since MLflow prints lines, too."""
    lines = [line for line in printed.splitlines() if line[:1] == "{"]
    return dict(json.loads(lines[-1])) if lines else {}
