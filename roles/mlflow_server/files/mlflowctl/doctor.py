"""What is wrong on this host, and what to do about it. Changes nothing and wakes nobody; restic is asked, too."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from mlflowctl import causes, commands, drained, former, locks, paths, patience, port, systemd, transaction, trees
from mlflowctl import team as teams
from mlflowctl.backup import age, repository
from mlflowctl.cli import WELL, WRONG
from mlflowctl.errors import Problem
from mlflowctl.in_mlflow import believed
from mlflowctl.status import DISK_SECONDS, parse, table, units_of
from mlflowctl.team import Team

# Below this a database or an upgrade soon has no room.
LEAST_FREE = 1024**3
# The timer of garbage collection runs each day; what is further off than a clock can be is none of its notes.
FAR_DAYS, MOST_DAYS = 3, 36500
Finding = dict[str, str]


def finding(whose: str, problem: str, cure: str) -> Finding:
    """Return one thing that is wrong."""
    return {"team": whose, "problem": problem, "cure": cure}


def of_units(name: str, shown: dict[str, dict[str, str]]) -> Iterator[Finding]:
    """Say which units of a team have failed, or are not as they are to be at the next boot."""
    for unit in watched(name):
        if shown.get(unit, {}).get("ActiveState") == "failed":
            yield finding(name, f"{unit} has failed", causes.where(unit))
    server, socket = units_of(name)
    about = shown.get(socket, {})
    if about.get("UnitFileState") == "enabled" and about.get("ActiveState") not in ("active", "failed"):
        if (paths.HERE.closed / name).exists():
            yield finding(
                name,
                f"its server died, and {socket} refuses until it answers",
                f"{causes.where(server)}; systemctl start {server}",
            )
        else:
            yield finding(name, f"{socket} is enabled, and does not listen", f"systemctl start {socket}")
    if drained.since(name) is not None:
        listens = about.get("ActiveState") == "active"
        problem = "to drain it was cut off" if listens else "it is drained, and other hosts of the team answer"
        again = f"mlflowctl drain {name}, or " if listens else ""
        yield finding(name, problem, f"{again}mlflowctl undrain {name}, when the work on this host is done")


def of_port(team: Team) -> Iterator[Finding]:
    """Say whether a replica's port refuses, and nobody is about to end that."""
    if not team.replica or drained.since(team.name) is not None:
        return
    # A container may forbid to look.
    with contextlib.suppress(OSError):
        if port.is_refusing(drained.port_of(team)):
            listen = f"mlflow-listen@{team.name}"
            again = f"systemctl stop {listen}.socket {listen}.service; systemctl start {listen}.socket"
            problem = f"port {drained.port_of(team)} refuses whoever comes, and it is not drained"
            yield finding(team.name, problem, f"nothing while a run stops it; where that was killed, {again}")


def watched(name: str) -> list[str]:
    """Return the units of a team that can fail."""
    more = [f"mlflow-{it}@{name}.service" for it in ("listen", "gc", "backup")]
    return [*units_of(name), *more]


def garbage_timer(name: str) -> str:
    """Return what begins a team's garbage collection each day."""
    return f"mlflow-gc@{name}.timer"


def of_change(name: str) -> Iterator[Finding]:
    """Say whether a change was cut off: nobody is at it, and it is noted."""
    left = transaction.read_journal(name)
    if left and not locks.is_held(paths.HERE.locks / f"{name}.clients"):
        server = units_of(name)[0]
        yield finding(
            name,
            f"{left['what']} was cut off, and is not undone yet",
            f"nothing, where somebody connects: it is undone before the server starts; or systemctl restart {server}",
        )


def of_move(name: str) -> Iterator[Finding]:
    """Say whether a move to other stores has begun: while it is not over, the team is stopped."""
    if (paths.HERE.changes / f"{name}.moving").exists():
        yield finding(
            name,
            "its move to other stores has begun, and is not over",
            "nothing while mlops.mlflow.move_stores runs; where that was cut off, run it again",
        )


