"""Measure a host with many teams, beside MLflow as it ships and a playbook as one writes it first.

make bench-hosts [ARGS="server worker site onboard many wakes --keep"]: all parts in this order unless some are named.
--keep leaves the host and takes the one that was left. Each part has a time it may take; what was measured stands in
build/bench-hosts.json, and with ARGS=report only the report is made of it again. Writes docs/benchmarks-hosts.md and
docs/benchmarks-hosts.svg once every part was measured.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import hosts_report
import measure
import project
import stage
from stage import Stage

RESULT = project.BUILD / "bench-hosts.json"
DOCS = project.ROOT / "docs"
TEAMS = "mlflow@t001.service|mlflow-listen@t001.service"
CLIENTS = (1, 8, 32)
CASE_SECONDS = 10
WAKES = 5
SIZES = (1, 10, stage.BESIDE)
MANY, AWAKE, STEP = 100, 20, 5
# Half of them are asked at the same moment; each of these takes so many MiB, and the host is to keep some.
MIB_OF_ONE, MIB_TO_KEEP = 250, 2048
Found = dict[str, Any]


def put_under_load(on: Stage, who: Found, units: str) -> Found:
    """Measure one server that is awake: answers, metrics logged, and what it takes."""
    found: Found = {"answer": on.ask("answers", who=who, seconds=CASE_SECONDS, most=300)}
    found["logging"] = [on.ask("logging", who=who, clients=clients, seconds=CASE_SECONDS) for clients in CLIENTS]
    found["memory"] = on.ask("total", units=units)
    project.say(f"{units}: {found['answer']['median']:.0f} ms, {found['memory']['pss']:.0f} MiB")
    return found


def measure_server(on: Stage) -> Found:
    """Measure one server of each kind, one after the other."""
    on.deploy(1)
    on.ask("sleep")
    found: Found = {"asleep": on.ask("total", units=TEAMS)}
    with stage.stock_server(on) as who:
        found["stock"] = put_under_load(on, who, "stock.service")
    on.ask("first_answer", who=on.who())
    found["ours"] = put_under_load(on, on.who(), TEAMS)
    found["wakes"] = on.ask("wakes", who=on.who(), python=stage.PYTHON, times=WAKES)
    return found


def measure_worker(on: Stage) -> Found:
    """Measure the ways to start a server's only worker."""
    on.deploy(1)
    on.ask("sleep")
    code = (stage.HERE / "worker.py").read_text()
    command = ["python3", "-c", code, stage.PYTHON, "/usr/local/lib/mlflow/mlflowctl/in_mlflow", str(WAKES)]
    return {"ways": json.loads(on.run(command))}


def repeated(on: Stage, playbook: str, teams: int, times: int) -> Found:
    """Measure runs that change nothing: the median, and how many teams were awake before and after."""
    # The first one still looks at what the run that changed something has left.
    first = on.play(playbook, teams)
    on.ask("sleep")
    before = on.ask("awake")
    costs = [on.play(playbook, teams) for _time in range(times)]
    return {
        "teams": teams,
        "seconds": statistics.median(cost.seconds for cost in costs),
        "remote": max(cost.remote for cost in costs),
        "changed": sum(cost.changed for cost in costs),
        "runs": times,
        "first": first.seconds,
        "awake": [before, on.ask("awake")],
    }


def measure_site(on: Stage) -> Found:
    """Measure runs with nothing to change for more and more teams, and the loop beside each."""
    found: Found = {"ours": [], "loop": []}
    naive = str(stage.HERE / "naive.yml")
    for teams in SIZES:
        on.deploy(teams)
        on.ask("sleep")
        found["ours"].append(repeated(on, "mlops.mlflow.site", teams, 3 if teams < stage.BESIDE else 2))
        found["loop"].append(repeated(on, naive, teams, 3 if teams == 1 else 1))
    return found


def measure_onboarding(on: Stage) -> Found:
    """Measure one team more beside many, and what else was touched."""
    on.deploy(stage.BESIDE)
    on.ask("sleep")
    before, built = on.ask("now"), on.ask("built", path=stage.ENVIRONMENT)
    name = stage.team(stage.BESIDE + 1, on.seed)["name"]
    if on.run(["sh", "-c", f"ls -d /etc/mlflow/{name} || true"]):
        raise project.ToolError(f"{name} is on the host already; leave out --keep to onboard it anew")
    cost = on.play("mlops.mlflow.onboard_team", stage.BESIDE + 1, "-e", f"team={name}")
    on.teams = max(on.teams, stage.BESIDE + 1)
    started = on.ask("started_since", moment=before)
    return {
        "team": name,
        "seconds": cost.seconds,
        "remote": cost.remote,
        "others": [unit for unit in started if f"@{name}." not in unit],
        "own": [unit for unit in started if f"@{name}." in unit],
        "installed": on.ask("built", path=stage.ENVIRONMENT) != built,
    }


