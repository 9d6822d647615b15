"""Try the plugins with each ansible-core that README.md names: tests, then sanity, each with its own ansible-test.

`make test` has the one of requirements-dev.txt. Every other has an environment of its own below build/matrix, on a
Python that can run it, which uv finds on this machine or downloads. Names of versions on the command line choose some.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import project
import sanity
import toolchain

# The Python that a controller of each has: all of 3.10 to 3.13 are among them.
PYTHONS = {"2.17": "3.10", "2.18": "3.11", "2.19": "3.13", "2.20": "3.12", "2.21": "3.13"}
# What runs on a controller or is sent to hosts by Ansible. What stands on hosts by itself does not know Ansible.
SUITES = (
    *(f"unit/{suite}" for suite in ("filter", "lookup", "module_utils", "modules", "plugin_utils")),
    "programs/modules",
)
# Beside ansible-core: what these suites import, in the versions that are locked.
BESIDE = ("pytest", "pytest-xdist")


def interpreter(version: str) -> str:
    """Return a Python that pyenv has of this version, which uv does not look for; otherwise the version, for uv."""
    there = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return next((str(it) for it in sorted(there.glob(f"{version}.*/bin/python"))), version)


def environment(core: str) -> Path:
    """Make the virtual environment of one ansible-core, and return where it is."""
    where = project.BUILD / "matrix" / core
    requirements = (project.ROOT / "requirements-dev.txt").read_text().splitlines()
    wanted = [line for line in requirements if line.partition("==")[0] in BESIDE]

    def work() -> None:
        uv = project.VENV / "bin" / "uv"
        project.say(f"making {where.relative_to(project.ROOT)} with Python {PYTHONS[core]}")
        project.run([uv, "venv", "-q", "--clear", "--python", interpreter(PYTHONS[core]), where], quiet=True)
        toolchain.uv_pip_install(where, f"ansible-core~={core}.0", *wanted)

    project.once(where / ".complete", project.digest(core, PYTHONS[core], *wanted), work)
    return where


def tried(core: str) -> dict[str, bool]:
    """Return which of both passed."""
    where = environment(core)
    env = project.environment()
    env.update(VIRTUAL_ENV=str(where), PATH=f"{where / 'bin'}:{env['PATH']}")
    folders = [str(project.ROOT / "tests" / suite) for suite in SUITES]
    command = [
        f"{where}/bin/python",
        "-m",
        "pytest",
        "-q",
        "-n",
        str(os.cpu_count() or 1),
        "--dist",
        "worksteal",
        *folders,
    ]
    passed = {"unit": subprocess.run(command, check=False, env=env, cwd=project.ROOT).returncode == 0}
    command = [f"{where}/bin/python", str(Path(sanity.__file__))]
    passed["sanity"] = subprocess.run(command, check=False, env=env, cwd=project.ROOT).returncode == 0
    return passed


def main() -> int:
    """Try those that are named, or all, and sum up."""
    cores = sys.argv[1:] or list(PYTHONS)
    unknown = sorted(set(cores) - set(PYTHONS))
    if unknown:
        raise project.ToolError(
            f"no version of ansible-core that is tried: {', '.join(unknown)}; there are {', '.join(PYTHONS)}"
        )
    found = {}
    for core in cores:
        project.say(f"ansible-core {core} on Python {PYTHONS[core]}")
        found[core] = tried(core)
    for core, passed in found.items():
        for suite, well in passed.items():
            print(f"{'passed' if well else 'FAILED':8} {suite:8} ansible-core {core}, Python {PYTHONS[core]}")
    return 0 if all(all(passed.values()) for passed in found.values()) else 1


if __name__ == "__main__":
    project.main(main)
