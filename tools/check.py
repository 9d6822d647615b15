"""Run the stages of `make test` or of `make check`, and sum up.

Several go on side by side, since each waits much of its time; whichever is over makes room for the next. A failed stage
does not stop the others: one run shows all that is wrong. Hosts that a stage leaves behind are removed; hosts that ran
before stay.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import project
import testhosts

# The longest come first, so that nothing long is left alone at the end.
LONGEST_FIRST = (
    "e2e",
    "servers",
    "lives",
    "programs",
    "molecule",
    "targets",
    "playbooks",
    "cores",
    "sanity",
    "lint",
    "docs",
    "unit",
)
# What a stage is made of that can go on side by side, as arguments of its own.
PARTS = {"integration": ("servers", "targets", "playbooks")}
# What nothing waits on hosts for gives way to what does.
GIVING_WAY = frozenset({"servers", "programs", "targets", "playbooks", "sanity", "docs", "lint", "unit"})
# What begins no host, and so has none to remove: not those that somebody else's run has begun meanwhile either.
WITHOUT_HOSTS = frozenset({"docs", "lint", "programs", "sanity", "unit"})

STAT = Path("/proc/stat")
# What says why a stage failed: pytest's, ansible-test's and Ansible's own words.
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
WHY = re.compile(r"(E  |FAILED |ERROR|fatal: )")
# As many of them, and else as many of the last lines, are told at the end: enough for whoever sees no more than that.
TOLD = 8


@dataclass(frozen=True)
class Result:
    """How one stage went."""

    name: str
    passed: bool
    seconds: float
    why: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the line that sums it up."""
        return f"{'passed' if self.passed else 'FAILED':8} {self.name:12} {self.seconds:6.0f} s"


class Reasons:
    """Remembers of all that a stage prints what says why it failed."""

    def __init__(self) -> None:
        self.errors: deque[str] = deque(maxlen=TOLD)
        self.summary: deque[str] = deque(maxlen=TOLD)
        self.last: deque[str] = deque(maxlen=TOLD)

    def hear(self, line: str) -> None:
        """Take one line."""
        text = COLOUR.sub("", line).rstrip()[:300]
        if not WHY.match(text):
            if text:
                self.last.append(text)
        elif text.startswith("E "):
            self.errors.append(text)
        else:
            self.summary.append(text)

    def told(self) -> tuple[str, ...]:
        """Return the lines to tell."""
        return (*self.errors, *self.summary) or tuple(self.last)


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
        started, reasons = time.monotonic(), Reasons()
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
                reasons.hear(line)
                with self.speaking:
                    print(line, end="", flush=True)
        failed = make.returncode != 0
        result = Result(name, not failed, time.monotonic() - started, reasons.told() if failed else ())
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


def ticks(stat: str) -> tuple[int, int]:
    """Return what all processors have done since they were switched on, and what they might have, from /proc/stat."""
    # The last two, of virtual machines, are part of others.
    spent = [int(word) for word in stat.splitlines()[0].split()[1:9]]
    idle, waiting = spent[3:5]
    return sum(spent) - idle - waiting, sum(spent)


def busy(before: tuple[int, int], after: tuple[int, int]) -> str:
    """Return the line that says whether another stage beside these would have had a processor."""
    share = (after[0] - before[0]) / max(after[1] - before[1], 1)
    return f"the processors were busy for {share:.0%} of the time"


def main() -> int:
    """Run all stages, and say how each went."""
    names = planned(sys.argv[1:])
    with_hosts = not WITHOUT_HOSTS.issuperset(names)
    before = set(testhosts.running()) if with_hosts else set()
    # All begin with it.
    subprocess.run(["make", "--no-print-directory", "build"], cwd=project.ROOT, env=environment(), check=True)
    results: list[Result] = []
    began = ticks(STAT.read_text())
    try:
        with ThreadPoolExecutor(side_by_side()) as pool:
            results = list(pool.map(Runner(GIVING_WAY if with_hosts else frozenset()).stage, names))
    finally:
        if with_hosts:
            testhosts.down([host.name for host in testhosts.hosts() if host.name not in before])
    for result in results:
        if result.why:
            print(f"why {result.name} failed:", *result.why, sep="\n  ")
    for result in results:
        print(result)
    print(busy(began, ticks(STAT.read_text())))
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    project.main(main)
