"""Try the plugins with each ansible-core that README.md names: tests, then sanity, each with its own ansible-test.

`make test` has the one of requirements-dev.txt, and `make cores` the oldest and the newest: tests, not sanity. Each has
an environment of its own below build/matrix, on a Python that can run it: this machine's, Debian 13's, or else one that
uv downloads. Python 3.9, which a host may have but on which none of them runs, has the tests of what is sent to hosts,
with what the newest sends there itself. Names of versions on the command line choose some.
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
# Where a Python is from that stands neither on this machine nor at a host of downloads.
DEBIAN = "Debian 13"
# The oldest Python of a host, by its name here.
ON_HOSTS, PYTHON_ON_HOSTS = "3.9", ("3.9",)
# What runs on a controller or is sent to hosts by Ansible. What stands on hosts by itself does not know Ansible.
SUITES = (
    *(f"unit/{suite}" for suite in ("filter", "lookup", "module_utils", "modules", "plugin_utils")),
    "programs/modules",
)
# Beside ansible-core: what these suites import, in the versions that are locked.
BESIDE = ("pytest", "pytest-xdist")
# What is sent to hosts, or stands there for people; and what its tests import, in the last versions that run there.
SUITES_ON_HOSTS = ("unit/module_utils", "unit/modules", "unit/roles", "programs/modules")
HOST_NEEDS = ("pytest==8.4.2", "pytest-xdist==3.8.0", "cryptography", "jinja2", "PyYAML")


def interpreter(name: str) -> tuple[str, str]:
    """Return the version of Python for one of them, and where it is from: its path, Debian, or what uv downloads."""
    versions = PYTHONS.get(name, PYTHON_ON_HOSTS)
    for version in versions:
        # uv does not look there.
        there = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        found = next((str(it) for it in sorted(there.glob(f"{version}.*/bin/python"))), "")
        command = [f"{project.VENV}/bin/uv", "python", "find", "--no-python-downloads", "--system", version]
        found = found or project.run(command, quiet=True, check=False).stdout.strip()
        if found:
            return version, found
    if os.geteuid() == 0 and debian13.PYTHON in versions:
        return debian13.PYTHON, DEBIAN
    return versions[0], versions[0]


def environment(name: str) -> Path:
    """Make the virtual environment of one of them, and return where it is."""
    where = project.BUILD / "matrix" / name
    version, python = interpreter(name)
    wanted = HOST_NEEDS if name == ON_HOSTS else controller_needs(name)

    def work() -> None:
        project.say(f"making {where.relative_to(project.ROOT)} with Python {version}")
        if python == DEBIAN:
            debian13.make_venv(where)
        else:
            uv = project.VENV / "bin" / "uv"
            project.run([uv, "venv", "-q", "--clear", "--python", python, where], quiet=True)
        toolchain.uv_pip_install(where, *wanted)
        if name == ON_HOSTS:
            add_what_is_sent(where)

    with project.lock(f"matrix-{name}"):
        project.once(where / ".complete", project.digest(name, version, python, *wanted), work)
    return where


def controller_needs(core: str) -> list[str]:
    """Return what the environment of an ansible-core has."""
    requirements = (project.ROOT / "requirements-dev.txt").read_text().splitlines()
    return [f"ansible-core~={core}.0", *(line for line in requirements if line.partition("==")[0] in BESIDE)]


def add_what_is_sent(where: Path) -> None:
    """Put the newest ansible-core there, of which only what it sends to hosts can run on that Python."""
    download = [f"{project.VENV}/bin/python", "-m", "pip", "install", "-q", "--no-deps", "--ignore-requires-python"]
    for place in where.glob("lib/python*/site-packages"):
        project.run([*download, "--target", place, f"ansible-core~={NEWEST}.0"], quiet=True)


def tried(name: str, where: Path, sanity_too: bool) -> dict[str, bool]:
    """Return which of them passed, in an environment."""
    env = project.environment()
    env.update(VIRTUAL_ENV=str(where), PATH=f"{where / 'bin'}:{env['PATH']}")
    suites = SUITES_ON_HOSTS if name == ON_HOSTS else SUITES
    command = [f"{where}/bin/python", "-m", "pytest", "-q", "-n", str(os.cpu_count() or 1), "--dist", "worksteal"]
    command += [str(project.ROOT / "tests" / suite) for suite in suites]
    passed = {"unit": subprocess.run(command, check=False, env=env, cwd=project.ROOT).returncode == 0}
    if not sanity_too or name == ON_HOSTS:
        return passed
    command = [f"{where}/bin/python", str(Path(sanity.__file__))]
    passed["sanity"] = subprocess.run(command, check=False, env=env, cwd=project.ROOT).returncode == 0
    return passed


def shown(name: str) -> str:
    """Return what is tried, in words."""
    core = f"hosts of ansible-core {NEWEST}" if name == ON_HOSTS else f"ansible-core {name}"
    return f"{core}, Python {interpreter(name)[0]}"


def main() -> int:
    """Try those that are named, or all, and sum up."""
    everything = [*PYTHONS, ON_HOSTS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(everything)}")
    parser.add_argument("--ends", action="store_true", help="the oldest and the newest, without sanity")
    options = parser.parse_args()
    names = [OLDEST, NEWEST] if options.ends else options.names or everything
    unknown = sorted(set(names) - set(everything))
    if unknown:
        raise project.ToolError(f"nothing that is tried: {', '.join(unknown)}; there are {', '.join(everything)}")
    # All of them before the first takes its minutes.
    places = {name: environment(name) for name in names}
    found = {}
    for name, where in places.items():
        project.say(shown(name))
        found[name] = tried(name, where, sanity_too=not options.ends)
    for name, passed in found.items():
        for suite, well in passed.items():
            print(f"{'passed' if well else 'FAILED':8} {suite:8} {shown(name)}")
    return 0 if all(all(passed.values()) for passed in found.values()) else 1


if __name__ == "__main__":
    project.main(main)
