"""Get this machine ready: system packages, then the virtual environments under build/.

Safe to run again: what is complete is left alone. See also `make help`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import machine
import project

OLDEST_PYTHON = (3, 11)
# Packages' own tests, and the collections of the ansible package: Ansible compiles those that it loads by itself.
NEVER_LOADED = r"/site-packages/(ansible_collections/|.*/tests/)"

PACKAGES = [
    "ca-certificates",
    "git",
    "python3-venv",
    "shellcheck",  # ansible-test sanity leaves its test out without it
    # Throwaway systemd hosts: tools/testhosts.py.
    "podman",
    "netavark",
    "aardvark-dns",
    "iptables",  # netavark calls it, but does not depend on it
    "iproute2",
    "mmdebstrap",
    "debian-archive-keyring",
    "gpg",
    "mount",
    "restic",  # tests/programs make backups with it
    "openssh-client",
    "postgresql",  # and those of copies that somebody keeps waiting
    "strace",  # shows what a power cut would leave of an environment
    "chromium",  # tests/e2e signs in as a person would
    "sslscan",  # and lets somebody else say how good a proxy's TLS is
    "nftables",  # counts the connections of an address
    "xfsprogs",  # tests/servers fill a disk of their own
]


def wanted_packages() -> list[str]:
    """Return the system packages needed on this machine."""
    return PACKAGES if machine.unified_cgroups() else [*PACKAGES, "runc"]


def missing_packages() -> list[str]:
    """Return the system packages that are not installed yet."""
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted_packages()]
    found = project.run(query, quiet=True, check=False).stdout.splitlines()
    installed = {line.split()[0] for line in found if line.endswith(" installed")}
    return [name for name in wanted_packages() if name not in installed]


def install_packages() -> None:
    """Install what is missing, or say what is."""
    if not shutil.which("dpkg-query"):
        raise project.ToolError("this needs Debian or Ubuntu: dpkg-query was not found")
    missing = missing_packages()
    if not missing:
        return
    names = " ".join(missing)
    if os.geteuid() != 0:
        raise project.ToolError(f"not root, so please: sudo apt-get install {names}")
    project.say(f"installing system packages: {names}")
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    env = {**project.environment(), "DEBIAN_FRONTEND": "noninteractive"}
    project.run([*apt, "update"], quiet=True, env=env)
    project.run([*apt, "install", "-y", "--no-install-recommends", *missing], quiet=True, env=env)


def find_python() -> str:
    """Return a real interpreter that is new enough, preferably the distribution's."""
    check = f"import sys, venv, ensurepip; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    for candidate in ("/usr/bin/python3", os.path.realpath(sys.executable)):
        tried = subprocess.run([candidate, "-c", check], check=False, capture_output=True)
        if tried.returncode == 0:
            return candidate
    needed = ".".join(map(str, OLDEST_PYTHON))
    raise project.ToolError(f"no Python {needed} or newer with the venv module was found")


def locked(name: str) -> list[str | Path]:
    """Return pip's arguments for one set of requirements and its lock."""
    return [
        *("-r", project.ROOT / f"requirements-{name}.txt"),
        *("-c", project.ROOT / "tools" / "locks" / f"{name}.txt"),
    ]


