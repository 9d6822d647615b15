# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each team has and uses, as one page and as rows. All that comes from hosts is data here, and nothing else."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.charts import NONE, Point, chart, escaped, number, size
from ansible_collections.mlops.mlflow.plugins.plugin_utils.usage_frame import FOOT, HEAD

Team = t.Mapping[str, t.Any]
# By host: what the program of mlflow_monitoring prints there.
Reports = t.Mapping[str, t.Mapping[str, t.Any]]
DAYS = (
    *(
        "database_bytes",
        "artifacts_bytes",
        "experiments",
        "runs",
        "deleted_runs",
        "registered_models",
        "traces",
        "users",
    ),
    *("awake_seconds", "starts", "restarts", "cpu_seconds", "refused", "memory_peak_bytes"),
)
MONTH, WEEK = 30, 7 * 86400
# In a chart.
WEEKS = 60
# A heading, and whether what stands below it is a number.
COLUMNS = (
    *(("Team", False), ("Host", False), ("MLflow", False), ("Artifacts", True), ("Databases", True)),
    *(
        ("Of its disk_max", True),
        ("Growth in 30 days", True),
        ("Runs", True),
        ("Runs in 7 days", True),
        ("Hours awake in 30 days", True),
    ),
    *(("Users", True), ("Quiet users", True), ("Deleted runs", True), ("In deleted experiments", True)),
)


def usage_rows(reports: Reports) -> list[list[t.Any]]:
    """A row for each day of each team, below their headings."""
    found: list[list[t.Any]] = [["host", "team", "version", "date", *DAYS]]
    for host, team, it in _teams(reports):
        found += [
            [host, team, it["version"], day["date"], *("" if day.get(key) is None else day[key] for key in DAYS)]
            for day in it["days"]
        ]
    return found


def usage_page(reports: Reports, now: float, only: str = "") -> str:
    """All of it as one page that needs nothing beside itself; or of one team, where there is only this one."""
    teams = _teams(reports)
    title, caption = (f"MLflow team {escaped(only)}", "In figures") if only else ("MLflow teams", "Every team")
    when = datetime.datetime.fromtimestamp(now, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    heads = "".join(
        f'<th scope="col"{" class=n" if numeric else ""}><button type="button">{escaped(name)}</button></th>'
        for name, numeric in COLUMNS
    )
    rows = "".join(_row(host, team, it, now, order) for order, (host, team, it) in enumerate(teams))
    parts = "".join(_section(host, team, it, now, order) for order, (host, team, it) in enumerate(teams))
    return (
        f"{HEAD}<title>{title}</title></head><body><header><h1>{title}</h1>"
        f"<p>{escaped(when)}. Sizes of artifacts are those of the last daily count.</p></header>"
        f"<main><dl class=tiles>{_tiles(teams, {'Teams', 'Not measured'} if only else set())}</dl>"
        f"<div class=wide tabindex=0 role=region aria-label=Teams><table class=sorts><caption>{caption}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{parts}</main>{FOOT}"
    )


def _teams(reports: Reports) -> list[tuple[str, str, Team]]:
    return sorted(
        ((host, name, it) for host, report in reports.items() for name, it in report["teams"].items()),
        key=lambda found: (found[1], found[0]),
    )


def _last(it: Team, key: str) -> float | None:
    return next((day[key] for day in reversed(it["days"]) if day.get(key) is not None), None)


def _growth(it: Team) -> float | None:
    """By how much artifacts and databases grew in the last days, as far back as is known."""
    known = [day for day in it["days"][-MONTH - 1 :] if day.get("database_bytes") is not None]
    if len(known) < 2:
        return None
    return sum(
        (known[-1].get(key) or 0) - (known[0].get(key) or 0)
        for key in ("database_bytes", "artifacts_bytes")
        if known[0].get(key) is not None
    )


def _awake(it: Team) -> float:
    return sum(day.get("awake_seconds") or 0 for day in it["days"][-MONTH:]) / 3600


def _tiles(teams: t.Sequence[tuple[str, str, Team]], without: t.Container[str]) -> str:
    everybody = [it for _host, _team, it in teams]
    tiles = {
        "Teams": number(len(teams)),
        "Artifacts": size(sum(_last(it, "artifacts_bytes") or 0 for it in everybody)),
        "Databases": size(sum(_last(it, "database_bytes") or 0 for it in everybody)),
        "Runs": number(sum(_last(it, "runs") or 0 for it in everybody)),
        "Not measured": number(sum(bool(it.get("error")) for it in everybody)),
    }
    shown = {name: value for name, value in tiles.items() if name not in without}
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in shown.items())


def _of_limit(it: Team) -> tuple[float | None, str]:
    """How much of what it may have on the disk it has, in percent."""
    disk = it.get("disk") or {}
    if not disk.get("max") or disk.get("used") is None:
        return None, NONE
    percent = 100 * disk["used"] / disk["max"]
    return percent, f"{percent:.0f} % of {size(disk['max'])}"


