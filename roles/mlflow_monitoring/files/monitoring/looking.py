"""One look at all teams of the host; what fails for one keeps no other's figures out."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from threading import BoundedSemaphore
from typing import Any

from mlflowctl import access_state, causes, redaction
from mlflowctl import team as teams
from mlflowctl.errors import ODD, Problem
from mlflowctl.team import Team

from monitoring import databases_of, figures, journal, kinds, store, units
from monitoring.exposition import Sample
from monitoring.figures import Seen
from monitoring.questions import SETS

# How many databases are read at the same time; how long for one's turn is waited for, and for all teams: a disk that is
# away holds whoever looks at it, with no end that could be set.
AT_ONCE, TURN_SECONDS, ALL_SECONDS = 4, 60, 120
# What a state may have lasted at most between two looks: the host may have slept in between.
LONGEST_GAP = 600
# What is read of databases, besides how large they are: what was read of less, before an upgrade, is read again.
ASKED = ["verified", *(it.name for it in SETS["quick"])]
# Whatever a team's databases or files may do.
FAILURES = (Problem, OSError, *ODD)


def say(name: str, error: Exception) -> None:
    """Say into the journal why there are none, without passwords."""
    print(f"{name}: {causes.shown(redaction.hidden(str(error) or type(error).__name__))}", file=sys.stderr, flush=True)


class Look:
    """What there is to see at one moment."""

    def __init__(self, settings: dict[str, Any], now: float) -> None:
        self.settings = settings
        self.now = now
        self.names = teams.names()
        self.state = store.state()
        self.known: dict[str, Any] = {
            name: {**known, "noted": {**journal.fresh(), **known.get("noted", {})}}
            for name, known in ((name, self.state["teams"].get(name) or {}) for name in self.names)
        }
        self.turns = BoundedSemaphore(AT_ONCE)
        self.units = units.shown(unit for name in self.names for unit in units.of_team(name))

    def read_journal(self) -> None:
        """Note what has happened since the last look, and what runs now."""
        try:
            for entry in journal.entries(self.names, self.state["cursor"], self.state["ran"]):
                name = journal.team_of(entry)
                if name in self.known:
                    journal.note(self.known[name]["noted"], name, entry)
                self.state["cursor"] = entry["__CURSOR"]
        except journal.JournalError as error:
            say("journal", error)
            # From here on, by the clock.
            self.state["cursor"] = ""
        gap = min(max(self.now - self.state["ran"], 0), LONGEST_GAP) if self.state["ran"] else 0
        for name, known in self.known.items():
            noted = known["noted"]
            blocks = [self.units.get(f"{unit}@{name}.service", {}) for unit in ("mlflow", "mlflow-listen")]
            if blocks[0].get("ActiveState") == "active":
                noted["awake_seconds"] = round(noted["awake_seconds"] + gap, 3)
            running = [it for it in blocks if it.get("ActiveState") not in (None, "inactive", "failed")]
            total = noted["cpu_seconds"] + sum((units.amount(it.get("CPUUsageNSec")) or 0) / 1e9 for it in running)
            # systemd may say of one that just ended how much it took only a moment later.
            noted["cpu_total"] = round(max(total, noted["cpu_total"]), 3)

    def everybody(self) -> list[Sample]:
        """Return the figures of all teams."""
        pool = ThreadPoolExecutor(max(len(self.names), 1))
        waited_for = {name: pool.submit(self.of_team, name) for name in self.names}
        end, found = time.monotonic() + ALL_SECONDS, []
        for name, figure in waited_for.items():
            try:
                found += figure.result(max(end - time.monotonic(), 0))
            except LateError:
                say(name, TimeoutError(f"it was still not looked at after {ALL_SECONDS} s; does a disk of it hang?"))
                found.append(Sample(kinds.ERROR, {"team": name}, 1))
        pool.shutdown(wait=False)
        return found

    def of_team(self, name: str) -> list[Sample]:
        """Return those of one team, or that there are none."""
        try:
            team = teams.load(name)
            read = self.databases(team)
            walk = store.read(store.HOME / "walks" / f"{name}.json")
            failed = bool(read.get("error") or walk.get("error"))
            seen = Seen(team, self.units, self.known[name]["noted"], read, walk, failed)
            found = list(figures.samples(seen))
            store.count_day(name, self.known[name], figures.daily(seen), self.now, self.settings["keep_days"])
        except FAILURES as error:
            say(name, error)
            return [Sample(kinds.ERROR, {"team": name}, 1)]
        return found

    def databases(self, team: Team) -> dict[str, Any]:
        """Return what is in the team's databases; they are read again once they were written to, not all the time."""
        path = store.HOME / "databases" / f"{team.name}.json"
        former = store.read(path)
        state, (noted, verified) = access_state.of_files(team), figures.receipt(team)
        whole, tried = former.get("asked") == ASKED, former.get("tried", 0)
        if whole and tried <= self.now < tried + self.settings["read_every"]:
            return dict(former)
        known = whole and former.get("verified") == verified and not former.get("error")
        if state is not None and former.get("state") == state and known:
            return {**former, "read": self.now}
        try:
            if not self.turns.acquire(timeout=TURN_SECONDS):
                raise TimeoutError(f"others were still being read after {TURN_SECONDS} s")
            try:
                told = {**databases_of.asked(team, "quick"), "read": self.now, "error": False}
                told["as_declared"], told["grants_as_declared"] = access_state.compared(team, noted)
            finally:
                self.turns.release()
        except FAILURES as error:
            say(team.name, error)
            told = {**former, "error": True, "as_declared": False, "grants_as_declared": None}
        told.update(tried=self.now, state=state, verified=verified, asked=ASKED)
        store.write(path, told)
        return told

    def keep(self) -> None:
        """Note it for the next look."""
        store.write(store.HOME / "state.json", {"cursor": self.state["cursor"], "ran": self.now, "teams": self.known})


def walk(names: Iterable[str]) -> None:
    """Count the artifacts of all teams, one after the other, and ask for what is shown once a day."""
    for name in names:
        path = store.HOME / "walks" / f"{name}.json"
        try:
            team = teams.load(name)
            found = {"answers": databases_of.asked(team, "daily")["answers"], "artifacts": databases_of.walked(team)}
            store.write(path, {**found, "at": time.time(), "error": False})
        except FAILURES as error:
            say(name, error)
            store.write(path, {**store.read(path), "error": True})
