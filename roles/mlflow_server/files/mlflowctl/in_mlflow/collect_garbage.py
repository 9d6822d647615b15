"""Removes for good what a team has deleted long enough ago, and with it the grants on that.

Run by mlflow-gc@TEAM.service as the team's account. The database is asked first, so that a team with nothing to
remove is not woken. Not by `mlflow gc`, which goes wherever the database says that artifacts are, with the admin's
password: what is not at its own place is left and named. SQLite gives the number of an experiment to another one later:
its grants, the datasets' being of it, its jobs and all that is below its place for artifacts go before the number is
free.
"""

from __future__ import annotations

import itertools
import os
import random
import socket
import sys
from pathlib import Path
from typing import Any

from mlflowctl.in_mlflow import believed
from mlflowctl.in_mlflow.artifacts import OutsideError, store_of
from mlflowctl.in_mlflow.deleted import Deleted, Thing, seconds
from mlflowctl.in_mlflow.grants import TIMEOUT, GrantError, Server, remove_grants
from mlflowctl.in_mlflow.known import Known, read
from mlflowctl.in_mlflow.own_places import (
    MOST_NAMED,
    Judged,
    Left,
    elsewhere,
    judge,
    own_place,
    own_root,
    parts,
    shown,
)

# It is there from before the first thing goes until the last has gone.
UNFINISHED = ".gc-unfinished"
# A store that does not answer does so for each: enough is enough.
MOST_FAILURES = 10
FOR_GOOD = {
    "run": ("Run", "_hard_delete_run"),
    "logged model": ("Logged model", "_hard_delete_logged_model"),
    "experiment": ("Experiment", "_hard_delete_experiment"),
}


def credential(name: str) -> str:
    """Return what the unit has handed over of root's."""
    return Path(os.environ["CREDENTIALS_DIRECTORY"], name).read_text(encoding="utf-8")


class Collector:
    """Removes what was judged to go, and notes what it has to leave."""

    def __init__(self, team: Known, deleted: Deleted, root: str, judged: Judged) -> None:
        from mlflow.tracking import _get_store  # noqa: PLC0415 - slow

        self.deleted, self.root = deleted, root
        self.artifacts = store_of(team, root)
        self.rows = _get_store(tracking(team)["uri"], root)
        self.judged = judged
        self.failures: list[str] = []
        self.unanswered = 0

    def remove_artifacts(self, thing: Thing) -> bool:
        """Remove them from the place that was computed; return whether its row may go."""
        if self.unanswered >= MOST_FAILURES or not self.deleted.still_has(thing):
            return False
        try:
            self.artifacts.remove(parts(thing))
        except OutsideError as error:
            self.judged.left.add(Left(thing, str(error), elsewhere=True))
        except Exception as error:  # noqa: BLE001 - whatever a store throws, the others still go
            self.unanswered += 1
            self.fail(thing, error)
        else:
            return True
        return False

    def remove_rows(self, thing: Thing) -> bool:
        """Forget it; return whether that could be done."""
        name, method = FOR_GOOD[thing.kind]
        try:
            getattr(self.rows, method)(thing.ident)
        except Exception as error:  # noqa: BLE001 - it may have gone meanwhile, or something refer to it
            self.fail(thing, error)
            return False
        print(f"{name} with ID {thing.ident} has been permanently deleted.", flush=True)
        return True

    def fail(self, thing: Thing, error: Exception) -> None:
        """Note what is in the way of one."""
        self.failures.append(f"{thing.kind} {thing.ident}: {shown(str(error))}")

    def collect(self, server: Server) -> int:
        """Remove everything; return how many grants have gone."""
        held = set()
        going = self.judged.going
        # What cannot be removed would otherwise be first in each run, and after so many failures the others never go.
        for things in going.values():
            random.shuffle(things)
        for thing in itertools.chain(going["run"], going["logged model"]):
            if not (self.remove_artifacts(thing) and self.remove_rows(thing)):
                held.add(thing.experiment)
        emptied = []
        for thing in going["experiment"]:
            if thing.ident not in held and self.remove_artifacts(thing):
                emptied.append(thing)
        removed = remove_grants(server, [thing.ident for thing in emptied])
        self.name_traces({thing.ident for thing in emptied})
        for thing in emptied:
            if self.deleted.still_has(thing):
                self.deleted.forget(thing.ident)
                self.remove_rows(thing)
        return removed + remove_grants(server)

    def name_traces(self, experiments: set[str]) -> None:
        """Note which traces go whose place, a tag that people may change, is not their own."""
        traces = self.deleted.traces_within() if experiments else ()
        for trace in traces:
            if trace.experiment in experiments and trace.place != own_place(self.root, trace):
                self.judged.left.add(elsewhere(trace))


def tracking(team: Known) -> dict[str, Any]:
    """Return the database with the runs."""
    return team.databases[-1]


def say(judged: Judged) -> None:
    """Name what stays."""
    for line in judged.left.lines():
        print(line, flush=True)
    if judged.later:
        print(f"left {judged.later} more for the next run", flush=True)


def collect(team: Known, deleted: Deleted, root: str, judged: Judged) -> None:
    """Wake the server, and remove what is to go while it stays up."""
    server = Server(team.tracking_uri, team.socket, team.admin_username, credential("admin_password").rstrip("\r\n"))
    environment = os.path.realpath(sys.prefix)
    # As long as somebody is connected, the server stays up.
    with socket.create_connection(server.address, timeout=TIMEOUT):
        server.wait_until_it_answers()
        if os.path.realpath(sys.prefix) != environment:
            sys.exit("the team was upgraded meanwhile; the next run goes on")
        collector = Collector(team, deleted, root, judged)
        removed = collector.collect(server)
    say(judged)
    print(f"removed {removed} grants on experiments that are gone", flush=True)
    if collector.failures:
        more = len(collector.failures) - MOST_NAMED
        enough = [f"and {more} more"] if more > 0 else []
        enough += ["no more were tried"] if collector.unanswered >= MOST_FAILURES else []
        named = (*collector.failures[:MOST_NAMED], *enough)
        sys.exit("\n".join(("these could not be removed; the next run tries again:", *named)))


def main() -> None:
    """Do it, or say what the server says instead."""
    try:
        run()
    except GrantError as error:
        sys.exit(f"the server does not do what it is asked to: {error}")


def run() -> None:
    """Look, and do what is to be done."""
    # Nothing that reaches a store has a log-in to a server.
    for name in [name for name in os.environ if name.startswith("MLFLOW_TRACKING_")]:
        del os.environ[name]
    team = read(credential("team.json"))
    database, unfinished = tracking(team), Path(team.state_dir, UNFINISHED)
    if database["file"] and not os.path.exists(database["file"]):
        sys.exit(f"{database['file']} is not there")
    root = own_root()
    age = seconds(team.gc_older_than)
    with Deleted(database["uri"], believed.now(Path(team.state_dir), age) - age) as deleted:
        judged = judge(deleted, root)
        if not judged and not unfinished.exists():
            say(judged)
            print("nothing to remove")
            return
        unfinished.touch(mode=0o600)
        collect(team, deleted, root, judged)
    unfinished.unlink()
