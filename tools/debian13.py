"""The Python of Debian 13, for a machine whose own is too old for the newest ansible-core.

It stands in a root file system below build/, which is made once and which commands are run in (in_debian13.sh), so that
neither a download host nor a registry is needed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import images
import project

RELEASE, PYTHON = "trixie", "3.13"
ROOT = project.BUILD / "debian13"
# What a controller needs, and ansible-test.
PACKAGES = ["ca-certificates", "git", "openssh-client", "python3", "python3-venv", "shellcheck"]
# Tells whether a command is in there already.
MARK = "/etc/mlops-debian13"
# Where a virtual environment has its Python. It is found by the name under which it was called.
SCRIPT = """\
#!/bin/sh
exec {enter} /bin/bash -c 'exec -a "$0" /usr/bin/python3 "$@"' {python} "$@"
"""


def inside() -> list[str]:
    """Return what to put before a command to run it there."""
    return [str(project.ROOT / "tools" / "in_debian13.sh"), str(ROOT), str(project.ROOT)]


def ensure() -> None:
    """Make it, unless it is there."""
    if os.geteuid() != 0:
        raise project.ToolError(f"Python {PYTHON} is not here, and Debian's takes root: please run this with sudo")

    def work() -> None:
        project.say(f"making a root file system with Python {PYTHON}; a minute, once")
        shutil.rmtree(ROOT, ignore_errors=True)
        ROOT.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            command = ["mmdebstrap", "--quiet", "--variant=minbase", "--format=directory"]
            command += ["--aptopt=Acquire::Retries 3", "--aptopt=Acquire::Languages none"]
            command += [f"--include={','.join(PACKAGES)}", *images.trust_hooks(Path(scratch))]
            project.run([*command, f'--customize-hook=touch "$1{MARK}"', RELEASE, ROOT], quiet=True)

    with project.lock("debian13"):
        project.once(project.BUILD / "debian13.complete", project.digest(RELEASE, *PACKAGES), work)


def make_venv(where: Path) -> None:
    """Make a virtual environment whose commands run there, wherever they are called."""
    ensure()
    project.run([*inside(), "/usr/bin/python3", "-m", "venv", "--clear", "--without-pip", where], quiet=True)
    python = where / "bin" / "python"
    for link in (python, *python.parent.glob("python3*")):
        link.unlink()
    python.write_text(SCRIPT.format(enter=" ".join(f"'{word}'" for word in inside()), python=f"'{python}'"))
    python.chmod(0o755)
    for name in ("python3", f"python{PYTHON}"):
        (python.parent / name).symlink_to("python")