def measure_many(on: Stage) -> Found:
    """Have many teams on the host, and a part of them awake at once."""
    started, there, teams = time.monotonic(), on.teams, on.most
    on.deploy(teams)
    spent = time.monotonic() - started
    idle = repeated(on, "mlops.mlflow.site", teams, 1)
    people = [on.who(number) for number in range(1, AWAKE + 1)]
    found: Found = on.ask("wake_many", people=people, step=STEP, timeout=900)
    return {**found, "teams": teams, "new": teams - there, "deploying": spent, "idle": idle}


def measure_wakes(on: Stage) -> Found:
    """Let the host boot with many teams that sleep, and ask half of them at the same moment."""
    on.deploy(on.most)
    on.ask("sleep")
    on.reboot()
    booted = on.ask("after_boot")
    project.say(f"booted with {on.teams} teams: {booted['awake']} awake, {booted['processes']} processes")
    fits = int((on.ask("available") - MIB_TO_KEEP) // MIB_OF_ONE)
    wanted = on.most // 2
    asked = min(wanted, fits)
    people = [on.who(number) for number in range(1, asked + 1)]
    found: Found = on.ask("wake_at_once", people=people, timeout=900)
    return {**found, "teams": on.teams, "asked": asked, "wanted": wanted, "booted": booted}


# With the minutes that each may take, also when it has to deploy its teams first.
PARTS: dict[str, tuple[Callable[[Stage], Found], int]] = {
    "server": (measure_server, 15),
    "worker": (measure_worker, 10),
    "site": (measure_site, 45),
    "onboard": (measure_onboarding, 20),
    "many": (measure_many, 35),
    "wakes": (measure_wakes, 45),
}


def measure_parts(parts: list[str], keep: bool, most: int) -> list[str]:
    """Measure the parts, and keep each as soon as it is done; return what went wrong."""
    run, problems = datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"), []
    kept: Found = json.loads(RESULT.read_text()) if RESULT.exists() and parts != list(PARTS) else {}
    try:
        on = stage.prepare(fresh=not keep)
        on.most = most
        for part in parts:
            work, minutes = PARTS[part]
            project.say(f"{part}, {minutes} minutes at most")
            try:
                with measure.at_most(minutes):
                    kept[part] = {"run": run, **work(on)}
            except (project.ToolError, measure.TooLateError) as error:
                problems.append(f"{part}: {error}")
                project.say(f"NOT measured: {error}")
            RESULT.write_text(json.dumps(kept, indent=2) + "\n")
    finally:
        if not keep:
            stage.forget()
    return problems


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}, report; all when none is named")
    parser.add_argument("--keep", action="store_true", help="leave the host, and use one that was left")
    teams = "how many teams the parts many and wakes have on the host"
    parser.add_argument("--teams", type=int, default=MANY, help=teams)
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in [*PARTS, "report"]]
    if unknown:
        parser.error(f"no part {unknown[0]}: there is {', '.join([*PARTS, 'report'])}")
    return options


def main() -> int:
    """Measure, print what was measured, and keep it when it is everything."""
    options = parse()
    project.tidy_up_when_told_to_end()
    parts = [part for part in PARTS if part in options.parts or not options.parts]
    problems = []
    if parts:
        with project.lock("hosts"), project.lock("molecule"), project.lock("bench"):
            problems = measure_parts(parts, options.keep, options.teams)
    kept = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    if not kept:
        raise project.ToolError("\n".join(problems) or "nothing was measured yet")
    text = hosts_report.document(kept)
    print(text)
    if set(PARTS) <= set(kept):
        DOCS.mkdir(exist_ok=True)
        (DOCS / "benchmarks-hosts.md").write_text(text + "\n")
        picture = DOCS / "benchmarks-hosts.svg"
        draw = [project.MLFLOW / "bin" / "python", stage.HERE / "picture.py", RESULT, picture]
        project.run(draw, quiet=True)
        project.say(f"written to docs/benchmarks-hosts.md, with {picture.name}")
    if problems:
        raise project.ToolError("\n".join(problems))
    return 0


if __name__ == "__main__":
    project.main(main)
