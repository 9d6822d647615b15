"""Run the stages of `make test` or of `make check`, and sum up.

Several go on side by side, since each waits much of its time; whichever is over makes room for the next. A failed stage
does not stop the others: one run shows all that is wrong. Hosts that a stage leaves behind are removed; hosts that ran
before stay.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import project
import testhosts

# The longest come first, so that nothing long is left alone at the end.
LONGEST_FIRST = (
    "e2e",
    "lives",
    "servers",
    "molecule",
    "cores",
    "programs",
    "targets",
    "playbooks",
    "sanity",
    "docs",
    "lint",
    "unit",
)
# What a stage is made of that can go on side by side, as arguments of its own.
PARTS = {"integration": ("servers", "targets", "playbooks")}
# What nothing waits on hosts for gives way to what does.
GIVING_WAY = frozenset({"servers", "cores", "programs", "targets", "playbooks", "sanity", "docs", "lint", "unit"})
# What begins no host, and so has none to remove: not those that somebody else's run has begun meanwhile either.
WITHOUT_HOSTS = frozenset({"cores", "docs", "lint", "programs", "sanity", "unit"})


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

    def __init__(self, gives_way: frozenset[str]) -> None:
        self.speaking = threading.Lock()
        self.gives_way = gives_way

    def stage(self, name: str) -> Result:
        """Run one stage, or one part of one."""
        whole = next((stage for stage, parts in PARTS.items() if name in parts), "")
        words = [whole, f"ARGS={name}"] if whole else [name]
        project.say(f"make {' '.join(words)}")
        started = time.monotonic()
        command = ["make", "--no-print-directory", *words]
        if name in self.gives_way:
            command = ["nice", "-n", "10", *command]
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


def environment() -> dict[str, str]:
    """Return the environment of a stage, whose output is no terminal's any more."""
    return {**project.environment(), "PYTHONUNBUFFERED": "1"}


def planned(stages: Sequence[str]) -> list[str]:
    """Return what is to run, in the order in which it begins; what is not known goes first."""
    parts = [part for stage in stages for part in PARTS.get(stage, (stage,))]
    return sorted(parts, key=lambda part: LONGEST_FIRST.index(part) if part in LONGEST_FIRST else -1)


def side_by_side() -> int:
    """Return how many go on at the same time: one waits while as many work as there are processors."""
    return (os.cpu_count() or 1) + 1


def main() -> int:
    """Run all stages, and say how each went."""
    names = planned(sys.argv[1:])
    with_hosts = not WITHOUT_HOSTS.issuperset(names)
    before = set(testhosts.running()) if with_hosts else set()
    # All begin with it.
    subprocess.run(["make", "--no-print-directory", "build"], cwd=project.ROOT, env=environment(), check=True)
    results: list[Result] = []
    try:
        with ThreadPoolExecutor(side_by_side()) as pool:
            results = list(pool.map(Runner(GIVING_WAY if with_hosts else frozenset()).stage, names))
    finally:
        if with_hosts:
            testhosts.down([host.name for host in testhosts.hosts() if host.name not in before])
    for result in results:
        print(result)
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    project.main(main)
