"""What people ask for that roles and timers do by themselves: the same functions, under the same locks."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mlflowctl import causes, commands, paths
from mlflowctl import team as teams
from mlflowctl import upgrade as upgrades
from mlflowctl.errors import Problem
from mlflowctl.retirement import find, here, reinstate, retire


def collect_garbage(first: str, *more: str) -> None:
    """Remove for good what teams have deleted long enough ago, as their timers would."""
    failed = []
    for team in [teams.load(name) for name in (first, *more)]:
        unit = f"mlflow-gc@{team.name}.service"
        if team.gc_older_than == "never":
            raise Problem(f"{team.name}: gc_older_than is 'never'; declare an age, and run mlops.mlflow.site")
        print(f"{team.name}: what was deleted more than {team.gc_older_than} ago goes", flush=True)
        # Its unit has an end.
        if commands.run(["systemctl", "start", unit], None, stdout=None, stderr=None).returncode != 0:
            failed.append(f"{team.name}: it failed; {causes.where(unit)}")
    if failed:
        raise Problem("\n".join(failed))


def upgrade(*words: str) -> None:
    """Bring one team to a version that is installed."""
    parser = argparse.ArgumentParser("mlflowctl upgrade", description=upgrade.__doc__)
    parser.add_argument("team")
    parser.add_argument("version")
    given = parser.parse_args(list(words))
    team = teams.load(given.team)
    environments = Path(os.readlink(team.directory / "venv")).parent
    if not (environments / given.version / "bin" / "python").exists():
        there = sorted(path.parent.parent.name for path in environments.glob("[0-9]*/bin/python"))
        raise Problem(
            f"MLflow {given.version} is not at {environments}, where {', '.join(there)} are; to have it installed, "
            "declare it for a team and run mlops.mlflow.site"
        )
    done = upgrades.upgrade(team.name, given.version, environments)
    print(f"{team.name}: {done or 'there was nothing to do'}")
    print(f"Declare version {given.version} for it and run mlops.mlflow.site: until then, what is declared differs.")


def answered(printed: dict[str, dict[str, object]]) -> None:
    """Say what became of teams."""
    for name, lines in printed["done"].items():
        for line in lines if isinstance(lines, list) else [lines]:
            print(f"{name}: {line}")
    if printed["failures"]:
        raise Problem("\n".join(f"{name}: {why}" for name, why in printed["failures"].items()))


def take_off(*words: str) -> None:
    """Take teams off this host, each with an archive before; who declares them as present gets them back."""
    parser = argparse.ArgumentParser("mlflowctl retire", description=take_off.__doc__)
    parser.add_argument("teams", nargs="+")
    parser.add_argument("--archive-dir", required=True, help="root's own directory, for a file with all that each has")
    parser.add_argument("--remove-data", action="store_true", help="put artifacts into it too, and remove the data")
    given = parser.parse_args(list(words))
    places = here()
    gone = [name for name in given.teams if not find.left(name, given.remove_data, places)]
    if gone:
        raise Problem(f"nothing of {', '.join(gone)} is on this host")
    answered(retire.retire_all("remove" if given.remove_data else "keep", Path(given.archive_dir), given.teams))


def give_back(first: str, *more: str) -> None:
    """Give teams that were retired what was kept of them."""
    names = [first, *more]
    for name in names:
        if find.read(here().record(name)) is None:
            raise Problem(f"{name} was not retired from this host")
        if not find.is_account(f"mlflow-{name}"):
            raise Problem(f"{name} has no account; declare it as present, and run mlops.mlflow.site, which does it all")
    answered(reinstate.reinstate_all(names))


def mounts(*words: str) -> int:
    """Ask what mounts people's artifacts, where the role mlflow_mounts has put it."""
    parser = argparse.ArgumentParser("mlflowctl mounts", description=mounts.__doc__)
    parser.add_argument("what", choices=("status", "doctor"))
    given = parser.parse_args(list(words))
    program = paths.HERE.mounts
    if not program.exists():
        raise Problem("nobody's artifacts are mounted on this host; mlflow_mounts: true has that done")
    return int(commands.run([program, given.what], stdout=None, stderr=None).returncode != 0)
