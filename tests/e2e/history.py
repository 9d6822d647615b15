"""A month of thirty teams as Prometheus would have scraped it, and a dashboard's questions as Grafana asks them."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

HOST = "mlflow1:9100"
TEAMS, DAYS, DAY = 30, 30, 86400
# Seconds between two looks, and in the last day, where it is asked for what was in an hour.
STEP, LAST_STEP = 3 * 3600, 600
# What Grafana would put there with these; the rest it finds out from the time that is looked at.
RATE_INTERVAL = f"{4 * STEP}s"
GIB = 2**30
# Of each metric: the labels that it has beside the team's, and how much of it there is, or is more of each day.
Grown = tuple[float, float]
STAGED: list[tuple[dict[str, str], Grown]] = [({"stage": "active"}, (9, 20)), ({"stage": "deleted"}, (1, 2))]
OF_TEAM: dict[str, list[tuple[dict[str, str], Grown]]] = {
    "info": [({"version": "3.17.2"}, (1, 0))],
    "state": [({"state": it}, (it == "awake", 0)) for it in ("awake", "asleep", "starting", "failing", "stopped")],
    "failures_total": [({"cause": "oom-kill"}, (0, 0.3)), ({"cause": "exit-code"}, (0, 0.1))],
    "requests_refused_total": [({"status": it}, (0, 5)) for it in ("401", "403")],
    "database_bytes": [({"database": "mlflow"}, (GIB / 50, GIB / 500))],
    "experiments": STAGED,
    "logged_models": STAGED,
    "runs": STAGED,
    "cpu_seconds_total": [({}, (0, 3000))],
    "awake_seconds_total": [({}, (0, 30000))],
    "starts_total": [({}, (0, 6))],
    "start_seconds_total": [({}, (0, 30))],
    "memory_bytes": [({}, (GIB / 4, GIB / 1000))],
    "memory_peak_bytes": [({}, (GIB / 3, GIB / 1000))],
    "memory_max_bytes": [({}, (GIB, 0))],
    "artifacts_bytes": [({}, (GIB, GIB / 9))],
    "backup_bytes": [({}, (GIB, GIB / 9))],
    "disk_used_bytes": [({}, (GIB, GIB / 8))],
    "disk_max_bytes": [({}, (99 * GIB, 0))],
    "filesystem_size_bytes": [({}, (999 * GIB, 0))],
    "filesystem_free_bytes": [({}, (700 * GIB, -GIB))],
    "scrape_error": [({}, (0, 0))],
    "backup_expected": [({}, (1, 0))],
    "backup_max_age_seconds": [({}, (36 * 3600, 0))],
}
LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)")
SAMPLE = re.compile(r"(?m)^(mlflow_\w+)(?:\{(.*?)\})? \S+")
PATH = {"path": "/etc/ssl/mlflow.crt"}


def series(kinds: dict[str, str], end: int) -> Iterator[tuple[str, str, Callable[[int], float]]]:
    """Yield the name, the labels and the value at a moment of each, by what kinds of metric there are."""
    chance = random.Random(5)  # noqa: S311 - nobody is to be kept from guessing it
    for name in sorted(kinds):
        own = name.removeprefix("mlflow_team_")
        if own == name:
            labels = PATH if "certificate" in name else {}
            yield name, shown(labels), (lambda _at, value=end + 60 * DAY if "expiry" in name else 0: value)
            continue
        for number, (labels, (first, more)) in itertools.product(range(TEAMS), OF_TEAM.get(own, [({}, (3, 0.1))])):
            of = {"team": f"team-{number:02}", **labels}
            if own.endswith("timestamp_seconds"):
                back = chance.randrange(90_000)
                yield name, shown(of), (lambda at, back=back: float(at - back))
            else:
                size = chance.uniform(0.5, 2) if more else 1
                begin = end - DAYS * DAY
                yield name, shown(of), (lambda at, a=first, b=more * size, c=begin: a + b * (at - c) / DAY)


def shown(labels: dict[str, str]) -> str:
    """Return labels as they stand behind a name."""
    pairs = {"instance": HOST, "job": "node", **labels}
    return "{" + ",".join(f'{name}="{value}"' for name, value in pairs.items()) + "}"


def openmetrics(kinds: dict[str, str], end: int) -> str:
    """Return all of it as promtool makes blocks of it; kinds are counter or gauge by the metric's name."""
    lines, told = [], ""
    moments = [*range(end - DAYS * DAY, end - DAY, STEP), *range(end - DAY, end + 1, LAST_STEP)]
    for name, labels, value in series(kinds, end):
        if name != told:
            lines.append(f"# TYPE {name.removesuffix('_total') if kinds[name] == 'counter' else name} {kinds[name]}")
            told = name
        lines += [f"{name}{labels} {value(at):.10g} {at}" for at in moments]
    return "\n".join([*lines, "# EOF", ""])


def asked(board: dict[str, Any], **chosen: str) -> Iterator[tuple[str, str, bool]]:
    """Yield a panel's title, what it asks, as Grafana would fill it in, and whether that is of one moment."""
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            question = target["expr"].replace("$__rate_interval", RATE_INTERVAL)
            for name, value in chosen.items():
                question = re.sub(rf"\$\{{?{name}\}}?\b", lambda _found, to=value: to, question)
            yield panel["title"], question, bool(target.get("instant"))


def shapes(text: str) -> set[tuple[str, ...]]:
    """Return each metric of a text with the labels that it has beside those of the scrape."""
    found = set(SAMPLE.findall(text))
    return {(name, *sorted(set(re.findall(r'(\w+)="', labels)) - {"instance", "job"})) for name, labels in found}
