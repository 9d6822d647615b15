"""Manage users, experiments and grants in four ways, side by side: how long, and in how many requests.

make bench-access [ARGS=users]: 100 users, 100 experiments and 2,000 grants unless told otherwise. The slow ways are
measured on a part and extrapolated. A run of the full size is also written to docs/benchmarks.md.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import managed
import measure
import project
import report
from managed import Size
from measure import Run, Server
from report import Row

HERE = Path(__file__).parent
MINUTES = 15
FULL = 100
NUMBER = int(sys.argv[1]) if len(sys.argv) > 1 else FULL
WHOLE = Size(NUMBER, NUMBER)
PART = Size(max(NUMBER // 20, 2), min(NUMBER, 10))
GROWTH = [Size(number, number) for number in (NUMBER // 4, NUMBER // 2, NUMBER)]
Command = Callable[[Path], list[str]]


def declared(size: Size, *, changed: bool = False) -> Path:
    """Return a file of the declaration."""
    return managed.write(measure.HOME / "declaration.json", size, changed=changed)


def playbook(name: str, **variables: str) -> Command:
    """Return what runs one of the playbooks here."""
    extra = [word for key, value in variables.items() for word in ("-e", f"{key}={value}")]
    return lambda wanted: ["ansible-playbook", str(HERE / name), "-e", f"@{wanted}", *extra]


def with_client(*options: str) -> Command:
    """Return what runs the script on MLflow's client."""
    python = str(project.MLFLOW / "bin" / "python")
    return lambda wanted: [python, str(HERE / "with_client.py"), str(wanted), *options]


def ours(size: Size) -> Iterator[Row]:
    """Measure the module at one size."""
    command = playbook("access.yml")
    with measure.server("access") as server:
        for what in ("from empty", "nothing to change"):
            yield Row("access", size, what, server.measure(f"access, {size.users}, {what}", command(declared(size))))
        what = "one grant changed"
        wanted = declared(size, changed=True)
        yield Row("access", size, what, server.measure(f"access, {size.users}, {what}", command(wanted)))
        if size == WHOLE:
            what = "nothing to change, passwords tried"
            command = playbook("access.yml", update_password="always")
            yield Row("access", size, what, server.measure(f"access, {what}", command(wanted)))


def other(way: str, command: Command, server: Server, size: Size, blind: Command | None = None) -> Iterator[Row]:
    """Measure another way; what was measured on a part is extrapolated by its requests, after its start."""
    nothing = command(declared(Size(0, 0)))
    # Twice, since whatever this takes too long would be taken off many times over.
    starts = [server.measure(f"{way}, start", nothing).seconds for _try in range(2)] if size != WHOLE else [0]
    runs = [("from empty", command, declared(size), 2), ("nothing to change", command, declared(size), 1)]
    if blind:
        # Of other names, so that nothing of it is there.
        runs.append(("writes only", blind, managed.write(measure.HOME / "others.json", size, prefix="new"), 1))
    for what, run_with, wanted, times in runs:
        run = server.measure(f"{way}, {what}", run_with(wanted))
        if run.requests != times * size.things:
            raise project.ToolError(f"{way}, {what}: {run.requests} requests where {times * size.things} were expected")
        seconds = min(starts) + (run.seconds - min(starts)) * WHOLE.things / size.things
        part = None if size == WHOLE else run
        yield Row(way, WHOLE, what, Run(seconds, times * WHOLE.things), part)


def others(hashing: dict[str, tuple[float, float]]) -> Iterator[Row]:
    """Measure the other ways, and what an answer takes from either kind of server."""
    look, blind = with_client(), with_client("--writes-only")
    with measure.server("uri") as server:
        yield from other("uri loop", playbook("uri_loop.yml"), server, PART)
    with measure.server("client") as server:
        yield from other("client", look, server, WHOLE, blind)
        what = "one grant changed"
        yield Row("client", WHOLE, what, server.measure(f"client, {what}", look(declared(WHOLE, changed=True))))
        hashing["lean"] = answer_times(server)
    with measure.server("stock", stock=True) as server:
        yield from other("client, stock server", look, server, PART, blind)
        hashing["stock"] = answer_times(server)


def answer_times(server: Server) -> tuple[float, float]:
    """Return the milliseconds that an answer takes, without proving who one is and with it."""
    without, own = (1000 * server.answer_time(path) for path in ("/health", "/api/2.0/mlflow/users/current"))
    return without, own


def too_late(number: int, frame: FrameType | None) -> NoReturn:
    """Stop the servers also when there is no time left."""
    raise project.ToolError(
        f"not done after {MINUTES} minutes; `make bench-access ARGS={NUMBER // 2}` takes half as long"
    )


def main() -> None:
    """Measure everything in one run, print it, and keep it if it is the full size."""
    project.tidy_up_when_told_to_end()
    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(MINUTES * 60)
    with project.lock("bench"):
        measure.HOME.mkdir(parents=True, exist_ok=True)
        hashing: dict[str, tuple[float, float]] = {}
        rows = [row for size in GROWTH for row in ours(size)] + list(others(hashing))
        text = report.document(rows, WHOLE, report.hashing(*hashing["stock"], *hashing["lean"]))
    print(text)
    if NUMBER == FULL:
        target = project.ROOT / "docs" / "benchmarks.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text(text + "\n")
        project.say(f"written to {target.relative_to(project.ROOT)}")


if __name__ == "__main__":
    project.main(main)
