"""What was measured on a host with many teams, as Markdown."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from typing import Any

import stage
from report import table, verdict, versions

Found = dict[str, Any]
RIGHT = "|---|---:|---:|---:|"


def document(found: Found) -> str:
    """Return all that was measured, part by part."""
    parts = [
        "# A host with many teams, measured",
        "Printed by `make bench-hosts`, on one throwaway host (a container with a real systemd, Debian 12) with "
        f"{len(os.sched_getaffinity(0))} cores and {stage.memory_of_host()} GiB of memory, where whatever asks runs "
        "too. Each team has two users, a group and an experiment with grants, SQLite, and falls asleep after "
        f"{stage.IDLE_TIMEOUT} without a connection (`mlflow_server_idle_timeout`).",
        when(found),
    ]
    sections: dict[str, Callable[[Found], list[str]]] = {
        "server": server,
        "worker": worker,
        "site": site,
        "onboard": onboarding,
        "many": many,
        "wakes": wakes,
    }
    for part, section in sections.items():
        if part in found:
            parts += section(found[part])
    if set(sections) <= set(found):
        parts += ["![Memory of teams that are awake, and seconds of a run](benchmarks-hosts.svg)"]
        parts += ["## Targets", targets(found)]
    return "\n\n".join([*parts, f"With {versions()}."])


def when(found: Found) -> str:
    """Return whether all was measured in one run."""
    runs = sorted({part["run"] for part in found.values()})
    if len(runs) == 1:
        return f"Everything in one run, of {runs[0][:10]}."
    each = ", ".join(f"{name} {part['run']}" for name, part in found.items())
    return f"The parts were measured in {len(runs)} runs: {each}."


def times(larger: float, smaller: float) -> str:
    """Return a ratio."""
    return f"{larger / smaller:.1f} times" if smaller else ""


def server(found: Found) -> list[str]:
    """Return one server beside stock, awake and asleep."""
    stock, ours, asleep = found["stock"], found["ours"], found["asleep"]
    lines = []
    for key, name in (("median", "median"), ("p95", "95th percentile")):
        theirs, mine = stock["answer"][key], ours["answer"][key]
        lines.append([f"authenticated answer, {name}", f"{theirs:.1f} ms", f"{mine:.1f} ms", times(theirs, mine)])
    for slow, fast in zip(stock["logging"], ours["logging"], strict=True):
        what = f"metrics logged, clients: {slow['clients']}"
        rates = slow["rate"], fast["rate"]
        lines.append([what, *(f"{rate:.1f}/s" for rate in rates), times(rates[1], rates[0])])
    awake = stock["memory"], ours["memory"]
    lines.append(["processes, awake", *(str(it["processes"]) for it in awake), ratio_of(awake, "processes")])
    lines.append(["memory (PSS), awake", *(f"{it['pss']:,.0f} MiB" for it in awake), ratio_of(awake, "pss")])
    lines.append(["processes, asleep", "never asleep", str(asleep["processes"]), ""])
    lines.append(["memory (PSS), asleep", "never asleep", f"{asleep['pss']:,.0f} MiB", ""])
    wake, bare = (found["wakes"][key] for key in ("wake", "import"))
    woken, imported = statistics.median(wake), statistics.median(bare)
    return [
        "## One server",
        "*stock* is `mlflow server --app-name basic-auth` of the same environment, with its defaults (four workers, "
        "jobs on, no auth cache), SQLite and no telemetry, run by systemd on the same host without a proxy before it. "
        "*A team* is `mlflow@TEAM` behind its socket, as deployed. One was measured after the other.",
        table("| what | stock | a team | ratio |", RIGHT, lines),
        f"Answers are of `GET users/current` over one connection, {stock['answer']['requests']} of stock and "
        f"{ours['answer']['requests']} of the team. Each client logs one metric after the other over a connection of "
        "its own for ten seconds, until its last one is answered. Memory is the sum of what `smaps_rollup` says of all "
        "processes of the unit (of the team: with the one that passes connections on), right after that load. On stock "
        "the admin asked, in the team a user with a grant.",
        f"Waking a sleeping team, from the connection to the first authenticated answer, took {woken:.1f} s "
        f"({min(wake):.1f} to {max(wake):.1f}), a bare `python -c 'import mlflow.server.auth'` {imported:.1f} s "
        f"({min(bare):.1f} to {max(bare):.1f}): {woken / imported:.1f} times. Medians of {len(wake)}, in turns.",
    ]


def worker(found: Found) -> list[str]:
    """Return the ways to start a server's only worker."""
    names = {
        "mlflow server": "`mlflow server` with one worker: it starts the worker and waits for it",
        "serve.py": "`serve.py`, as deployed: it becomes the worker that `mlflow server` wants to start",
        "uvicorn": "uvicorn alone, with what `mlflow server` would set for it, by MLflow's private names",
    }
    lines = [
        [what, f"{way['seconds']:.1f} s", f"{way['processes']:.0f}", f"{way['pss']:,.0f} MiB"]
        for what, way in ((names[name], way) for name, way in found["ways"].items())
    ]
    return [
        "## One worker, and what starts it",
        "From the command to the first answer on a Unix socket, jobs off, without the process that passes connections "
        "on. Medians, in turns.",
        table("| how | first answer | processes | PSS |", RIGHT, lines),
    ]


