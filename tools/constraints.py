"""Pin what the role installs, for each MLflow version that it ships constraints for.

Told versions, it pins only those, also ones that are new.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import project
import yaml

ROLE = project.ROOT / "roles" / "mlflow_server"
OLDEST_PYTHON = "3.10"
HEADER = (
    f"# Tested together on Debian 12 and 13. Made by: uv pip compile --universal --python-version {OLDEST_PYTHON}\n"
)


def shipped() -> list[str]:
    """Return the versions that have constraints."""
    return sorted(file.stem.partition("-")[2] for file in (ROLE / "files").glob("constraints-*.txt"))


def pin(version: str) -> None:
    """Write the constraints of one version, from the role's own list of requirements."""
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    wanted = [f"mlflow[auth]=={version}", *defaults["mlflow_server_extra_packages"]]
    target = ROLE / "files" / f"constraints-{version}.txt"
    project.say(f"resolving {', '.join(wanted)}")
    with tempfile.TemporaryDirectory() as folder:
        asked, found = Path(folder) / "requirements.in", Path(folder) / "constraints.txt"
        asked.write_text("\n".join(wanted) + "\n")
        command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", OLDEST_PYTHON]
        # Constraints know no extras.
        command += ["--strip-extras", "--no-header", "--no-annotate", "--output-file", str(found), str(asked)]
        project.run(command, quiet=True)
        target.write_text(HEADER + found.read_text())


def main() -> None:
    """Pin them all, or those that are named."""
    for version in sys.argv[1:] or shipped():
        pin(version)


if __name__ == "__main__":
    project.main(main)
