"""Which of what a team has deleted is at its own place: the one that its server gives it by itself.

What the database says of a place is what people wrote. It is compared, letter by letter, with what follows from the
declaration and from numbers, and never followed: MLflow reads the path of an address, whatever stands around it.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import random
import re
from collections.abc import Collection, Iterator

from mlflowctl.in_mlflow.deleted import Deleted, Thing

# Where clients are sent whose artifacts the server passes on: to itself.
SERVED = "mlflow-artifacts:/"
IDENT = re.compile(r"[A-Za-z0-9_-]{1,250}")
# Of each kind by name, however many somebody makes.
MOST_NAMED = 100
LONGEST = 300
# Of each kind that goes in one run, and experiments that are judged at a time: what is known of them has its room,
# however much somebody has deleted.
MOST_AT_ONCE = 100_000


def shown(text: str) -> str:
    """Return a text of people's for a terminal or journal: in one line, with everything odd made visible."""
    return ascii(text) if len(text) <= LONGEST else f"{text[:LONGEST]!a}... ({len(text)} characters)"


def plain(ident: str) -> str:
    """Return a key as it is where it is nothing but letters and digits."""
    return ident if IDENT.fullmatch(ident) else shown(ident)


def parts(thing: Thing) -> tuple[str, ...]:
    """Return the way from the root to its own place, as MLflow builds it; empty where its key is no name of a file."""
    if not thing.experiment.isdecimal() or not IDENT.fullmatch(thing.ident):
        return ()
    below = {
        "experiment": (),
        "run": (thing.ident, "artifacts"),
        "logged model": ("models", thing.ident, "artifacts"),
        "trace": ("traces", thing.ident, "artifacts"),
    }
    return (thing.experiment, *below[thing.kind])


def own_root() -> str:
    """Return where the server begins all places that it gives by itself: it is configured by the same variables."""
    root = os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT") or SERVED
    if root == SERVED:
        return root
    from mlflow.utils.uri import resolve_uri_if_local  # noqa: PLC0415 - slow

    return str(resolve_uri_if_local(root))


def own_place(root: str, thing: Thing) -> str | None:
    """Return what its server would write into the database by itself."""
    way = parts(thing)
    if root == SERVED:
        return SERVED + "/".join(way) if way else None
    from mlflow.utils.uri import append_to_uri_path  # noqa: PLC0415 - slow

    return str(append_to_uri_path(root, *way)) if way else None


@dataclasses.dataclass(frozen=True)
class Left:
    """Something that stays though it is old enough, and why."""

    thing: Thing
    why: str
    elsewhere: bool = False


def elsewhere(thing: Thing) -> Left:
    """Leave something for where its artifacts are said to be."""
    return Left(thing, f"{shown(thing.place)} is not its own place", elsewhere=True)


class Stays:
    """What is left: the first of each kind by name, and how many there are, since there may be any number."""

    def __init__(self) -> None:
        self.named: list[str] = []
        # By kind, and by whether it is elsewhere, so that many of these hide none of the others.
        self.counts = collections.Counter[tuple[str, bool]]()

    def add(self, left: Left) -> None:
        """Count one, and name it when it is one of the first."""
        kind = left.thing.kind
        self.counts[kind, left.elsewhere] += 1
        if self.counts[kind, left.elsewhere] <= MOST_NAMED:
            # A trace goes with its experiment.
            what = "the artifacts of trace" if kind == "trace" else kind
            self.named.append(f"left {what} {plain(left.thing.ident)}: {left.why}")

    def lines(self) -> Iterator[str]:
        """Name what is left, and count what has its artifacts elsewhere."""
        yield from self.named
        more = collections.Counter[str]()
        for (kind, _elsewhere), number in self.counts.items():
            more[kind] += max(number - MOST_NAMED, 0)
        yield from (f"left {number} more of the kind {kind}" for kind, number in more.items() if number)
        counts = {kind: number for (kind, elsewhere), number in self.counts.items() if elsewhere}
        if counts:
            kinds = ", ".join(f"{number} of the kind {kind}" for kind, number in sorted(counts.items()))
            yield f"left {sum(counts.values())} in all whose artifacts are not at their own place: {kinds}"


