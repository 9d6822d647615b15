"""Which of what a team has deleted is at its own place: the one that its server gives it by itself.

What the database says of a place is what people wrote. It is compared, letter by letter, with what follows from the
declaration and from numbers, and never followed: MLflow reads the path of an address, whatever stands around it.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import re
from collections.abc import Iterator, Sequence

from mlflowctl.in_mlflow.deleted import Deleted, Thing

# Where clients are sent whose artifacts the server passes on: to itself.
SERVED = "mlflow-artifacts:/"
IDENT = re.compile(r"[A-Za-z0-9_-]{1,250}")
# Of each kind by name, however many somebody makes.
MOST_NAMED = 100
LONGEST = 300


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


@dataclasses.dataclass
class Judged:
    """What is to go, by kind, and what is left."""

    going: dict[str, list[Thing]]
    left: list[Left]

    def __bool__(self) -> bool:
        return any(self.going.values())


def shared(deleted: Deleted, root: str) -> set[str]:
    """Return all places at which, or in which, experiments are to which another place is their own.

    Anybody may name another's place, also to go on with what is there under a new name.
    """
    found = set()
    for thing in deleted.experiments():
        if thing.place != own_place(root, thing):
            names = thing.place.split("/")
            found |= {"/".join(names[:number]) for number in range(1, len(names) + 1)}
    return found


def judge(deleted: Deleted, root: str) -> Judged:
    """Look through all that is old enough."""
    found = Judged({"run": [], "logged model": [], "experiment": []}, [])
    # An experiment does not go without what is in it.
    held: set[str] = set()
    for kind in ("run", "logged model"):
        for thing in deleted.things(kind):
            if thing.place == own_place(root, thing):
                found.going[kind].append(thing)
            else:
                found.left.append(elsewhere(thing))
                held.add(thing.experiment)
    experiments = deleted.things("experiment")
    if experiments:
        held |= {model.experiment for model in deleted.models_within() if model.place != own_place(root, model)}
    busy = deleted.busy() if experiments else set()
    others = shared(deleted, root) if experiments else set()
    for thing in experiments:
        if thing.place != own_place(root, thing):
            found.left.append(elsewhere(thing))
        elif thing.place in others:
            found.left.append(Left(thing, "other experiments have their artifacts there"))
        elif thing.ident in held:
            found.left.append(Left(thing, "it has runs or logged models whose artifacts are not at their own place"))
        elif thing.ident in busy:
            found.left.append(Left(thing, "it has runs that are not deleted, or not for long enough"))
        else:
            found.going["experiment"].append(thing)
    return found


def report(left: Sequence[Left]) -> Iterator[str]:
    """Name what is left, and count what has its artifacts elsewhere."""
    counts = collections.Counter[str]()
    for one in left:
        counts[one.thing.kind] += 1
        if counts[one.thing.kind] <= MOST_NAMED:
            # A trace goes with its experiment.
            what = "the artifacts of trace" if one.thing.kind == "trace" else one.thing.kind
            yield f"left {what} {plain(one.thing.ident)}: {one.why}"
    for kind, number in counts.items():
        if number > MOST_NAMED:
            yield f"left {number - MOST_NAMED} more of the kind {kind}"
    counts = collections.Counter(one.thing.kind for one in left if one.elsewhere)
    if counts:
        kinds = ", ".join(f"{number} of the kind {kind}" for kind, number in sorted(counts.items()))
        yield f"left {counts.total()} in all whose artifacts are not at their own place: {kinds}"
