"""Run the stages of `make test`, and sum up.

They go on in two lanes side by side: most of the time one of them waits. A failed stage does not stop the others:
one run shows all that is wrong. Hosts that a stage leaves behind are removed; hosts that ran before stay.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import project
import testhosts

# What goes on in the first lane, about half of the work; molecule and e2e take turns with each other on hosts.
FIRST_LANE = ("lint", "unit", "molecule", "e2e")


@dataclass(frozen=True)
class Result:
    """How one stage went."""

    name: str
    passed: bool
    seconds: float

    def __str__(self) -> str:
        """Return the line that sums it up."""
        return f"{'passed' if self.passed else 'FAILED':8} {self.name:12} {self.seconds:6.0f} s"


class Runner:
    """Runs stages, and shows what they print, line by line."""

    def __init__(self) -> None:
        self.speaking = threading.Lock()

    def stage(self, name: str) -> Result:
        """Run one stage."""
        project.say(f"make {name}")
        started = time.monotonic()
        command = ["make", "--no-print-directory", name]
        with subprocess.Popen(
            command,
            cwd=project.ROOT,
            env=environment(),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as make:
            for line in make.stdout or ():
                with self.speaking:
                    print(line, end="", flush=True)
        result = Result(name, make.returncode == 0, time.monotonic() - started)
        project.say(str(result))
        return result

    def lane(self, names: list[str]) -> list[Result]:
        """Run one stage after the other."""
        return [self.stage(name) for name in names]


def environment() -> dict[str, str]:
    """Return the environment of a stage, whose output is no terminal's any more."""
    return {**project.environment(), "PYTHONUNBUFFERED": "1"}


def main() -> int:
    """Run all stages, and say how each went."""
    before = set(testhosts.running())
    lanes = [[name for name in sys.argv[1:] if (name in FIRST_LANE) is first] for first in (True, False)]
    # Both begin with it.
    subprocess.run(["make", "--no-print-directory", "build"], cwd=project.ROOT, env=environment(), check=True)
    results: list[Result] = []
    try:
        with ThreadPoolExecutor(len(lanes)) as pool:
            results = [result for lane in pool.map(Runner().lane, lanes) for result in lane]
    finally:
        left = [host.name for host in testhosts.hosts() if host.name not in before]
        testhosts.down(left)
    for result in results:
        print(result)
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    project.main(main)
