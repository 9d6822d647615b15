"""Try the plugins with each ansible-core that README.md names: tests, then sanity, each with its own ansible-test.

`make test` has the one of requirements-dev.txt, and `make cores` the oldest and the newest: tests, not sanity. Each has
an environment of its own below build/matrix, on a Python that can run it: this machine's, Debian 13's, or else one that
uv downloads. Names of versions on the command line choose some.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path

import debian13
import project
import sanity
import toolchain

# The Pythons that each can run on, the preferred first: where all are to be had, 3.10 to 3.13 are among those.
PYTHONS = {
    "2.17": ("3.10", "3.11", "3.12"),
    "2.18": ("3.11", "3.12", "3.13"),
    "2.19": ("3.13", "3.12", "3.11"),
    "2.20": ("3.12", "3.13", "3.14"),
    "2.21": ("3.13", "3.12", "3.14"),
}
OLDEST, NEWEST = min(PYTHONS), max(PYTHONS)
# What runs on a controller or is sent to hosts by Ansible. What stands on hosts by itself does not know Ansible.
SUITES = (
    *(f"unit/{suite}" for suite in ("filter", "lookup", "module_utils", "modules", "plugin_utils")),
    "programs/modules",
)
# Beside ansible-core: what these suites import, in the versions that are locked.
BESIDE = ("pytest", "pytest-xdist")


def interpreter(core: str) -> tuple[str, str]:
    """Return the version of Python for an ansible-core, and its path; none where this machine does not have it."""
    for version in PYTHONS[core]:
        # uv does not look there.
        there = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        found = next((str(it) for it in sorted(there.glob(f"{version}.*/bin/python"))), "")
        command = [f"{project.VENV}/bin/uv", "python", "find", "--no-python-downloads", "--system", version]
        found = found or project.run(command, quiet=True, check=False).stdout.strip()
        if found:
            return version, found
    # Without root, uv may get one.
    from_debian = os.geteuid() == 0 and debian13.PYTHON in PYTHONS[core]
    return (debian13.PYTHON if from_debian else PYTHONS[core][0]), ""


def environment(core: str) -> Path:
    """Make the virtual environment of one ansible-core, and return where it is."""
    where = project.BUILD / "matrix" / core
    requirements = (project.ROOT / "requirements-dev.txt").read_text().splitlines()
    wanted = [line for line in requirements if line.partition("==")[0] in BESIDE]
    version, python = interpreter(core)

    def work() -> None:
        project.say(f"making {where.relative_to(project.ROOT)} with Python {version}")
        if python or version != debian13.PYTHON or os.geteuid() != 0:
            uv = project.VENV / "bin" / "uv"
            project.run([uv, "venv", "-q", "--clear", "--python", python or version, where], quiet=True)
        else:
            debian13.make_venv(where)
        toolchain.uv_pip_install(where, f"ansible-core~={core}.0", *wanted)

    with project.lock(f"matrix-{core}"):
        project.once(where / ".complete", project.digest(core, version, python, *wanted), work)
    return where


def tried(where: Path, sanity_too: bool) -> dict[str, bool]:
    """Return which of them passed, in an environment."""
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
    if not sanity_too:
        return passed
    command = [f"{where}/bin/python", str(Path(sanity.__file__))]
    passed["sanity"] = subprocess.run(command, check=False, env=env, cwd=project.ROOT).returncode == 0
    return passed


def main() -> int:
    """Try those that are named, or all, and sum up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cores", nargs="*", help=f"of {', '.join(PYTHONS)}")
    parser.add_argument("--ends", action="store_true", help="the oldest and the newest, without sanity")
    options = parser.parse_args()
    cores = [OLDEST, NEWEST] if options.ends else options.cores or list(PYTHONS)
    unknown = sorted(set(cores) - set(PYTHONS))
    if unknown:
        raise project.ToolError(
            f"no version of ansible-core that is tried: {', '.join(unknown)}; there are {', '.join(PYTHONS)}"
        )
    # All of them before the first takes its minutes.
    places = {core: environment(core) for core in cores}
    found = {}
    for core, where in places.items():
        project.say(f"ansible-core {core} on Python {interpreter(core)[0]}")
        found[core] = tried(where, sanity_too=not options.ends)
    for core, passed in found.items():
        for suite, well in passed.items():
            print(f"{'passed' if well else 'FAILED':8} {suite:8} ansible-core {core}, Python {interpreter(core)[0]}")
    return 0 if all(all(passed.values()) for passed in found.values()) else 1


if __name__ == "__main__":
    project.main(main)
