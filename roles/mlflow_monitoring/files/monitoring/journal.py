"""What systemd has noted of the teams' units since the last look: starts, their seconds, restarts and their causes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

from mlflowctl import commands

# As systemd names its messages (sd-messages.h).
START = "7d4958e842da4a758f6c1cdc7b36dcc5"
STARTED = "39f53479d3a045ac8e11786248231fbf"
RESTART = "5eb03494b6584870a536b337290809b3"
FAILURE = "d9b373ed55a64feb8242e02dbe79a49c"
RESOURCES = "ae8f7b866b0347b9af31fe1c80b127c0"
FIELDS = "MESSAGE_ID,UNIT,INVOCATION_ID,UNIT_RESULT,CPU_USAGE_NSEC,MESSAGE,MLFLOW_STATUS,_SYSTEMD_UNIT"
# What systemd-socket-proxyd says of a connection more than it takes.
REFUSED = "Hit connection limit"
# And what a server's audit lines say of who is not logged in, or may not.
AUDIT, REFUSALS = "mlflow-audit", ("401", "403")
SECONDS = 30
# More than a server is asked in a minute, for which one line may stand.
MOST_AT_ONCE = 10**6

Entry = dict[str, Any]
Noted = dict[str, Any]


class JournalError(Exception):
    """Why it could not be read."""


def entries(names: Iterable[str], cursor: str, since: float) -> Iterator[Entry]:
    """Yield what there is of these teams after a cursor, or else after a moment; 0 is when the host was started.

    That is worked out here: journalctl would have to see more of /proc than this unit does. A team's own code may have
    written any number of lines, so that no more than one is kept.
    """
    teams = list(names)
    if not teams:
        return
    units = [f"UNIT={unit}@{name}.service" for name in teams for unit in ("mlflow", "mlflow-listen")]
    messages = [f"MESSAGE_ID={it}" for it in (START, STARTED, RESTART, FAILURE, RESOURCES)]
    passing = [f"_SYSTEMD_UNIT=mlflow-listen@{name}.service" for name in teams]
    refusing = [f"_SYSTEMD_UNIT=mlflow@{name}.service" for name in teams]
    refusing += [f"SYSLOG_IDENTIFIER={AUDIT}", *(f"MLFLOW_STATUS={status}" for status in REFUSALS)]
    since = since or time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    begin = f"--after-cursor={cursor}" if cursor else f"--since=@{since:.0f}"
    command = ["journalctl", "--quiet", "--no-pager", "--output=json", f"--output-fields={FIELDS}", begin]
    matches = ["_PID=1", *units, *messages, "+", *passing, "+", *refusing]
    try:
        for line in commands.lines([*command, *matches], JournalError, SECONDS):
            if line.startswith(b"{"):
                yield json.loads(line)
    except commands.LateError as error:
        raise JournalError(str(error)) from None


def fresh() -> Noted:
    """Return what is noted of a team of which nothing is known yet."""
    return {
        "starts": 0,
        "start_seconds": 0.0,
        "last_start_seconds": None,
        "restarts": 0,
        "failures": {},
        "failed_starts": 0,
        "refused": 0,
        "refusals": dict.fromkeys(REFUSALS, 0),
        # Of what has ended, and with what runs now.
        "cpu_seconds": 0.0,
        "cpu_total": 0.0,
        "awake_seconds": 0.0,
        # The start that has not come to its end: its invocation, and its beginning by the clock of this boot.
        "begun": None,
    }


def note(noted: Noted, name: str, entry: Entry) -> None:
    """Add one entry to what is noted of its team."""
    unit, message = entry.get("UNIT") or "", entry.get("MESSAGE_ID")
    if entry.get("_SYSTEMD_UNIT") == f"mlflow-listen@{name}.service":
        said = entry.get("MESSAGE")
        noted["refused"] += isinstance(said, str) and REFUSED in said
        # The rest of it is not systemd's word.
        return
    if entry.get("_SYSTEMD_UNIT") == f"mlflow@{name}.service":
        count_refusals(noted, entry)
        return
    if message == RESOURCES:
        # Of both units; it is said when one ends, and those that run are asked.
        noted["cpu_seconds"] += int(entry.get("CPU_USAGE_NSEC") or 0) / 1e9
    if unit != f"mlflow@{name}.service":
        return
    invocation, moment = entry.get("INVOCATION_ID"), int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6
    if message == START:
        noted["begun"] = [invocation, moment]
    elif message == STARTED:
        noted["starts"] += 1
        noted["failed_starts"] = 0
        if noted["begun"] and noted["begun"][0] == invocation and moment >= noted["begun"][1]:
            noted["last_start_seconds"] = round(moment - noted["begun"][1], 3)
            noted["start_seconds"] = round(noted["start_seconds"] + noted["last_start_seconds"], 3)
        noted["begun"] = None
    elif message == RESTART:
        noted["restarts"] += 1
    elif message == FAILURE:
        cause = str(entry.get("UNIT_RESULT") or "unknown")
        noted["failures"][cause] = noted["failures"].get(cause, 0) + 1
        # One that failed after it had started was no failed start.
        noted["failed_starts"] += noted["begun"] is not None
        noted["begun"] = None


def count_refusals(noted: Noted, entry: Entry) -> None:
    """Add what a team's own server says: one line may be of many, and is no more than that team's word."""
    status, refusals = str(entry.get("MLFLOW_STATUS")), noted.setdefault("refusals", dict.fromkeys(REFUSALS, 0))
    if status not in REFUSALS:
        return
    try:
        count = json.loads(entry["MESSAGE"]).get("count", 1)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        count = 1
    refusals[status] += count if isinstance(count, int) and 0 < count < MOST_AT_ONCE else 1


def team_of(entry: Entry) -> str:
    """Return whose unit it is about: what a team's own process says is of that team, whatever it names."""
    own = str(entry.get("_SYSTEMD_UNIT") or "")
    unit = own if own.startswith(("mlflow@", "mlflow-listen@")) else entry.get("UNIT") or ""
    return str(unit).partition("@")[2].removesuffix(".service")