def ratio_of(pair: tuple[Found, Found], key: str) -> str:
    """Return the ratio of one figure."""
    return times(pair[0][key], pair[1][key])


def site(found: Found) -> list[str]:
    """Return runs with nothing to change, for more and more teams."""
    loops = {run["teams"]: run for run in found["loop"]}
    first = found["ours"][0]
    lines = []
    for run in found["ours"]:
        loop = loops[run["teams"]]
        cells = [
            str(run["teams"]),
            f"{run['seconds']:.1f}",
            str(run["remote"]),
            times(run["seconds"], first["seconds"]),
        ]
        cells += [f"{loop['seconds']:.1f}", str(loop["remote"])]
        cells += [times(loop["seconds"], found["loop"][0]["seconds"])]
        lines.append([*cells, f"{run['awake'][0]}, then {run['awake'][1]}"])
    head = "| teams | `site`, s | remote | to one team | loop, s | remote | to one team | awake before, after `site` |"
    changed = [f"{run['teams']} teams" for run in found["ours"] + found["loop"] if run["changed"]]
    return [
        "## A run with nothing to change",
        "`mlops.mlflow.site`, servers and people, beside a playbook that includes a role for each team in a loop: "
        "account, directory, settings, unit, state of the service, five of Ansible's own tasks, and no people "
        "(`bench/naive_role`). *remote* is how many modules ran on the host. Medians of three runs; of two at "
        f"{stage.BESIDE} teams, and of one of the loop at ten teams and more.",
        table(head, "|---:|---:|---:|---:|---:|---:|---:|---:|", lines),
        "The run after one that changed something asks every server, and so wakes those that sleep: "
        + ", ".join(f"{run['first']:.1f} s for {run['teams']}" for run in found["ours"])
        + ". From then on a server whose databases are as they were is not asked.",
        *([f"These were to change nothing and did: {', '.join(changed)}."] if changed else []),
    ]


def onboarding(found: Found) -> list[str]:
    """Return one team more beside many."""
    return [
        "## One team more",
        f"`mlops.mlflow.onboard_team -e team={found['team']}` beside {stage.BESIDE} teams that sleep took "
        f"{found['seconds']:.1f} s and {found['remote']} remote executions, with the first start of its server and its "
        f"people. Units of other teams that started meanwhile: {', '.join(found['others']) or 'none'}. MLflow was "
        f"installed again: {'yes' if found['installed'] else 'no'}.",
    ]


def many(found: Found) -> list[str]:
    """Return the teams of one host, and those of them that are awake."""
    asleep = found["growth"][0]
    lines = [
        [
            str(step["awake"]),
            str(step["processes"]),
            f"{step['pss']:,.0f}",
            f"{asleep['available'] - step['available']:,.0f}",
        ]
        for step in found["growth"]
    ]
    idle = found["idle"]
    return [
        f"## {found['teams']} teams on one host",
        deployed(found) + f"`site` with nothing to change took {idle['seconds']:.1f} s and {idle['remote']} remote "
        "executions.",
        f"Then {len(found['wakes'])} of them were woken one after the other, by a request each, and kept awake:",
        table("| awake | processes | PSS, MiB | less available on the host, MiB |", "|---:|---:|---:|---:|", lines),
        f"All {len(found['answers'])} answered: the first time after {statistics.median(found['wakes']):.1f} s "
        f"(at most {max(found['wakes']):.1f}), and once more when all were awake after "
        f"{1000 * statistics.median(found['answers']):.0f} ms (at most {1000 * max(found['answers']):.0f}).",
    ]