def _row(host: str, team: str, it: Team, now: float, order: int) -> str:
    # The week that is under way and the one before have the last days between them, by day.
    past = [day for day in it["days"] if day.get("runs") is not None][-8:]
    recent = (past[-1]["runs"] - past[0]["runs"]) if len(past) > 1 else None
    cells: list[tuple[float | None, str]] = [
        (_last(it, "artifacts_bytes"), size(_last(it, "artifacts_bytes"))),
        (_last(it, "database_bytes"), size(_last(it, "database_bytes"))),
        _of_limit(it),
        (_growth(it), size(_growth(it))),
        (_last(it, "runs"), number(_last(it, "runs"))),
        (recent, number(recent)),
        (_awake(it), number(round(_awake(it), 1))),
        (_last(it, "users"), number(_last(it, "users"))),
        (None, NONE) if it["quiet"] is None else (len(it["quiet"]), number(len(it["quiet"]))),
        (it["deleted"].get("runs"), number(it["deleted"].get("runs"))),
        (it["deleted"]["bytes"], size(it["deleted"]["bytes"])),
    ]
    mark = " <strong title='not all figures could be had'>!</strong>" if it.get("error") else ""
    numbers = "".join(f'<td class=n data-value="{-1 if value is None else value}">{text}</td>' for value, text in cells)
    return (
        f'<tr><th scope=row><a href="#t{order}">{escaped(team)}</a>{mark}</th><td>{escaped(host)}</td>'
        f"<td>{escaped(it['version'])}</td>{numbers}</tr>"
    )


def _points(it: Team, key: str, scale: float = 1) -> list[Point]:
    return [
        (datetime.date.fromisoformat(day["date"]).toordinal(), day["date"], day[key] / scale)
        for day in it["days"]
        if day.get(key) is not None
    ]


def _section(host: str, team: str, it: Team, now: float, order: int) -> str:
    # Whoever logs says when that was: what no chart of these weeks has room for is none of them.
    first = int(now) // WEEK - WEEKS
    weeks = [
        (int(at) // WEEK, _day(at), float(count)) for at, count in it["weeks"] if first < int(at) // WEEK <= now // WEEK
    ]
    sizes = {"artifacts": _points(it, "artifacts_bytes"), "databases": _points(it, "database_bytes")}
    charts = "".join(
        [
            chart("Size", {name: line for name, line in sizes.items() if line}, size),
            chart("Runs a week", {"runs": weeks}, number, bars=True),
            chart(
                "Hours awake", {"hours": _points(it, "awake_seconds", 3600)}, lambda hours: f"{hours:.1f} h", bars=True
            ),
            chart("Peak of memory", {"peak": [it for it in _points(it, "memory_peak_bytes") if it[2]]}, size),
        ]
    )
    return (
        f'<section id="t{order}"><h2>{escaped(team)} '
        f"<small>{escaped(host)}, MLflow {escaped(it['version'])}</small></h2>"
        f"<div class=charts>{charts}</div>{_experiments(it)}{_quiet(it)}{_deleted(it)}</section>"
    )


def _day(moment: float | None) -> str:
    if not moment:
        return "never"
    try:
        return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).date().isoformat()
    except (OSError, OverflowError, ValueError):
        # Whoever logs a run says when it was.
        return "on no day"


def _experiments(it: Team) -> str:
    if not it["experiments"]:
        return ""
    heads = "".join(
        f"<th scope=col{mark}><button type=button>{name}</button></th>"
        for name, mark in (("Experiment", ""), ("Runs", " class=n"), ("Artifacts", " class=n"), ("Last run", ""))
    )
    rows = "".join(
        f"<tr><th scope=row>{escaped(row['name'])}{' (deleted)' if row['stage'] == 'deleted' else ''}</th>"
        f'<td class=n data-value="{float(row["runs"])}">{number(row["runs"])}</td>'
        f'<td class=n data-value="{float(row["bytes"] or 0)}">{size(row["bytes"])}</td>'
        f"<td>{_day((row['last'] or 0) / 1000)}</td></tr>"
        for row in it["experiments"]
    )
    return (
        "<details><summary>Experiments with most runs and artifacts</summary><div class=wide tabindex=0 role=region "
        f"aria-label=Experiments><table class=sorts><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def _quiet(it: Team) -> str:
    if not it["quiet"]:
        return ""
    people = "".join(f"<li>{escaped(name)}: {_day(last)}</li>" for name, last in it["quiet"])
    return (
        f"<details><summary>{len(it['quiet'])} users whose name is on no run of the last 90 days</summary>"
        f"<p>The name on a run is what the client said, not the log-in.</p><ul>{people}</ul></details>"
    )


def _deleted(it: Team) -> str:
    counts = {name.replace("_", " "): count for name, count in it["deleted"].items() if name != "bytes" and count}
    if not counts:
        return ""
    words = ", ".join(f"{number(count)} {escaped(name)}" for name, count in counts.items())
    return f"<p>Deleted and not collected: {words}; {size(it['deleted']['bytes'])} in deleted experiments.</p>"
