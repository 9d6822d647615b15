"""Measure artifacts as files, beside curl and MLflow's own client.

make bench-mounts [ARGS="--mib 512 --runs 200 --users 10 --keep"]. Writes docs/benchmarks-mounts.md; smaller sizes are
said there. --keep leaves the host and takes the one that was left.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import measure
import project
import stage
from report import table, verdict, versions
from stage import Stage

RESULT = project.BUILD / "bench-mounts.json"
REPORT = project.ROOT / "docs" / "benchmarks-mounts.md"
CODE = stage.HERE / "mounts_on_host.py"
TEAM = "t001"
STORE = f"/var/lib/mlflow/{TEAM}/artifacts"
TIMES = 3
IDLE = 30
MINUTES = 40
Found = dict[str, Any]


def ask(on: Stage, do: str, **given: Any) -> Any:
    """Run one of the functions of mounts_on_host.py on the host."""
    return json.loads(on.run(["python3", "-c", CODE.read_text()], json.dumps({"do": do, **given}), 1800))


def measured(on: Stage, options: argparse.Namespace) -> Found:
    """Measure everything; say each part as soon as it is there."""
    on.deploy(1)
    who = on.who()
    on.ask("first_answer", who=who)
    users = [f"person{number:02}" for number in range(1, options.users + 1)]
    if "person01" not in on.run(["cut", "-d:", "-f1", "/etc/passwd"]):
        ask(on, "settle", users=users, team=TEAM, who=who)
    given = {"mlflow_mounts_users": users, "mlflow_mounts_idle_seconds": IDLE}
    on.play(str(stage.HERE / "mounts.yml"), 1, "-e", json.dumps(given))
    filled = ask(on, "fill", who=who, store=STORE, runs=options.runs, mib=options.mib)
    filled["file"] = f"{STORE}/{filled['numbers']['large']}/{filled['run']}/artifacts/model.bin"
    project.say(f"filled with {options.runs} runs and {options.mib} MiB")
    some = {"user": users[0], "who": who, "python": stage.PYTHON, "team": TEAM, "filled": filled, "times": TIMES}
    all_of_them = {"users": users, "team": TEAM, "filled": filled, "seconds": 300}
    found: Found = {}
    for part, given in (("looking", all_of_them), ("listing", some), ("reading", some)):
        found[part] = ask(on, part, **given)
        project.say(f"{part}: {found[part]}")
        RESULT.write_text(json.dumps(found, indent=2) + "\n")
    return found


def median(rounds: list[dict[str, float]], key: str) -> float:
    """Return the middle of what one way took."""
    return statistics.median(one[key] for one in rounds)


def document(found: Found) -> str:
    """Return all that was measured."""
    reading, listing, looking = found["reading"], found["listing"], found["looking"]
    mib = reading["bytes"] / 1024**2
    read = {key: median(reading["rounds"], key) for key in ("curl", "mount", "again")} | {"client": reading["client"]}
    kept = min(one["kept"] for one in reading["rounds"]) / reading["bytes"]
    told = {key: median(listing["rounds"], key) for key in ("client", "mount", "again")}
    words = {
        "curl": "`curl` to nowhere, from the same server",
        "mount": "the mount, `cat` to nowhere, nothing known before",
        "again": "the mount once more: the kernel still has it",
        "client": "`mlflow.artifacts.download_artifacts`, once, to disk",
    }
    users = looking["all"]["users"]
    ratio, slower = read["curl"] / read["mount"], told["mount"] / told["client"]
    largest = max([*users, *looking["one"]["users"]])
    left = len(looking["nobody"]["users"]) + len(looking["after"]["users"])
    rounds = f"{len(reading['rounds'])} rounds"
    parts = [
        "# Artifacts as files, measured",
        "Printed by `make bench-mounts`, on one throwaway host (a container with a real systemd, Debian 12) with "
        f"{stage.memory_of_host()} GiB of memory: the team's server, its artifacts and the people are all there, and "
        f"nothing is between them but the team's socket. Figures are medians of {rounds}, in which each way had its "
        "turn; before each, the service of the mounts was restarted, so that nothing was known. The client's "
        "seconds are without its import.",
        f"## A model of {mib:,.0f} MiB",
        table(
            "| way | seconds | MiB/s |",
            "|---|---:|---:|",
            [[words[key], f"{seconds:.1f}", f"{mib / seconds:,.0f}"] for key, seconds in read.items()],
        ),
        f"When it was read once more, the kernel had {100 * kept:.1f} % of it at least: it may take back what nobody "
        "uses, of this file as of any other, and each piece that is missing is asked for.",
        f"## {listing['runs']:,} runs, each with 20 metrics, 20 parameters and a file",
        table(
            "| way | seconds |",
            "|---|---:|",
            [
                ["`MlflowClient.search_runs`, which does not say who has files", f"{told['client']:.2f}"],
                ["`ls` in the mount, nothing known before", f"{told['mount']:.2f}"],
                ["`ls` once more", f"{told['again']:.2f}"],
            ],
        ),
        f"## {len(users)} people",
        table(
            "| who looks | processes beside the service | MiB (PSS) of each | MiB of the service |",
            "|---|---:|---:|---:|",
            [row(word, looking[key]) for key, word in SCENES.items()],
        ),
        f"All have one log-in. Here a process ends {IDLE} s after the last look (`mlflow_mounts_idle_seconds`).",
        "## Targets",
        table(
            "| target | measured | reached |",
            "|---|---:|---|",
            [
                ["a model: at least 0.7 of what curl gets", f"{ratio:.2f}", verdict(ratio >= 0.7)],
                [
                    "the second time from the page cache: at least 99 % of it",
                    f"{100 * kept:.1f} %, {read['mount'] / read['again']:.1f} times as fast",
                    verdict(kept >= 0.99),
                ],
                ["a listing: at most 1.5 times the client", f"{slower:.2f} times", verdict(slower <= 1.5)],
                ["a process that answers: at most 8 MiB", f"{largest:.1f} MiB at most", verdict(largest <= 8)],
                ["nobody looks: no process", str(left), verdict(left == 0)],
            ],
        ),
        f"With {versions()}.",
    ]
    return "\n\n".join(parts)


SCENES = {"nobody": "nobody", "one": "one", "all": "all", "after": f"nobody, {IDLE} s later"}


def row(word: str, found: Found) -> list[str]:
    """Return what there is while some look."""
    each = f"{statistics.mean(found['users']):.1f}" if found["users"] else ""
    return [word, str(len(found["users"])), each, f"{found['main']:.1f}"]


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the host, and use one that was left")
    for name, default in (("mib", 2048), ("runs", 1000), ("users", 50)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def main() -> int:
    """Measure, and write it down."""
    options = parse()
    project.tidy_up_when_told_to_end()
    with project.lock("hosts"), project.lock("molecule"), project.lock("bench"), measure.at_most(MINUTES):
        try:
            found = measured(stage.prepare(fresh=not options.keep), options)
        finally:
            if not options.keep:
                stage.forget()
    text = document(found)
    print(text)
    REPORT.write_text(f"{text}\n")
    return 0


if __name__ == "__main__":
    project.main(main)
