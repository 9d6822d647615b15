"""Run molecule's scenarios, and trust its exit code only.

A scenario that fails may keep molecule from its own destroy: the hosts are
removed here, whatever happened.
"""

from __future__ import annotations

import sys

import project
import testhosts

HOSTS = ["debian12", "debian13"]


def main() -> int:
    """Run the scenarios named, or all."""
    names = [word for name in sys.argv[1:] for word in ("--scenario-name", name)]
    with project.lock("molecule"):
        testhosts.ready_machine()
        testhosts.down(HOSTS)
        # Molecule remembers what it did to hosts that are gone.
        project.run(["molecule", "reset", *(names or ["--all"])], quiet=True, check=False)
        try:
            command = ["molecule", "test", "--no-command-borders", *(names or ["--all"])]
            return project.run(command, check=False).returncode
        finally:
            testhosts.down(HOSTS)


if __name__ == "__main__":
    project.main(main)
