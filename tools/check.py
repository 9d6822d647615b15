"""Run the stages of `make test` one after the other, and sum up.

A failed stage does not stop the others: one run shows all that is wrong.
Hosts that a stage leaves behind are removed; hosts that ran before stay.
"""

from __future__ import annotations

import sys
import time

import project
import testhosts


def stage(name: str) -> tuple[str, bool, float]:
    """Run one stage."""
    project.say(f"make {name}")
    started = time.monotonic()
    make = ["make", "--no-print-directory", name]
    passed = project.run(make, check=False).returncode == 0
    return name, passed, time.monotonic() - started


def main() -> int:
    """Run all stages, and say how each went."""
    before = set(testhosts.running())
    results = []
    try:
        for name in sys.argv[1:]:
            results.append(stage(name))
    finally:
        left = [host.name for host in testhosts.hosts() if host.name not in before]
        testhosts.down(left)
    for name, passed, seconds in results:
        print(f"{'passed' if passed else 'FAILED':8} {name:12} {seconds:6.0f} s")
    return 0 if all(result[1] for result in results) else 1


if __name__ == "__main__":
    project.main(main)
