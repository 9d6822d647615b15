"""Import the archive as Galaxy does, and take nothing that it complains of.

It needs other versions than the tools, so it has an environment of its own. What it would run of `ansible-test` is
`make sanity` here. An archive that was fine is not looked at again.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import project
import toolchain

import build

HOME = project.BUILD / "galaxy-importer"
COMPLAINTS = ("WARNING:", "ERROR:")
SLOW = "ERROR: Timeout on call to ansible-lint"


def environment() -> dict[str, str]:
    """Return the environment of the importer, whose ansible-doc and ansible-lint are its own."""
    env = project.environment()
    env.update(
        PATH=os.pathsep.join((str(HOME / "bin"), env["PATH"])),
        VIRTUAL_ENV=str(HOME),
        GALAXY_IMPORTER_ANSIBLE_LOCAL_TMP=str(HOME / "tmp"),
    )
    return env


def imported(archive: Path) -> list[str]:
    """Import an archive, and return what it is complained of."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(HOME / "bin" / "python"), "-m", "galaxy_importer.main", str(archive)]
        # It leaves a file with what it found where it is called.
        done = project.run(command, quiet=True, check=False, env=environment(), cwd=Path(folder))
    said = f"{done.stdout}{done.stderr}".splitlines()
    wrong = [line for line in said if line.startswith(COMPLAINTS)]
    return wrong or (said if done.returncode != 0 else [])


def refuse_complaints(archive: Path) -> None:
    """Raise what Galaxy would say."""
    wrong = imported(archive)
    if wrong == [SLOW]:
        project.say("ansible-lint had no more than the importer's three minutes on a busy machine: once more")
        wrong = imported(archive)
    if wrong:
        raise project.ToolError("Galaxy would complain:\n" + "\n".join(wrong))


def main() -> None:
    """Import the archive, unless this very one was fine before."""
    archive = build.built()
    with project.lock("galaxy-importer"):
        with project.lock("toolchain"):
            toolchain.make_venv("galaxy-importer", HOME)

        seen = (HOME / ".complete").read_text() + build.STAMP.read_text()
        project.once(HOME / ".imported", seen, lambda: refuse_complaints(archive))


if __name__ == "__main__":
    project.main(main)