def wakes(found: Found) -> list[str]:
    """Return what a boot leaves asleep, and how long those wait who come at once."""
    booted, waited = found["booted"], found["waited"]
    short = ", as many as there was memory for" if found["asked"] < found["wanted"] else ""
    lines = [
        ["the first", f"{waited[0]:.1f} s"],
        ["the median", f"{statistics.median(waited):.1f} s"],
        ["the last", f"{waited[-1]:.1f} s"],
        ["asked again, since there was none within 120 s", str(found["again"])],
    ]
    return [
        "## All at once",
        f"After the host had lost its power and booted, with {found['teams']} teams: {booted['listening']} open "
        f"ports, {booted['started']} of the teams' services started, {booted['processes']} processes, "
        f"{booted['pss']:.0f} MiB.",
        f"Then {found['asked']} of them were asked at the same moment{short}, by one request each over a connection "
        "that stays open, as MLflow's client does, which waits 120 seconds. Their answers:",
        table("| answer | after |", "|---|---:|", lines),
        f"At most {found['at_once']} servers were at their start at the same time. When all had answered, "
        f"{found['awake']} were awake with {found['pss']:,.0f} MiB (PSS) in {found['processes']} processes; the host "
        f"had up to {found['less_available']:,.0f} MiB less than before.",
    ]


def deployed(found: Found) -> str:
    """Return how long the teams took to make, where this part made them."""
    if found["deploying"] / max(found["new"], 1) < 1:
        return ""
    return (
        f"Deploying the last {found['new']} of {found['teams']} teams took {found['deploying'] / 60:.1f} minutes, "
        f"{found['deploying'] / max(found['new'], 1):.1f} s each. "
    )


def targets(found: Found) -> str:
    """Return what was aimed at, and whether it was reached."""
    stock, ours, wakes = (found["server"][key] for key in ("stock", "ours", "wakes"))
    first, last = found["site"]["ours"][0], found["site"]["ours"][-1]
    answer = stock["answer"]["median"] / ours["answer"]["median"]
    lean = stock["memory"]["pss"] / ours["memory"]["pss"]
    wake = statistics.median(wakes["wake"]) / statistics.median(wakes["import"])
    grown = last["seconds"] / first["seconds"]
    asleep, awake = found["server"]["asleep"]["processes"], found["many"]["awake"]
    installed = found["onboard"]["installed"]
    at_once = found["wakes"]
    in_time = at_once["asked"] - at_once["again"]
    lines = [
        ["authenticated answer: at least 30 times as fast as stock", f"{answer:.1f} times", verdict(answer >= 30)],
        ["memory of an awake team: at most a fifth of stock", f"1/{lean:.1f}", verdict(lean >= 5)],
        ["asleep: no process", str(asleep), verdict(asleep == 0)],
        [
            "100 teams on the host, 20 awake at once",
            f"{found['many']['teams']}, {awake}",
            verdict(found["many"]["teams"] >= 100 and awake >= 20),
        ],
        [
            "after a boot all sleep, and 50 asked at once all answer within 120 s",
            f"{at_once['booted']['awake']} awake, {in_time} of {at_once['asked']}",
            verdict(at_once["booted"]["started"] == 0 and in_time >= 50),
        ],
        ["wake: at most twice a bare import", f"{wake:.1f} times", verdict(wake <= 2)],
        [
            f"`site` for {last['teams']} teams: at most 3 times as long as for one",
            f"{grown:.1f} times",
            verdict(grown <= 3),
        ],
        ["a team more: nothing to install", "installed" if installed else "nothing", verdict(not installed)],
    ]
    return table("| target | measured | reached |", "|---|---:|---|", lines)
