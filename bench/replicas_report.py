"""What was measured of replicas, as Markdown."""

from __future__ import annotations

import statistics
from typing import Any

from report import table, verdict, versions

# What has to come of so many.
TARGETS = {2: 1.8, 4: 3.2}
Found = dict[str, Any]


def ratios(found: list[Found], what: str, size: int) -> list[float]:
    """Return how many times as many answers there were as of one replica in the same round."""
    rates = {(it["round"], it["replicas"]): it["rate"] for it in found if it["what"] == what}
    return [rates[number, size] / rates[number, 1] for number in range(1 + max(number for number, _size in rates))]


def spread(values: list[float], digits: int) -> str:
    """Return the middle, the least and the most."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def document(found: list[Found], *, share: int, rounds: int, seconds: float, people: int) -> str:
    """Return all that was measured."""
    kinds, sizes = (list(dict.fromkeys(sorted(it[key] for it in found))) for key in ("what", "replicas"))
    lines, targets = [], []
    for what in kinds:
        for size in sizes:
            those = [it for it in found if (it["what"], it["replicas"]) == (what, size)]
            times = ratios(found, what, size)
            lines.append(
                [
                    what,
                    str(size),
                    str(people * size),
                    spread([it["rate"] for it in those], 1),
                    spread(times, 2) if size > 1 else "1",
                    spread([share for it in those for share in it["had"]], 0),
                    f"{statistics.median(it['asking'] for it in those):.0f}",
                ]
            )
            if size in TARGETS:
                middle, least = statistics.median(times), TARGETS[size]
                targets.append([f"{what}: {size} replicas, {least} times", f"{middle:.2f}", verdict(middle >= least)])
    head = "| what | replicas | people | answers a second | times one replica | % of a processor, each | % for asking |"
    parts = [
        "# A team on several hosts, measured",
        "Printed by `make bench-replicas`, on throwaway hosts (containers with a real systemd, Debian 12) of one "
        f"machine: {sizes[-1]} replicas of a team, PostgreSQL on a host of its own, and proxies with TLS as "
        "`mlflow_proxy` makes them, one for each number of replicas. All that MLflow has on a replica may take "
        f"{share} % of one processor (`CPUQuota` of `mlflow.slice`), so that this is what is short. With so little, "
        "looking at log-ins would be most of the work, so they are remembered for an hour "
        "(`auth_cache_ttl_seconds`), and not for the five seconds that are usual with several hosts. "
        f"{people} people for each replica ask over connections that they keep, each as soon as the last answer is "
        f"there. {rounds} rounds of {seconds:.0f} s for each line, in which each number of replicas had its turn, in "
        "another order each time: medians, with the least and the most. The ratio is to the one replica of the same "
        "round; how many were answered in a second says more about the share than about MLflow.",
        table(head, "|---|---:|---:|---:|---:|---:|---:|", lines),
        "## Targets",
        table("| target | measured | reached |", "|---|---:|---|", targets),
        "A share of a processor stands in for a host. What the replicas have in common has no such limit here: the "
        "proxy and the database, which more replicas wait for in the end.",
        f"With {versions()}.",
    ]
    return "\n\n".join(parts)
