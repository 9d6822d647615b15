"""What a replica of a team does not do while others of them are at work: databases are changed by one alone.

A server of a team on several hosts says to PostgreSQL which of them it is (PGAPPNAME), with a connection that it has
before it looks whether somebody changes the databases, and keeps. Whoever is about to change them says so there first,
and then looks who has them open, also a host that nobody else can reach any more. So one of the two sees the other.
"""

from __future__ import annotations

import contextlib
import subprocess
import time

from mlflowctl import databases
from mlflowctl.databases import marks
from mlflowctl.errors import Problem
from mlflowctl.team import Team

# For a server that is about to end, and for one whose host is gone, until PostgreSQL has noticed.
PATIENCE = 60
PAUSE = 1
OPEN = "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database() ORDER BY 1;"


class OthersError(Problem):
    """Which other replicas are at work, or that this one is not the one to do it."""


def shared(team: Team) -> list[dict[str, str]]:
    """Return the databases that all replicas of a team have together; none where one host serves it alone."""
    return [it for it in team.databases if team.leader and databases.kind(it) == "postgresql"]


def others(team: Team) -> list[str]:
    """Return the other replicas that have a database of the team open."""
    start = f"mlflow@{team.name}@"
    names = {name for database in shared(team) for name in databases.ask(team, database, OPEN).splitlines()}
    return sorted(name[len(start) :] for name in names if name.startswith(start) and name != team.at_postgresql)


def refuse_follower(team: Team, what: str) -> None:
    """Raise where another replica is to do it."""
    if not team.leads:
        raise OthersError(f"{what} of team {team.name} is for its leader, {team.leader}; do it there")


def take(team: Team, what: str) -> None:
    """Let no other replica begin to serve the databases, and wait until none does.

    Raise, before anything is changed, where one stays.
    """
    say(team, what)
    wait_until_alone(team)


def say(team: Team, what: str) -> None:
    """Say in the databases that this host changes them."""
    for database in shared(team):
        databases.mark(team, database, marks.text(team.replica, what))


def hold_open(team: Team) -> list[subprocess.Popen[str]]:
    """Be seen at the databases, also between two things that are done there, until what is returned is closed."""
    return [databases.hold_open(team, database) for database in shared(team)]


def close(process: subprocess.Popen[str]) -> None:
    """End it; it does nothing but wait for that."""
    process.kill()
    process.communicate()


def wait_until_alone(team: Team) -> None:
    """Wait until no other replica has the databases open; raise where one stays."""
    end = time.monotonic() + PATIENCE
    while found := others(team):
        if time.monotonic() > end:
            raise OthersError(
                f"{' and '.join(found)}: still has the databases of team {team.name} open, which so cannot be changed; "
                f"stop mlflow-listen@{team.name}.socket and mlflow@{team.name}.service there"
            )
        time.sleep(PAUSE)


def give_back(team: Team, of_anybody: bool = False) -> None:
    """Let the others serve the databases again, once they are whole; also after a change of a host that is gone.

    A database that is away then hears of it when the server of this host starts again.
    """
    with contextlib.suppress(Problem, OSError):
        for database in shared(team):
            said = databases.marked(team, database) or ""
            own = said.startswith(marks.text(team.replica, ""))
            if own or (said and of_anybody and not others(team)):
                databases.mark(team, database, None)
