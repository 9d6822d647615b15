"""What was measured, as Markdown."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from dataclasses import dataclass

import project
from managed import Size
from measure import Run


@dataclass(frozen=True)
class Row:
    """One way to manage one size; the part that was run, where the figures are extrapolated from it."""

    way: str
    size: Size
    what: str
    run: Run
    part: Run | None = None

    @property
    def how(self) -> str:
        """Whether it was measured."""
        return "measured" if self.part is None else f"extrapolated from {self.part.requests} requests"


def document(rows: list[Row], whole: Size, *notes: str) -> str:
    """Return everything."""
    parts = [
        "# Managing access, measured",
        f"Printed by `make bench-access`. {whole}, on fresh MLflow servers on the same machine, one after the other. "
        "*client* is a script on MLflow's own Python client; it and the *uri loop* look for each user, experiment and "
        "grant, and write what is missing. The server is configured as `mlflow_server` does, unless it says *stock*: "
        "there it runs as MLflow ships it. Seconds are a command's from start to end, of which Ansible takes about one "
        "before its first request; requests were counted in the server's log. *access* sets passwords on new users "
        "only (`update_password: on_create`), as the others do, unless it says that they were tried: that is "
        "a log-in each.",
        side_by_side([row for row in rows if row.size == whole]),
        "Extrapolated: a smaller declaration was managed in this way; its seconds, without those that the command "
        "takes with nothing declared, were multiplied by the number of requests.",
        *notes,
        "## Growth",
        growth([row for row in rows if row.way == "access"]),
        "## Targets",
        targets(rows, whole),
        f"With {versions()}.",
    ]
    return "\n\n".join(parts)


def table(head: str, align: str, lines: list[list[str]]) -> str:
    """Return a table."""
    return "\n".join([head, align, *(f"| {' | '.join(cells)} |" for cells in lines)])


def side_by_side(rows: list[Row]) -> str:
    """Return each way's figures, and their ratio to those of the module."""
    base = {row.what: row.run.seconds for row in rows if row.way == "access"}
    base["writes only"] = base["from empty"]
    lines = [
        [
            row.what,
            row.way,
            f"{row.run.seconds:,.1f}",
            f"{row.run.requests:,}",
            f"{row.run.seconds / base[row.what]:.1f}",
            row.how,
        ]
        for row in rows
    ]
    return table("| what | way | seconds | requests | times access | how |", "|---|---|---:|---:|---:|---|", lines)


def growth(rows: list[Row]) -> str:
    """Return how the module's cost grows with what is declared."""
    sizes = sorted({row.size for row in rows})
    kinds = [what for what in dict.fromkeys(row.what for row in rows) if "tried" not in what]
    lines = []
    for what in kinds:
        runs = [next(row.run for row in rows if (row.size, row.what) == (size, what)) for size in sizes]
        lines.append([what, *(f"{run.seconds:.1f} s, {run.requests:,} requests" for run in runs)])
    head = " | ".join(f"{size.users} users" for size in sizes)
    return table(f"| access | {head} |", "|---|" + "---:|" * len(sizes), lines)


def targets(rows: list[Row], whole: Size) -> str:
    """Return what was aimed at, and whether it was reached."""
    found = {(row.way, row.what): row.run for row in rows if row.size == whole}
    idle, empty = found["access", "nothing to change"], found["access", "from empty"]
    least = [
        ("nothing to change", "uri loop", "nothing to change", idle, 100),
        ("nothing to change", "client", "nothing to change", idle, 100),
        ("nothing to change", "client, stock server", "nothing to change", idle, 100),
        ("from empty", "client, stock server", "writes only", empty, 5),
        ("from empty", "client", "from empty", empty, 1),
    ]
    lines = [["nothing to change: at most 10 requests", str(idle.requests), verdict(idle.requests <= 10)]]
    for what, way, beside, run, factor in least:
        ratio = found[way, beside].seconds / run.seconds
        aim = f"{factor} times as fast as" if factor > 1 else "not slower than"
        lines.append([f"{what}: {aim} {way} ({beside})", f"{ratio:.1f} times", verdict(ratio >= factor)])
    return table("| target | measured | reached |", "|---|---:|---|", lines)


def verdict(reached: bool) -> str:
    """Return it in a word."""
    return "yes" if reached else "**no**"


def hashing(stock_open: float, stock_own: float, lean_open: float, lean_own: float) -> str:
    """Return what checking a password adds to a request, from medians in milliseconds."""
    return (
        "What the server's password hashing costs: as shipped (`auth_cache_ttl_seconds` 0, four workers) `/health`, "
        f"which asks for no password, took {stock_open:.0f} ms and `users/current`, which does, {stock_own:.0f} ms; as "
        f"the role configures it (60, one worker) they took {lean_open:.0f} ms and {lean_own:.0f} ms. Medians of 15."
    )


def versions() -> str:
    """Return what it was measured with."""
    python = str(project.MLFLOW / "bin" / "python")
    mlflow = project.run([python, "-m", "mlflow", "--version"], quiet=True).stdout.split()[-1]
    ansible = importlib.metadata.version("ansible-core")
    cores = len(os.sched_getaffinity(0))
    return f"MLflow {mlflow}, ansible-core {ansible} and Python {platform.python_version()} on {cores} cores"