def pinned_uv() -> str:
    """Return the requirement for uv itself, which pip has to install."""
    lines = (project.ROOT / "requirements-dev.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith("uv=="))


def make_venv(name: str, where: Path) -> None:
    """Make one virtual environment, or complete it."""
    python = find_python()
    version = project.run([python, "--version"], quiet=True).stdout
    inputs = [Path(word).read_text() for word in locked(name)[1::2]]

    def work() -> None:
        if name == "dev":
            bootstrap_uv(python, where)
        else:
            uv = project.VENV / "bin" / "uv"
            project.run([uv, "venv", "-q", "--clear", "--python", python, where], quiet=True)
        project.say(f"installing requirements-{name}.txt into {where.relative_to(project.ROOT)}")
        uv_pip_install(where, "--only-binary", ":all:", *locked(name))

    project.once(where / ".complete", project.digest(python, version, *inputs), work)


def bootstrap_uv(python: str, where: Path) -> None:
    """Make a virtual environment with uv, which is much faster than pip at the rest."""
    project.say(f"making {where.relative_to(project.ROOT)}")
    project.run([python, "-m", "venv", "--clear", where], quiet=True)
    pip = [f"{where}/bin/python", "-m", "pip", "install", "-q", "--only-binary", ":all:"]
    project.run([*pip, "--disable-pip-version-check", pinned_uv()], quiet=True)


def uv_pip_install(where: Path, *arguments: str | Path) -> None:
    """Install into a virtual environment, and compile what may be loaded: most commands here write no bytecode."""
    uv, python = f"{project.VENV}/bin/uv", f"{where}/bin/python"
    project.run([uv, "pip", "install", "-q", "--python", python, *arguments], quiet=True)
    # Some packages bring files that are for other Pythons.
    project.run(
        [python, "-m", "compileall", "-qq", "-j", "0", "-x", NEVER_LOADED, where / "lib"], quiet=True, check=False
    )


def make_next() -> None:
    """Make the environment of the MLflow that comes after the newest: what that has, with another mlflow.

    Where an index does not have its mlflow-skinny and mlflow-tracing, these stay as they are, and are overwritten: its
    wheel has all that they have.
    """
    where = project.BUILD / project.NEXT_MLFLOW
    version = project.NEXT_MLFLOW.removeprefix("mlflow-")

    def work() -> None:
        make_venv("mlflow", where)
        project.say(f"installing MLflow {version} into {where.relative_to(project.ROOT)}")
        try:
            uv_pip_install(where, "--only-binary", ":all:", f"mlflow[auth]=={version}")
        except project.ToolError:
            uv_pip_install(where, "--only-binary", ":all:", "--no-deps", f"mlflow=={version}")

    inputs = [Path(word).read_text() for word in locked("mlflow")[1::2]]
    project.once(project.NEXT_STAMP, project.digest(version, *inputs), work)


def lock() -> None:
    """Pin everything below the requirements, for every supported Python."""
    for name in ("dev", "galaxy-importer", "mlflow", *project.OLDER_MLFLOWS, *project.BETWEEN_MLFLOWS):
        target = project.ROOT / "tools" / "locks" / f"{name}.txt"
        project.say(f"resolving requirements-{name}.txt")
        project.run(
            [
                *(project.VENV / "bin" / "uv", "pip", "compile", "-q", "--upgrade"),
                *("--universal", "--python-version", ".".join(map(str, OLDEST_PYTHON))),
                *("--no-header", "--no-annotate", "-o", target),
                project.ROOT / f"requirements-{name}.txt",
            ],
            quiet=True,
        )
        header = f"# Written by `make lock` from requirements-{name}.txt.\n"
        target.write_text(header + target.read_text())


def main() -> None:
    """Parse the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlflow", action="store_true", help="also build/mlflow, a real MLflow")
    parser.add_argument("--servers", action="store_true", help="also every MLflow that the modules are tested against")
    parser.add_argument("--between", action="store_true", help="also the one between these, which `make between` tries")
    parser.add_argument("--next", action="store_true", help="also the one after the newest, which `make next` tries")
    parser.add_argument("--lock", action="store_true", help="renew tools/locks/ instead")
    options = parser.parse_args()
    install_packages()
    with project.lock("toolchain"):
        make_venv("dev", project.VENV)
        if options.mlflow or options.servers:
            make_venv("mlflow", project.BUILD / "mlflow")
        for name in project.OLDER_MLFLOWS if options.servers else ():
            make_venv(name, project.BUILD / name)
        for name in project.BETWEEN_MLFLOWS if options.between else ():
            make_venv(name, project.BUILD / name)
        if options.next:
            make_next()
        elif options.servers:
            # Some tests try it where the index has it, and are not there elsewhere.
            with contextlib.suppress(project.ToolError):
                make_next()
        if options.lock:
            lock()


if __name__ == "__main__":
    project.main(main)
