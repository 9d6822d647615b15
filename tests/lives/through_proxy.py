"""Eight people who log through a proxy while something happens, and what they saw of it."""

from __future__ import annotations

import itertools
import json
import os
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
# How often what can be lost repeatedly is lost in one run; the more, the surer are the figures.
TIMES = int(os.environ.get("MLOPS_MLFLOW_LOSSES", "1"))


def repeatedly(what: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Let something happen as often as is asked for; its moments are numbered."""
    moments: dict[str, float] = {}
    for number in range(1, TIMES + 1):
        print(f"{number} of {TIMES}", flush=True)
        moments.update({f"{moment} {number}": at for moment, at in what().items()})
    return moments


class Call(NamedTuple):
    """When it began, how long it took, how it ended, and the name of what it was to make: a run, a metric or a file."""

    began: float
    took: float
    ended: str
    name: str
    what: str

    @property
    def end(self) -> float:
        """Say when it was over."""
        return self.began + self.took


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

    def of_files(self, *, uploaded: bool) -> Seen:
        """Return the same of files that were uploaded, or of all else."""
        return replace(self, calls=[call for call in self.calls if (call.what == "file") == uploaded])

    def between(self, first: str, last: str) -> list[Call]:
        """Return the calls that were under way after one thing and began before another."""
        since, until = self.moments[first], self.moments[last]
        return [call for call in self.calls if call.end > since and call.began < until]

    def failed(self, first: str, last: str) -> list[Call]:
        """Return those of them that failed."""
        return [call for call in self.between(first, last) if call.ended != "well"]

    def failed_within(self, first: str, last: str) -> list[Call]:
        """Return those without who waits for what was lost before the one thing, or is after the other."""
        since, until = self.moments[first], self.moments[last]
        return [call for call in self.failed(first, last) if call.began > since and call.end < until]

    def spans(self, what: str = "") -> list[tuple[str, str]]:
        """Return from when to when each thing lasted, until the next one; of one kind, if asked for."""
        names = [name for name in self.moments if not name.startswith("is ")]
        return [span for span in itertools.pairwise(names[1:]) if not what or kind(span[0]) == what]

    def told(self, *spans: tuple[str, str]) -> str:
        """Say how many failed and why, how long the slowest took, and after how many seconds all was as before."""
        before = sorted(call.took for call in self.calls if call.end < self.moments["begin"]) or [0.0]
        most = before[int(len(before) * 0.99)]
        usual = max(1.0, 3 * most)
        calls, ends = set(), [0.0]
        for first, last in spans:
            began = self.moments[first]
            # Each call is told of once: where it ended.
            during = [it for it in self.between(first, last) if it.end <= self.moments[last]]
            calls.update(during)
            ends += [it.end - began for it in during if it.ended != "well" or it.took > usual]
        errors = dict(Counter(call.ended for call in calls if call.ended != "well"))
        slowest = max((call.took for call in calls), default=0)
        lost, twice = (sum(call.name in names for call in calls) for names in (set(self.lost), set(self.twice)))
        what = spans[0][0] if len(spans) == 1 else f"{kind(spans[0][0])}, {len(spans)} times"
        return (
            f"{what}: {len(calls)} calls, failed {errors or 'none'}, lost {lost}, twice {twice}, "
            f"slowest {slowest:.1f} s, normal after {max(ends):.1f} s (usual: 99 % within {most:.1f} s)"
        )

    def tell(self) -> None:
        """Print what people saw of each thing that happened, and of all of a kind."""
        theirs = {"all": self}
        if self.repeat:
            theirs = {"repeating": self.of(repeating=True), "posting once": self.of(repeating=False)}
        if (uploads := self.of_files(uploaded=True)).calls:
            theirs |= {"uploads": uploads, "all but uploads": self.of_files(uploaded=False)}
        spans = self.spans()
        kinds = dict.fromkeys(kind(first) for first, _last in spans)
        repeated = [found for what in kinds if len(found := self.spans(what)) > 1]
        for group in [*([span] for span in spans), *repeated]:
            for who, seen in theirs.items():
                print(f"{who}: {seen.told(*group)}")
        began = {name.removeprefix("is "): at for name, at in self.moments.items()}
        print({name: round(at - began["begin"], 1) for name, at in self.moments.items()})


def kind(moment: str) -> str:
    """Return what a moment is called without the number that it has where it comes repeatedly."""
    return moment.rstrip("0123456789").rstrip()


def with_variables(variables: dict[str, str]) -> str:
    """Return the words that begin a command which has these variables."""
    return shlex.join(["env", *(f"{name}={value}" for name, value in variables.items())])


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

    With "files" kept, these too, so that the team's artifacts have to be somewhere. What they saw is printed.
    """
    for file in (project.ROOT / "tools" / "person.py", Path(__file__).with_name("many_log.py")):
        host.sh(f"cat > /root/{file.name}", file.read_text())
    host.sh(f"rm -f {MARK}*; touch {MARK}")
    command = f"{with_variables(variables)} {python} /root/many_log.py {PEOPLE} {experiment} {MARK} {repeat} {kept}"
    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(host.sh, command)
        try:
            assert soon(lambda: going.done() or host.sh(f"ls {MARK}.*", check=False).count("\n") == PEOPLE, 300)
            time.sleep(5)
            moments = {"begin": time.time(), **what(), "end": time.time()}
        finally:
            host.sh(f"rm -f {MARK}")
        answer = json.loads(going.result().splitlines()[-1])
    seen = Seen([Call(*it) for it in answer["calls"]], answer["lost"], answer["twice"], moments, repeat)
    seen.tell()
    return seen
