"""Run `ansible-test sanity`, with no exceptions, on a copy of the checkout.

ansible-test wants real files at …/ansible_collections/mlops/mlflow, and keeps
its own virtual environments in the home directory: both stand under build/.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

import project

SANITY = project.BUILD / "sanity"
COPY = SANITY / "ansible_collections" / "mlops" / "mlflow"
HOME = SANITY / "home"

# Stands in for pip's bootstrap script: installs pip from the wheel beside it.
BOOTSTRAP = """\
import pathlib, sys
wheel = next(pathlib.Path(__file__).parent.glob("pip-{version}-*.whl"))
sys.path.insert(0, str(wheel))
from pip._internal.cli.main import main
words = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(main(["install", "--upgrade", "--force-reinstall", *words]))
"""


def internals(name: str) -> str:
    """Return the text of one of ansible-test's own files."""
    spec = importlib.util.find_spec("ansible_test")
    if spec is None or not spec.submodule_search_locations:
        raise project.ToolError("ansible-test is not installed; `make toolchain` does that")
    return (Path(spec.submodule_search_locations[0]) / name).read_text()


def found(pattern: str, text: str) -> str:
    """Return what the pattern captures."""
    match = re.search(pattern, text)
    if not match:
        raise project.ToolError(f"ansible-test has changed: no {pattern}")
    return match.group(1)


def reachable(url: str) -> bool:
    """Say whether a file can be downloaded."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=10):
            return True
    except (urllib.error.URLError, TimeoutError):
        return False


def bootstrap_pip() -> None:
    """Help ansible-test to a pip where its download host cannot be reached."""
    with project.lock("bootstrap"):
        HOME.mkdir(parents=True, exist_ok=True)
        fetch_pip()


def fetch_pip() -> None:
    """Put it where ansible-test looks first, unless it stands there or can be downloaded."""
    version = found(r"pip='([0-9.]+)'", internals("_internal/python_requirements.py"))
    setup = internals("_util/target/setup/requirements.py")
    url = found(r"url = '(https://[^']+)%s.py' % pip_version", setup) + f"{version}.py"
    cache = HOME / ".ansible" / "test" / "cache"
    script = cache / f"get_pip_{version.replace('.', '_')}.py"
    if script.exists() or reachable(url):
        return
    project.say(f"the download host of ansible-test is not reachable: pip {version} from the index")
    cache.mkdir(parents=True, exist_ok=True)
    # The environment of another ansible-core has no pip.
    download = [f"{project.VENV}/bin/python", "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    project.run([*download, "-d", cache, f"pip=={version}"], quiet=True)
    script.write_text(BOOTSTRAP.format(version=version))


def environment() -> dict[str, str]:
    """Return the environment of ansible-test."""
    env = project.environment()
    pip_conf = Path(env.get("HOME", "/root")) / ".config" / "pip" / "pip.conf"
    if pip_conf.exists():
        env.setdefault("PIP_CONFIG_FILE", str(pip_conf))
    # Real interpreters only: it cannot work with the shims of version managers.
    path = [str(Path(sys.executable).parent), "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    env.update(HOME=str(HOME), PATH=":".join(path))
    for name in ("ANSIBLE_HOME", "ANSIBLE_COLLECTIONS_PATH", "PYTHONDONTWRITEBYTECODE"):
        env.pop(name, None)
    return env


def main() -> int:
    """Run the tests named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arguments", nargs="*", help="passed on, such as: --test validate-modules")
    options, more = parser.parse_known_args()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    with project.lock("sanity"):
        bootstrap_pip()
        project.copy_sources(COPY)
        # Else ansible-test asks the checkout's git, which ignores all under build/.
        project.run(["git", "init", "-q", COPY], quiet=True)
        command = ["ansible-test", "sanity", "--local", "--python", python, "--color", "no"]
        command += [*options.arguments, *more]
        return project.run(command, check=False, env=environment(), cwd=COPY).returncode


if __name__ == "__main__":
    project.main(main)
