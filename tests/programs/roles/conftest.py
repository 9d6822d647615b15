"""A role's scripts, run as the role runs them, and what they work on."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

FILES = Path(__file__).resolve().parents[3] / "roles" / "mlflow_server" / "files"
MARKER = "requirements.txt"
VERSION = "9.9.9"
# Seconds for what pip does, beside other tests on a busy machine.
PATIENCE = 300
REQUIREMENTS = (f"mlflow[auth]=={VERSION}", "needed")


def write_wheel(folder, name, version="1.0", extra="", entry="", needs=""):
    """Write a wheel with one module and perhaps a command."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {needs}\n" if needs else ""
    files = {
        f"{name}.py": f"def main():\n    print('{name} {version}')\n",
        f"{info}/METADATA": metadata + (f"Provides-Extra: {extra}\n" if extra else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{entry}\n" if entry else "",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)


@pytest.fixture
def wheels(tmp_path):
    """A directory of wheels, with everything that is asked for."""
    folder = tmp_path / "all wheels"
    write_wheel(folder, "mlflow", VERSION, extra="auth", entry="mlflow = mlflow:main")
    write_wheel(folder, "needed")
    return folder


class Builder:
    """Runs build_environment.sh, with uv or, where there is none, with pip."""

    def __init__(self, home):
        self.home = home
        self.install_dir = home / "opt mlflow"
        self.environment = self.install_dir / VERSION
        self.workshop = self.install_dir / f".{VERSION}.new"
        self.former = self.install_dir / f".{VERSION}.old"

    def start(self, requirements=REQUIREMENTS, lean="", wheel_dir="", index_url="", uv=True, under=(), variables=None):
        """Begin to build."""
        script = "".join((FILES / name).read_text() for name in ("works.sh", "build_environment.sh"))
        given = [self.install_dir, VERSION, MARKER, "\n".join(requirements), lean, wheel_dir, index_url]
        # Nothing of what this machine is configured with, and uv stands beside this interpreter.
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin" if uv else "/usr/bin:/bin"
        return subprocess.Popen(
            [*under, "sh", "-euc", script, "build", "/usr/bin/python3", *map(str, given)],
            env={"PATH": path, "HOME": str(self.home), "NO_PROXY": "*", **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def build(self, **options):
        """Build; return the exit code, what it printed and what it complained of."""
        process = self.start(**options)
        output, errors = process.communicate(timeout=PATIENCE)
        return process.returncode, output, errors

    def left(self):
        """The names of all that is there."""
        return sorted(os.listdir(self.install_dir))


@pytest.fixture
def builder(tmp_path):
    return Builder(tmp_path)
