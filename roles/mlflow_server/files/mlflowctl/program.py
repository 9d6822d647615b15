"""How this program is run by itself, and its other half by an MLflow."""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# This version of it: a command and its arguments follow. Whoever begins with a version goes on with it.
PROGRAM = [sys.executable, "-I", str(PACKAGE)]
# What a team's MLflow runs; its Python comes before, a name and arguments follow.
IN_MLFLOW = PACKAGE / "in_mlflow"


def lasting() -> list[str]:
    """Return the command of whatever version there is by then, for what is noted on disk."""
    link = PACKAGE.parent.parent / PACKAGE.name
    return [sys.executable, "-I", str(link if link.is_symlink() else PACKAGE)]
