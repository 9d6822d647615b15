"""Eight people who log through a proxy while something happens, and what they saw of it."""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import project
from e2e.stage import Stage, soon

PEOPLE = 8
MARK = "/run/many-log"
Call = tuple[float, float, str]


@dataclass(frozen=True)
class Seen:
    """What became of all calls, and when what happened; what is there twice of who repeats stands apart."""

    calls: list[Call]
    lost: list[str]
    twice: list[str]
    moments: dict[str, float]
    uploads: list[Call] = field(default_factory=list)
    again: list[str] = field(default_factory=list)

    @property
    def of_uploads(self) -> Seen:
        """Return the same of uploads, which are not among the other calls."""
        return replace(self, calls=self.uploads)

    def between(self, first: str, last: str) -> list[Call]:
        """Return the calls that were under way after one thing and began before another."""
        return [call for call in self.calls if call[0] + call[1] > self.moments[first] and call[0] < self.moments[last]]

    def failed(self, first: str, last: str) -> list[Call]:
        """Return those of them that failed."""
        return [call for call in self.between(first, last) if call[2] != "well"]

    def told(self, first: str, last: str) -> str:
        """Say how many failed and why, how long the slowest took, and after how many seconds all was as before."""
        calls, began = self.between(first, last), self.moments[first]
        before = sorted(took for at, took, _ended in self.calls if at + took < self.moments["begin"]) or [0.0]
        usual = max(1.0, 3 * before[int(len(before) * 0.99)])
        ends = [at + took - began for at, took, ended in calls if ended != "well" or took > usual]
        errors = dict(Counter(ended for _at, _took, ended in calls if ended != "well"))
        slowest = max((took for _at, took, _ended in calls), default=0)
        return (
            f"{first}: {len(calls)} calls, failed {errors or 'none'}, slowest {slowest:.1f} s, "
            f"normal after {max(ends, default=0):.1f} s (usual: 99 % within {before[int(len(before) * 0.99)]:.1f} s)"
        )


def seen_by_many(
    host: Stage, python: str, variables: dict[str, str], experiment: str, what: Callable[[], dict[str, float]]
) -> Seen:
    """Let them log on a host from before something happens until after it."""
    for file in (project.ROOT / "tools" / "person.py", Path(__file__).with_name("many_log.py")):
        host.sh(f"cat > /root/{file.name}", file.read_text())
    host.sh(f"rm -f {MARK}*; touch {MARK}")
    given = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    command = f"env {given} {python} /root/many_log.py {PEOPLE} {experiment} {MARK}"
    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(host.sh, command)
        try:
            assert soon(lambda: going.done() or host.sh(f"ls {MARK}.*", check=False).count("\n") == PEOPLE, 300)
            time.sleep(5)
            moments = {"begin": time.time(), **what(), "end": time.time()}
        finally:
            host.sh(f"rm -f {MARK}")
        answer = json.loads(going.result().splitlines()[-1])
    calls, uploads = ([tuple(it) for it in answer[kind]] for kind in ("calls", "uploads"))
    return Seen(calls, answer["lost"], answer["twice"], moments, uploads, answer["again"])