def of_places(team: Team) -> Iterator[Finding]:
    """Say what of a team is not there, or has no room."""
    if not Path(team.python).exists():
        yield finding(
            team.name,
            f"MLflow {team.version or '(none)'}, which it is to run, is not installed",
            "run mlops.mlflow.site, which installs it",
        )
    for place in {team.state_dir, *team.storage_dirs}:
        try:
            free = shutil.disk_usage(place).free
        except OSError as error:
            yield finding(team.name, f"{place}: {error.strerror}", "mount its disk, or run mlops.mlflow.site")
            continue
        if free < LEAST_FREE:
            yield finding(team.name, f"{place} has {free >> 20} MiB free", "free some, or give it a larger disk")
    for database in team.databases:
        if database["file"] and not os.path.exists(database["file"]) and (team.directory / "admin_password").exists():
            yield finding(
                team.name,
                f"its database {database['file']} is not there",
                f"restore a backup: mlflowctl restore {team.name}",
            )


def of_clock(team: Team) -> Iterator[Finding]:
    """Say whether the clock is far from when garbage collection last ran: from run to run it believes more of that."""
    # The note is the account's, and may be anything by now.
    with contextlib.suppress(OSError, ValueError):
        folder = trees.open_directory(Path(team.state_dir), [Path(team.state_dir)])
        try:
            with trees.open_file(folder, believed.NOTE) as file:
                days = (time.time() - float(file.read(believed.LONGEST))) / 86400
        finally:
            os.close(folder)
        if FAR_DAYS < abs(days) < MOST_DAYS:
            way = "ahead of" if days > 0 else "behind"
            yield finding(
                team.name,
                f"the clock is {abs(days):.0f} days {way} what garbage collection believes",
                f"set it right before: date; where it is, nothing, or rm {Path(team.state_dir, believed.NOTE)}",
            )


def disks_of(team: Team, collects: bool) -> list[Finding]:
    """Say the same, with an end, and that a disk has not answered by then."""
    try:
        patience.refuse_silent(team.places, DISK_SECONDS)
        return [*of_places(team), *(of_clock(team) if collects else ())]
    except commands.LateError as error:
        return [finding(team.name, str(error), "see whether its disk is there: dmesg, findmnt")]


def of_backups(names: list[str]) -> Iterator[Finding]:
    """Say whose newest snapshot is too old."""
    try:
        known = repository.settings()
    except Problem:
        # It has none, and that may be meant.
        return
    for name in names:
        said = age.too_old(known, name) if name not in known.exclude else ""
        if said:
            yield finding(name, said.partition(": ")[2].partition(";")[0], f"mlflowctl backup {name}")


def of_host() -> Iterator[Finding]:
    """Say what concerns all of them."""
    if not causes.journal_keeps():
        yield finding("-", "the journal keeps nothing", "say Storage=auto in /etc/systemd/journald.conf")
    if former.programs():
        yield finding(
            "-",
            f"programs of a former version stand in {paths.HERE.library}",
            "run mlops.mlflow.site, which lets units call mlflowctl instead",
        )


def look(names: list[str]) -> list[Finding]:
    """Return all that is wrong with these teams and the host."""
    asked = [unit for name in names for unit in (*watched(name), garbage_timer(name))]
    shown = systemd.show(asked, ("ActiveState", "UnitFileState"))
    found = list(of_host())
    for name in names:
        found += [*of_units(name, shown), *of_change(name), *of_move(name)]
        try:
            # Of a team that is stopped, or drained, it does not run.
            collects = shown.get(garbage_timer(name), {}).get("ActiveState") == "active"
            found += [*of_port(teams.load(name)), *disks_of(teams.load(name), collects)]
        except (OSError, TypeError, ValueError) as error:
            found.append(finding(name, f"what is written down of it cannot be read: {error}", "run mlops.mlflow.site"))
    return [*found, *of_backups(names)]


def main(*words: str) -> int:
    """Say it; an exit code of 1 says that there is something."""
    options = parse("doctor", words)
    teams.refuse_unknown(options.teams)
    found = look(options.teams or teams.names())
    if options.json:
        print(json.dumps(found, indent=2))
    elif found:
        print(table([["TEAM", "WHAT IS WRONG", "WHAT TO DO"], *(list(it.values()) for it in found)]))
    else:
        print("all is well")
    return WRONG if found else WELL