@dataclasses.dataclass
class Judged:
    """What is to go, by kind, what is left, and how many go in a later run."""

    going: dict[str, list[Thing]]
    left: Stays
    later: int = 0
    found: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def __bool__(self) -> bool:
        return any(self.going.values())

    def let_go(self, thing: Thing) -> None:
        """Have one go, or one of them wait for a later run when enough do.

        Which, is left to chance: what cannot be removed would otherwise be first in each run, and the others never.
        """
        going = self.going[thing.kind]
        self.found[thing.kind] += 1
        if len(going) < MOST_AT_ONCE:
            going.append(thing)
            return
        self.later += 1
        place = random.randrange(self.found[thing.kind])  # noqa: S311 - nothing is kept secret by it
        if place < MOST_AT_ONCE:
            going[place] = thing


def shared(deleted: Deleted, root: str, places: Collection[str]) -> set[str]:
    """Return those of these own places at which, or in which, experiments are to which another place is their own.

    Anybody may name another's place, also to go on with what is there under a new name. Own places differ in a number
    alone, so that one beginning of a place is compared, however many it has.
    """
    found = set()
    depths = {place.count("/") + 1 for place in places}
    for thing in deleted.experiments():
        if thing.place != own_place(root, thing):
            beginnings = {"/".join(thing.place.split("/", depth)[:depth]) for depth in depths}
            found |= {beginning for beginning in beginnings if beginning in places}
    return found


def judge(deleted: Deleted, root: str) -> Judged:
    """Look through all that is old enough; what is left is noted at once, and nothing of it kept."""
    found = Judged({"run": [], "logged model": [], "experiment": []}, Stays())
    for kind in ("run", "logged model"):
        for thing in deleted.things(kind):
            if thing.place != own_place(root, thing):
                found.left.add(elsewhere(thing))
            else:
                found.let_go(thing)
    own: dict[str, Thing] = {}
    for thing in deleted.things("experiment"):
        if thing.place != own_place(root, thing):
            found.left.add(elsewhere(thing))
            continue
        own[thing.place] = thing
        if len(own) >= MOST_AT_ONCE:
            judge_experiments(deleted, root, found, own)
            own = {}
    if own:
        judge_experiments(deleted, root, found, own)
    return found


def judge_experiments(deleted: Deleted, root: str, found: Judged, own: dict[str, Thing]) -> None:
    """Look at so many experiments at a time, by their place: each is judged, however many stay."""
    which = {thing.ident for thing in own.values()}
    held, waiting = kept(deleted, root, found, which)
    busy, others = {number for number in deleted.busy() if number in which}, shared(deleted, root, own)
    for thing in own.values():
        if thing.place in others:
            found.left.add(Left(thing, "other experiments have their artifacts there"))
        elif thing.ident in held:
            found.left.add(Left(thing, "it has runs or logged models whose artifacts are not at their own place"))
        elif thing.ident in busy:
            found.left.add(Left(thing, "it has runs that are not deleted, or not for long enough"))
        elif thing.ident in waiting:
            found.later += 1
        else:
            found.let_go(thing)


def kept(deleted: Deleted, root: str, found: Judged, which: Collection[str]) -> tuple[set[str], set[str]]:
    """Return which of these experiments have something that stays, and which something that goes in a later run."""
    within = (it for it in deleted.models_within() if it.experiment in which)
    held = {it.experiment for it in within if it.place != own_place(root, it)}
    waiting = set()
    for kind in ("run", "logged model"):
        going = {thing.ident for thing in found.going[kind]}
        for thing in deleted.things(kind):
            if thing.experiment in which and thing.place != own_place(root, thing):
                held.add(thing.experiment)
            elif thing.experiment in which and thing.ident not in going:
                waiting.add(thing.experiment)
    return held, waiting
