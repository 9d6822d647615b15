"""What all tools here share: paths, the environment of the project, messages, stamps, locks.

Standard library only: this runs before the virtual environments exist.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
VENV = BUILD / "venv"
# The newest MLflow that is supported. `make next` puts the one that comes after it in its place.
MLFLOW = BUILD / os.environ.get("MLOPS_MLFLOW_NEWEST", "mlflow")
NEXT_MLFLOW = "mlflow-3.18.0"
# Written last: that there is one.
NEXT_STAMP = BUILD / NEXT_MLFLOW / ".next"
# Further servers that the modules are tested against, each in a directory of its name under build/.
OLDER_MLFLOWS = ("mlflow-2.22.4", "mlflow-3.12.0")
# And one that is only tried when somebody asks for it: `make between`, which sets this.
BETWEEN_MLFLOWS = ("mlflow-3.15.2",)
BETWEEN = "MLOPS_MLFLOW_BETWEEN"
COLLECTIONS = BUILD / "collections"
INVENTORY = BUILD / "inventory" / "hosts.yml"
CONTAINERS_CONF = BUILD / "containers.conf"
# Names of the locks that a process has from who started it.
HELD_LOCKS = "MLOPS_MLFLOW_HELD_LOCKS"
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")

# Two checkouts on one machine must not share containers, networks or images.
CHECKOUT_ID = hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]
# How Ansible begins a line about what is not as it should be.
WARNINGS = ("[WARNING]", "[DEPRECATION WARNING]")


class ToolError(Exception):
    """Something the caller can act on: shown without a traceback."""


def between_mlflows() -> list[str]:
    """Return the MLflow to try between the older ones and the newest; none where nobody asks for it."""
    return list(BETWEEN_MLFLOWS) if BETWEEN in os.environ else []


def next_mlflows() -> list[str]:
    """Return the MLflow to try beside the newest; none where the index does not have it, or where it is the newest."""
    return [NEXT_MLFLOW] if NEXT_STAMP.exists() and MLFLOW.name != NEXT_MLFLOW else []


def say(text: str) -> None:
    """Print one line of progress, beside what a command answers."""
    print(f"==> {text}", file=sys.stderr, flush=True)


def environment() -> dict[str, str]:
    """Return the environment in which every command of the project runs."""
    env = dict(os.environ)
    cache = BUILD / "cache"
    env.update(
        PATH=f"{VENV / 'bin'}:{env.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}",
        VIRTUAL_ENV=str(VENV),
        # Nothing of ours belongs in the user's home.
        ANSIBLE_HOME=str(BUILD / "ansible"),
        XDG_CACHE_HOME=str(cache),
        PIP_CACHE_DIR=str(cache / "pip"),
        UV_CACHE_DIR=str(cache / "uv"),
        PYTHONDONTWRITEBYTECODE="1",
        # The bundle of the ansible package is found by itself, after this.
        ANSIBLE_COLLECTIONS_PATH=str(COLLECTIONS),
        # How Ansible gets to throwaway hosts.
        ANSIBLE_CONNECTION_PLUGINS=str(ROOT / "tools" / "connection"),
        ANSIBLE_INJECT_FACT_VARS="false",
        ANSIBLE_NOCOWS="1",
        ANSIBLE_LOCALHOST_WARNING="false",
        ANSIBLE_INVENTORY_UNPARSED_WARNING="false",
        MOLECULE_GLOB="molecule/*/molecule.yml",
    )
    env.pop("PYTHONHOME", None)
    if CA_BUNDLE.exists():
        # pip and uv carry their own list of authorities: use the machine's instead.
        for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            env.setdefault(name, str(CA_BUNDLE))
    if CONTAINERS_CONF.exists():
        env["CONTAINERS_CONF"] = str(CONTAINERS_CONF)
    return env


def run(
    command: Sequence[str | Path],
    *,
    quiet: bool = False,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
) -> subprocess.CompletedProcess[str]:
    """Run a command; with quiet its output is kept, and shown only if it fails."""
    words = [str(word) for word in command]
    result = subprocess.run(
        words,
        cwd=cwd,
        env=environment() if env is None else env,
        text=True,
        check=False,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.PIPE if quiet else None,
    )
    if check and result.returncode != 0:
        output = f"{result.stdout or ''}{result.stderr or ''}".strip()
        shown = " ".join(words)
        raise ToolError(f"failed ({result.returncode}): {shown}\n{output}".rstrip())
    return result


def digest(*parts: str | bytes) -> str:
    """Return one short hash of several inputs."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:16]


def once(stamp: Path, wanted: str, work: Callable[[], None]) -> bool:
    """Do the work unless the stamp says that these very inputs were completed before."""
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    # Removed first, written last: a killed run leaves nothing that looks complete.
    stamp.unlink(missing_ok=True)
    work()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)
    return True


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Let one process of this checkout, with all that it starts, do the thing called name."""
    held = os.environ.get(HELD_LOCKS, "").split()
    if name in held:
        yield
        return
    path = BUILD / "locks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run to finish with: {name}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        os.environ[HELD_LOCKS] = " ".join([*held, name])
        try:
            yield
        finally:
            os.environ[HELD_LOCKS] = " ".join(held)


def sources(*under: str) -> list[Path]:
    """Return the files of the checkout: tracked, or new and not ignored."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"]
    listed = run([*command, "--", *under], quiet=True).stdout.split("\0")
    return [ROOT / name for name in sorted(set(listed)) if name and (ROOT / name).is_file()]


def copy_sources(target: Path) -> None:
    """Make target a copy of the checkout's files: real ones, and no others."""
    shutil.rmtree(target, ignore_errors=True)
    for file in sources():
        copy = target / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy, follow_symlinks=False)


def fingerprint(files: Iterable[Path]) -> str:
    """Return a hash of the names, modes and contents of files."""
    return digest(*(f"{file}\0{file.stat().st_mode & 0o111}\0".encode() + file.read_bytes() for file in files))


def tidy_up_when_told_to_end() -> None:
    """Let SIGTERM end this process as Ctrl-C does, by way of everything that stops and removes."""

    def interrupted(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)


def main(work: Callable[[], int | None]) -> None:
    """Run a tool: timing, clear errors, exit code."""
    started = time.monotonic()
    try:
        code = work() or 0
    except (ToolError, PermissionError) as error:
        print(f"ERROR: {error}", file=sys.stderr, flush=True)
        code = 1
    except KeyboardInterrupt:
        code = 130
    seconds = time.monotonic() - started
    if seconds > 5:
        say(f"{Path(sys.argv[0]).name}: {seconds:.0f} s")
    sys.exit(code)
