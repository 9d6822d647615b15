"""Make a release: date the changelog, build the archive, commit and tag. Nothing leaves this machine.

The two commands that publish it are printed. With --check, only whether it could be made is looked at.
"""

from __future__ import annotations

import argparse
import re
from typing import Any

import project
import yaml

import build

# A release is X.Y.Z; what comes before one may be tried out as X.Y.Z-rc.1.
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([a-z]+)\.(0|[1-9]\d*))?")
GALAXY = project.ROOT / "galaxy.yml"


def order(version: str) -> tuple[int, int, int, bool, str, int]:
    """Return by what versions are compared; that of 1.0.0-rc.1 is less than that of 1.0.0."""
    match = VERSION.fullmatch(version)
    if not match:
        raise project.ToolError(f"{version!r} is not a version such as 1.0.0 or 1.1.0-rc.1")
    major, minor, patch, name, number = match.groups()
    return int(major), int(minor), int(patch), name is None, name or "", int(number or 0)


def git(*words: str) -> str:
    """Return what git answers."""
    return project.run(["git", *words], quiet=True).stdout.strip()


def tag(version: str) -> str:
    """Return the name of a release's tag."""
    return f"v{version}"


def check(version: str) -> None:
    """Refuse a release that should not be made."""
    wanted = order(version)
    changed = git("status", "--porcelain").splitlines()
    if changed:
        raise project.ToolError("commit or remove these first:\n" + "\n".join(changed))
    made = yaml.safe_load((project.ROOT / "changelogs" / "changelog.yaml").read_text())["releases"]
    newest = max(made, key=order, default=None)
    if newest is not None and order(newest) >= wanted:
        raise project.ToolError(f"{version} does not come after {newest}, which the changelog has")
    if git("tag", "--list", tag(version)):
        raise project.ToolError(f"the tag {tag(version)} is there already")
    if not any((project.ROOT / "changelogs" / "fragments").glob("*.yml")):
        raise project.ToolError("nothing has changed since the last release: changelogs/fragments is empty")
    project.run(["antsibull-changelog", "lint"], quiet=True)


def write(version: str) -> dict[str, Any]:
    """Write the version and the changelog, and return galaxy.yml."""
    text, found = re.subn(r"(?m)^version: .*$", f"version: {version}", GALAXY.read_text())
    if found != 1:
        raise project.ToolError("galaxy.yml has no line with the version")
    GALAXY.write_text(text)
    project.run(["antsibull-changelog", "release", "--version", version], quiet=True)
    galaxy: dict[str, Any] = yaml.safe_load(text)
    return galaxy


def release(version: str) -> None:
    """Make the release, or leave the checkout as it was."""
    before = git("rev-parse", "HEAD")
    try:
        galaxy = write(version)
        archive = build.built().relative_to(project.ROOT)
        git("add", "--all")
        git("commit", "--quiet", "--message", f"Release {version}")
        git("tag", "--annotate", tag(version), "--message", f"{galaxy['namespace']}.{galaxy['name']} {version}")
    except BaseException:
        # It was clean, so that all that is to be undone is from here.
        git("reset", "--quiet", "--hard", before)
        git("clean", "--quiet", "--force", "CHANGELOG.md", "CHANGELOG.rst", "changelogs")
        raise
    name = f"{galaxy['namespace']}.{galaxy['name']} {version}"
    print(
        f"{name} is committed, tagged and built; nothing has left this machine.\n"
        f"These publish it, once names and addresses in galaxy.yml are what you want ({galaxy['repository']}):\n\n"
        f"  git push --atomic {galaxy['repository']} HEAD {tag(version)}\n"
        f"  ansible-galaxy collection publish {archive}\n\n"
        f"To take it back instead: git tag -d {tag(version)} && git reset --hard {before[:12]}"
    )


def main() -> None:
    """Parse the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", help="such as 1.0.0")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    check(options.version)
    if not options.check:
        release(options.version)


if __name__ == "__main__":
    project.main(main)
