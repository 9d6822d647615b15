"""Build the collection and install it into build/collections, when its files have changed.

Everything that runs Ansible here uses that installed copy, so that what is
tested is what users get.
"""

from __future__ import annotations

import fnmatch
import shutil
from pathlib import Path

import project
import yaml

STAGE = project.BUILD / "stage"
STAMP = project.COLLECTIONS / ".complete"


def shipped(ignored: list[str]) -> list[Path]:
    """Return the checkout's files that belong to the archive."""
    found = []
    for file in project.sources():
        name = file.relative_to(project.ROOT)
        ways = [str(name), *(str(parent) for parent in name.parents)]
        if not any(fnmatch.fnmatch(way, pattern) for way in ways for pattern in ignored):
            found.append(file)
    return found


def build(archive: Path) -> None:
    """Build and install the archive."""
    project.say(f"building {archive.name}")
    # From a copy, so that nothing git ignores can slip in.
    project.copy_sources(STAGE)
    galaxy = ["ansible-galaxy", "collection"]
    project.run([*galaxy, "build", "--force", "--output-path", archive.parent, STAGE], quiet=True)
    install = [*galaxy, "install", "--offline", "--no-deps", "--force", "-p", str(project.COLLECTIONS)]
    project.run([*install, archive], quiet=True)
    shutil.rmtree(STAGE)


def built() -> Path:
    """Build if need be, and return the archive."""
    galaxy = yaml.safe_load((project.ROOT / "galaxy.yml").read_text())
    archive = project.BUILD / f"{galaxy['namespace']}-{galaxy['name']}-{galaxy['version']}.tar.gz"
    with project.lock("build"):
        if not archive.exists():
            STAMP.unlink(missing_ok=True)
        wanted = project.fingerprint(shipped(galaxy["build_ignore"]))

        def work() -> None:
            # A run on hosts goes on with the code that it began with.
            with project.lock("hosts"), project.lock("lives"), project.lock("molecule"):
                build(archive)

        project.once(STAMP, wanted, work)
    return archive


def main() -> None:
    """Build if need be."""
    built()


if __name__ == "__main__":
    project.main(main)
