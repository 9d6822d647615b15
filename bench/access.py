"""Manage 100 users, 100 experiments and 2,000 grants: the access module, a uri loop, MLflow's own client.

The two slow ways are measured on a part and extrapolated by the number of their requests; the table says so.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import measure
import people
import project
from measure import Run, Server

HERE = Path(__file__).parent
SIZE = int(sys.argv[1]) if len(sys.argv) > 1 else 100
PART = max(SIZE // 10, 2)
GROWTH = (SIZE // 4, SIZE // 2, SIZE)
Row = tuple[str, str, Run, str]


def playbook(name: str, wanted: Path, **variables: str) -> list[str]:
    """Return the command that runs one of the playbooks here."""
    extra = [word for key, value in variables.items() for word in ("-e", f"{key}={value}")]
    return ["ansible-playbook", str(HERE / name), "-e", f"@{wanted}", *extra]


def with_client(wanted: Path) -> list[str]:
    """Return the command that runs the script on MLflow's client."""
    return [str(project.MLFLOW / "bin" / "python"), str(HERE / "with_client.py"), str(wanted)]


def ours(size: int) -> list[Row]:
    """Measure the module at one size."""
    wanted = measure.HOME / f"people-{size}.json"
    people.write(wanted, size)
    how = "measured"
    with measure.server(f"access-{size}") as server:
        rows = [
            (f"access, {size}", "from empty", server.measure(playbook("access.yml", wanted)), how),
            (f"access, {size}", "nothing to change", server.measure(playbook("access.yml", wanted)), how),
        ]
        always = playbook("access.yml", wanted, update_password="always")
        rows.append((f"access, {size}", "nothing, passwords tried", server.measure(always), how))
        people.changed(wanted)
        rows.append((f"access, {size}", "one grant changed", server.measure(playbook("access.yml", wanted)), how))
    return rows


def both(server: Server, name: str, command: list[str], factor: float, how: str) -> list[Row]:
    """Measure another way from empty and with nothing to change, and scale both."""
    rows = []
    for what in ("from empty", "nothing to change"):
        run = server.measure(command)
        rows.append((name, what, Run(run.seconds * factor, round(run.requests * factor)), how))
    return rows


def others() -> list[Row]:
    """Measure the other ways."""
    whole, part = measure.HOME / "whole.json", measure.HOME / "part.json"
    people.write(whole, SIZE)
    people.write(part, PART)
    # A part has fewer grants for each user, so that the number of its grants and not of its users scales.
    factor = grants(SIZE) / grants(PART)
    extrapolated = f"from {PART} users, times {factor:.0f}"
    with measure.server("client") as server:
        rows = both(server, f"client, {SIZE}", with_client(whole), 1, "measured")
    with measure.server("uri") as server:
        rows += both(server, f"uri loop, {SIZE}", playbook("uri_loop.yml", part), factor, extrapolated)
    with measure.server("stock", stock=True) as server:
        rows += both(server, f"client, {SIZE}, stock server", with_client(part), factor, extrapolated)
    return rows


def grants(size: int) -> int:
    """Return how many grants there are at a size."""
    return sum(len(experiment["grants"]) for experiment in people.declaration(size)["experiments"])


def table(rows: list[Row]) -> str:
    """Return the rows as Markdown, with each way's ratio to the module's."""
    base = {what: run.seconds for name, what, run, _how in rows if name == f"access, {SIZE}"}
    lines = ["| way, users | what | seconds | requests | times access | how |", "|---|---|---:|---:|---:|---|"]
    for name, what, run, how in rows:
        ratio = f"{run.seconds / base[what]:.1f}"
        lines.append(f"| {name} | {what} | {run.seconds:.1f} | {run.requests} | {ratio} | {how} |")
    return "\n".join(lines)


def main() -> None:
    """Measure everything in one run, and print a table."""
    measure.HOME.mkdir(parents=True, exist_ok=True)
    rows = [row for size in GROWTH for row in ours(size)]
    print(table(rows + others()))


if __name__ == "__main__":
    project.main(main)
