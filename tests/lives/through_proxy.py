"""Eight people who log through a proxy while something happens, and what they saw of it."""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import project
from e2e.stage import Stage, soon

PEOPLE = 8
MARK = "/run/many-log"


class Call(NamedTuple):
    """When it began, how long it took, how it ended, and the name of what it was to make: a run, a metric or a file."""

    began: float
    took: float
    ended: str
    name: str
    what: str


@dataclass(frozen=True)
class Seen:
    """What became of all calls, and when what happened."""

    calls: list[Call]
    lost: list[str]
    twice: list[str]
    moments: dict[str, float]
    # So many of them repeat what they post.
    repeat: int = 0

    def of(self, *, repeating: bool) -> Seen:
        """Return what those saw who repeat what they post, or the others."""

        def theirs(name: str) -> bool:
            return (int(name.partition("-")[0]) < self.repeat) == repeating

        calls = [call for call in self.calls if theirs(call.name)]
        return replace(self, calls=calls, lost=[*filter(theirs, self.lost)], twice=[*filter(theirs, self.twice)])

    @property
    def of_files(self) -> Seen:
        """Return the same of files that were uploaded."""
        return replace(self, calls=[call for call in self.calls if call.what == "file"])

    def between(self, first: str, last: str) -> list[Call]:
        """Return the calls that were under way after one thing and began before another."""
        since, until = self.moments[first], self.moments[last]
        return [call for call in self.calls if call.began + call.took > since and call.began < until]

    def failed(self, first: str, last: str) -> list[Call]:
        """Return those of them that failed."""
        return [call for call in self.between(first, last) if call.ended != "well"]

    def told(self, first: str, last: str) -> str:
        """Say how many failed and why, how long the slowest took, and after how many seconds all was as before."""
        calls, began = self.between(first, last), self.moments[first]
        before = sorted(call.took for call in self.calls if call.began + call.took < self.moments["begin"]) or [0.0]
        usual = max(1.0, 3 * before[int(len(before) * 0.99)])
        ends = [call.began + call.took - began for call in calls if call.ended != "well" or call.took > usual]
        errors = dict(Counter(call.ended for call in calls if call.ended != "well"))
        slowest = max((call.took for call in calls), default=0)
        return (
            f"{first}: {len(calls)} calls, failed {errors or 'none'}, slowest {slowest:.1f} s, "
            f"normal after {max(ends, default=0):.1f} s (usual: 99 % within {before[int(len(before) * 0.99)]:.1f} s)"
        )


def seen_by_many(
    host: Stage,
    python: str,
    variables: dict[str, str],
    experiment: str,
    what: Callable[[], dict[str, float]],
    repeat: int = 0,
    kept: str = "nothing",
) -> Seen:
    """Let them log on a host from before something happens until after it; so many of them repeat what they post.

    With "files" kept, these too, so that the team's artifacts have to be somewhere.
    """
    for file in (project.ROOT / "tools" / "person.py", Path(__file__).with_name("many_log.py")):
        host.sh(f"cat > /root/{file.name}", file.read_text())
    host.sh(f"rm -f {MARK}*; touch {MARK}")
    given = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    command = f"env {given} {python} /root/many_log.py {PEOPLE} {experiment} {MARK} {repeat} {kept}"
    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(host.sh, command)
        try:
            assert soon(lambda: going.done() or host.sh(f"ls {MARK}.*", check=False).count("\n") == PEOPLE, 300)
            time.sleep(5)
            moments = {"begin": time.time(), **what(), "end": time.time()}
        finally:
            host.sh(f"rm -f {MARK}")
        answer = json.loads(going.result().splitlines()[-1])
    return Seen([Call(*it) for it in answer["calls"]], answer["lost"], answer["twice"], moments, repeat)
