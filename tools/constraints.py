"""Pin what the role installs, all of it and what a lean environment has, for each MLflow version that it ships it for.

Told versions, it pins only those, also ones that are new.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import project
import yaml

# What MLflow says it needs, and a server imports where it is there, or never.
UNUSED = ("matplotlib", "pyarrow", "scikit-learn", "scipy", "skops")
ROLE = project.ROOT / "roles" / "mlflow_server"
OLDEST_PYTHON = "3.10"
HEADER = (
    f"# Tested together on Debian 12 and 13. Made by: uv pip compile --universal --python-version {OLDEST_PYTHON}\n"
)


def shipped() -> list[str]:
    """Return the versions that have constraints."""
    return sorted(file.stem.partition("-")[2] for file in (ROLE / "files").glob("constraints-*.txt"))


def pin(version: str) -> None:
    """Write the constraints of a version, from the role's own list of requirements, and what a lean one has of them."""
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    mlflow = f"mlflow[auth]=={version}"
    constraints = ROLE / "files" / f"constraints-{version}.txt"
    resolve([mlflow, *defaults["mlflow_server_extra_packages"]], constraints)
    # What stands beside MLflow is installed with all that it needs, by the constraints.
    resolve([mlflow], ROLE / "files" / f"lean-{version}.txt", constraints, UNUSED)


def resolve(wanted: list[str], target: Path, constraints: Path | None = None, without: Sequence[str] = ()) -> None:
    """Write what requirements lead to."""
    project.say(f"resolving {', '.join(wanted)}{' in a lean environment' if without else ''}")
    with tempfile.TemporaryDirectory() as folder:
        asked, excluded, found = (Path(folder) / name for name in ("requirements.in", "excluded.txt", "found.txt"))
        asked.write_text("\n".join(wanted) + "\n")
        excluded.write_text("".join(f"{name}\n" for name in without))
        command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", OLDEST_PYTHON]
        command += ["--constraint", str(constraints)] if constraints else []
        # Constraints know no extras.
        command += ["--strip-extras", "--no-header", "--no-annotate", "--excludes", str(excluded)]
        project.run([*command, "--output-file", str(found), str(asked)], quiet=True)
        target.write_text(HEADER + found.read_text())


def main() -> None:
    """Pin them all, or those that are named."""
    for version in sys.argv[1:] or shipped():
        pin(version)


if __name__ == "__main__":
    project.main(main)
