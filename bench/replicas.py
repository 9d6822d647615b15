"""Measure what more replicas bring: answers a second of a team on 1, 2 and 4 hosts, each with a share of a processor.

make bench-replicas [ARGS="--share 4 --rounds 4 --seconds 12 --keep"]. Writes docs/benchmarks-replicas.md; what is
other than usual is said there. --keep leaves the hosts and takes those that were left.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import demo
import load
import measure
import project
import replicas_report
import stage
import testhosts
from stage import Stage

RESULT = project.BUILD / "bench-replicas.json"
REPORT = project.ROOT / "docs" / "benchmarks-replicas.md"
HOME = project.BUILD / "bench" / "replicas"
TEAM, PORT, DOMAIN = "shared", 5001, "mlflow.example.org"
SIZES = (1, 2, 4)
REPLICAS = [f"replica{number}" for number in range(1, max(SIZES) + 1)]
# One for each number of replicas, and each knows so many of them: no server is started or stopped between measurements.
PROXIES = {size: f"front{size}" for size in SIZES}
STORE = "store"
SLICE = "mlflow.slice"
# Not every host has what counts for the whole of it. Each of these is one process.
UNITS, STAT = f"mlflow@{TEAM} mlflow-listen@{TEAM}", "cat /proc/$(systemctl show -P MainPID $unit)/stat"
# As many people for each replica, so that one alone is not the one that is swamped.
PEOPLE = 6
# With a small part of a processor, looking at log-ins would be most of its work.
REMEMBERED = 3600
# So many seconds are not counted: those in which who asks is not known yet.
WARM = 3
RUNS = 5
MINUTES = 40
Found = dict[str, Any]


@dataclass(frozen=True)
class House:
    """All hosts, and the passwords that are for them."""

    hosts: dict[str, Stage]
    seed: str

    @property
    def password(self) -> str:
        """Who asks has this one."""
        return f"dave-{self.seed}"

    def team(self, size: int) -> Found:
        """Return the team as so many hosts serve it."""
        store = self.hosts[STORE].host.address
        return {
            "name": TEAM,
            "port": PORT,
            "servers": REPLICAS[:size],
            "version": stage.VERSION,
            "admin_password": f"admin-{self.seed}",
            "backend_store_uri": f"postgresql+psycopg://{TEAM}:{self.seed}@{store}/{TEAM}",
            # Nobody gets to its artifacts here.
            "artifacts": {"destination": f"s3://{TEAM}"},
            "environment": {"MLFLOW_S3_ENDPOINT_URL": f"http://{store}:9000"},
            "allowed_hosts": [f"{TEAM}.{DOMAIN}"],
            "idle_timeout": "never",
            "auth_cache_ttl_seconds": REMEMBERED,
            "users": [{"name": "dave", "password": self.password}],
            "experiments": [{"name": "together", "grants": {"dave": "EDIT"}}],
        }

    def play(self, playbook: str, size: int, proxies: list[str]) -> None:
        """Run a playbook for the team as so many hosts serve it."""
        servers = {
            name: {
                **testhosts.connection(self.hosts[name].host),
                "mlflow_server_address": self.hosts[name].host.address,
                "mlflow_listen_address": "0.0.0.0",
            }
            for name in REPLICAS
        }
        fronts = {name: testhosts.connection(self.hosts[name].host) for name in proxies}
        given = {"mlflow_teams": [self.team(size)], "mlflow_proxy_domain": DOMAIN}
        children = {"mlflow_servers": {"hosts": servers}, "mlflow_proxies": {"hosts": fronts}}
        inventory = HOME / "inventory.json"
        stage.write_private(inventory, json.dumps({"all": {"vars": given, "children": children}}))
        measure.run_whole(
            ["ansible-playbook", f"mlops.mlflow.{playbook}", f"--inventory={inventory}"], demo.environment()
        )

    def make_database(self) -> None:
        """Have PostgreSQL, with the team's database."""
        install = "apt-get update -q && apt-get install -qy --no-install-recommends postgresql"
        listen = (
            "cd /etc/postgresql/*/main && grep -q '^host shared' pg_hba.conf || { echo \"listen_addresses = '*'\" >> "
            "postgresql.conf && echo 'host shared shared all scram-sha-256' >> pg_hba.conf && "
            "systemctl restart postgresql; }"
        )
        script = f"DEBIAN_FRONTEND=noninteractive sh -c '{install}' >/dev/null && {listen}"
        self.hosts[STORE].run(["sh", "-c", script])
        sql = f"CREATE ROLE {TEAM} LOGIN PASSWORD '{self.seed}'; CREATE DATABASE {TEAM} OWNER {TEAM};"
        self.hosts[STORE].run(["runuser", "-u", "postgres", "--", "psql", "--quiet", "--set=ON_ERROR_STOP=1"], sql)

    def hold(self, share: int | None) -> None:
        """Let all that MLflow has on each replica take so many percent of a processor, or as much as it wants."""
        quota = "" if share is None else f"{share}%"
        for name in REPLICAS:
            self.hosts[name].run(["systemctl", "set-property", "--runtime", SLICE, f"CPUQuota={quota}"])

    def spent(self, size: int) -> list[float]:
        """Return the seconds of a processor that the team has taken so far on each of so many replicas."""

        def asked(name: str) -> float:
            stats = self.hosts[name].run(["sh", "-c", f"for unit in {UNITS}; do {STAT}; done"]).splitlines()
            ticks = [line.rpartition(")")[2].split()[11:13] for line in stats]
            return sum(int(tick) for both in ticks for tick in both) / os.sysconf("SC_CLK_TCK")

        with ThreadPoolExecutor(size) as pool:
            return list(pool.map(asked, REPLICAS[:size]))

    def door(self, size: int) -> load.Door:
        """Return the proxy that knows so many replicas."""
        front = self.hosts[PROXIES[size]]
        authority = ssl.create_default_context(cadata=front.run(["cat", "/etc/mlflow-proxy/ca.pem"]))
        return load.Door(f"{TEAM}.{DOMAIN}", front.host.address, authority, "dave", self.password)


