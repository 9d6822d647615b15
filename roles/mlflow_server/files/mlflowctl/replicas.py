"""What a replica of a team does not do while others of them are at work: databases are changed by one alone.

A server of a team on several hosts says to PostgreSQL which of them it is (PGAPPNAME). So whoever is about to change
the databases sees there who still has them open, also a host that nobody else can reach any more.
"""

from __future__ import annotations

import time

from mlflowctl import databases
from mlflowctl.errors import Problem
from mlflowctl.team import Team

# For a server that is about to end, and for one whose host is gone, until PostgreSQL has noticed.
PATIENCE = 60
PAUSE = 1
# PostgreSQL keeps so much of a name.
LONGEST = 63
OPEN = "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database() ORDER BY 1;"


class OthersError(Problem):
    """Which other replicas are at work, or that this one is not the one to do it."""


def prefix(team: Team) -> str:
    """What the names of all replicas of a team begin with at PostgreSQL."""
    return f"mlflow@{team.name}@"


def others(team: Team) -> list[str]:
    """Return the other replicas that have a database of the team open."""
    start, own = prefix(team), f"{prefix(team)}{team.replica}"[:LONGEST]
    asked = [database for database in team.databases if databases.kind(database) == "postgresql"]
    names = {name for database in asked for name in databases.ask(team, database, OPEN).splitlines()}
    return sorted(name[len(start) :] for name in names if name.startswith(start) and name != own)


def refuse_follower(team: Team, what: str) -> None:
    """Raise where another replica is to do it."""
    if not team.leads:
        raise OthersError(f"{what} of team {team.name} is for its leader, {team.leader}; do it there")


def wait_until_alone(team: Team) -> None:
    """Wait until no other replica has the databases open; raise, before anything is changed, where one stays."""
    if not team.leader:
        return
    end = time.monotonic() + PATIENCE
    while found := others(team):
        if time.monotonic() > end:
            raise OthersError(
                f"{' and '.join(found)}: still has the databases of team {team.name} open, which so cannot be changed; "
                f"stop mlflow-listen@{team.name}.socket and mlflow@{team.name}.service there"
            )
        time.sleep(PAUSE)
