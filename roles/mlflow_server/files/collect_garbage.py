"""Lets `mlflow gc` remove for good what a team has deleted long enough ago, and with it the grants on that.

Run by mlflow-gc@TEAM.service as the team's account. The database is asked first, so that a team with nothing to
remove is not woken. SQLite gives the number of an experiment to another one later: its grants and all that is below
its place for artifacts go before the number is free.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deleted import Deleted, find_deleted, seconds
from grants import Server, remove_grants
from team import Team

# It is there from before the first grant goes until the last has gone.
UNFINISHED = ".gc-unfinished"
# Seconds that mlflow gc may take from here to its own look at the clock.
MARGIN = 5


def credential(name: str) -> str:
    """Return what the unit has handed over of root's."""
    return Path(os.environ["CREDENTIALS_DIRECTORY"], name).read_text(encoding="utf-8")


def remove_artifacts(locations: list[str]) -> None:
    """Remove all that is below experiments' places, of which mlflow gc only removes what runs have."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository  # noqa: PLC0415 - slow

    for location in locations:
        get_artifact_repository(location).delete_artifacts()


def mlflow_gc(team: Team, looked_at: float) -> None:
    """Run it in this process: it takes the URI from nowhere but its arguments, and those of a process can be seen."""
    from mlflow.cli import cli  # noqa: PLC0415 - slow

    # Nothing that became old enough since the look, by the clock with which it counts.
    older_than = seconds(team.gc_older_than) + time.time() - looked_at + MARGIN
    arguments = ["gc", "--older-than", f"{older_than:.0f}s", "--backend-store-uri", tracking(team)["uri"]]
    cli.main(arguments, prog_name="mlflow", standalone_mode=False)


def collect(team: Team, password: str, found: Deleted, looked_at: float) -> None:
    """Remove what was found, and nothing that became old enough since."""
    server = Server(team.tracking_uri, team.admin_username, password)
    address, environment = urlsplit(team.tracking_uri), os.path.realpath(sys.prefix)
    # MLflow reads this when it is imported.
    os.environ["MLFLOW_TRACKING_URI"] = team.tracking_uri
    os.environ["MLFLOW_TRACKING_USERNAME"] = team.admin_username
    os.environ["MLFLOW_TRACKING_PASSWORD"] = password
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = f"{os.environ.get('NO_PROXY', '')},{address.hostname}".lstrip(",")
    # As long as somebody is connected, the server stays up.
    with socket.create_connection((str(address.hostname), address.port or 80)):
        server.wait_until_it_answers()
        if os.path.realpath(sys.prefix) != environment:
            sys.exit("the team was upgraded meanwhile; the next run goes on")
        removed = remove_grants(server, found.experiments)
        remove_artifacts(found.locations)
        mlflow_gc(team, looked_at)
        removed += remove_grants(server)
    print(f"removed {removed} grants on experiments that are gone", flush=True)


def tracking(team: Team) -> dict[str, Any]:
    """Return the database with the runs."""
    return team.databases[-1]


def main() -> None:
    """Look, and do what is to be done."""
    team = Team(**json.loads(credential("team.json")))
    database, unfinished = tracking(team), Path(team.state_dir, UNFINISHED)
    if database["file"] and not os.path.exists(database["file"]):
        sys.exit(f"{database['file']} is not there")
    looked_at = time.time()
    found = find_deleted(database["uri"], looked_at - seconds(team.gc_older_than))
    if not found and not unfinished.exists():
        print("nothing to remove")
        return
    unfinished.touch(mode=0o600)
    collect(team, credential("admin_password").rstrip("\r\n"), found, looked_at)
    unfinished.unlink()


if __name__ == "__main__":
    main()