def prepare(fresh: bool) -> House:
    """Return the hosts with the team on all of them."""
    names = [*REPLICAS, *PROXIES.values(), STORE]
    seed = HOME / "seed"
    if fresh or not seed.exists():
        testhosts.down(names)
        seed.unlink(missing_ok=True)
    hosts = {name: Stage(testhosts.up(name, uv=name in REPLICAS), "") for name in names}
    house = House(hosts, seed.read_text() if seed.exists() else secrets.token_hex(8))
    if not seed.exists():
        house.make_database()
        stage.write_private(seed, house.seed)
    house.play("site", max(SIZES), [])
    for size, name in PROXIES.items():
        house.play("configure_proxies", size, [name])
    return house


def works(door: load.Door) -> dict[str, load.Work]:
    """Return what people do: each logs to a run of their own, or looks for the same runs."""
    with door.asking() as post:
        made = post("/experiments/search", {"filter": "name = 'together'", "max_results": 1})
        identity = made["experiments"][0]["experiment_id"]
        runs = [
            post("/runs/create", {"experiment_id": identity})["run"]["info"]["run_id"]
            for _number in range(max(RUNS, PEOPLE * max(SIZES)))
        ]

    def log(me: int, number: int) -> tuple[str, Found]:
        metric = {"run_id": runs[me], "key": "loss", "value": 1, "timestamp": time.time_ns() // 10**6, "step": number}
        return "/runs/log-metric", metric

    def search(_me: int, _number: int) -> tuple[str, Found]:
        return "/runs/search", {"experiment_ids": [identity], "max_results": RUNS}

    return {"log a metric": log, f"look for {RUNS} runs": search}


def measured(house: House, options: argparse.Namespace) -> list[Found]:
    """Measure all sizes in each round, each time in another order; say each as soon as it is there."""
    doors, found = {size: house.door(size) for size in SIZES}, []
    work_of = works(doors[max(SIZES)])
    for work in work_of.values():
        # What a server does first is more than what it does then.
        load.under_load(doors[max(SIZES)], PEOPLE * max(SIZES), work, WARM, options.seconds, lambda _when: None)
    house.hold(options.share)
    try:
        for number in range(options.rounds):
            turn = number % len(SIZES)
            for what, work in work_of.items():
                for size in (*SIZES[turn:], *SIZES[:turn]):
                    found.append({"round": number, "what": what, "replicas": size})
                    found[-1].update(one(house, doors[size], size, work, options.seconds))
                    project.say(str(found[-1]))
                    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    finally:
        house.hold(None)
    return found


def one(house: House, door: load.Door, size: int, work: load.Work, seconds: float) -> Found:
    """Measure one size once: answers, and how much of a processor each replica really had."""
    moments: dict[str, tuple[float, list[float]]] = {}

    def inside(when: str) -> None:
        moments[when] = (time.monotonic(), house.spent(size))

    answered = load.under_load(door, PEOPLE * size, work, WARM, seconds, inside)
    (begin, before), (end, after) = moments["begin"], moments["end"]
    had = [100 * (late - early) / (end - begin) for early, late in zip(before, after, strict=True)]
    return {"rate": answered.rate, "median": answered.median, "asking": 100 * answered.asking, "had": had}


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the hosts, and use those that were left")
    parser.add_argument("--share", type=int, default=4, help="percent of a processor for each replica")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument(
        "--seconds", type=float, default=12, help="how long each number of replicas is measured in a round"
    )
    return parser.parse_args()


def main() -> int:
    """Measure, and write it down."""
    options = parse()
    project.tidy_up_when_told_to_end()
    with project.lock("hosts"), project.lock("molecule"), project.lock("bench"), measure.at_most(MINUTES):
        try:
            found = measured(prepare(fresh=not options.keep), options)
        finally:
            if not options.keep:
                testhosts.down([*REPLICAS, *PROXIES.values(), STORE])
                (HOME / "seed").unlink(missing_ok=True)
    sizes = {"share": options.share, "rounds": options.rounds, "seconds": options.seconds}
    text = replicas_report.document(found, **sizes, people=PEOPLE)
    print(text)
    REPORT.write_text(f"{text}\n")
    return 0


if __name__ == "__main__":
    project.main(main)
