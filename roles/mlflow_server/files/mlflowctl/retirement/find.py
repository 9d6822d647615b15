"""What this host still has of teams that are to be gone, as JSON by team. Changes nothing.

Arguments: "keep", or "remove" where the data are to go too, and the names of the teams as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pwd
import re
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Any

# For all disks of these teams to answer.
DISK_SECONDS = 30
OCTAL = re.compile(r"\\([0-7]{3})")


@dataclasses.dataclass(frozen=True)
class Places:
    """Where something of a team can be."""

    config: Path = Path("/etc/mlflow")
    units: tuple[Path, ...] = (Path("/etc/systemd/system"), Path("/run/systemd/system"))
    state: Path = Path("/var/lib/mlflow")
    changes: Path = Path("/var/lib/mlflow-changes")
    restores: Path = Path("/var/lib/mlflow-restores")
    timers: Path = Path("/var/lib/systemd/timers")
    backups: Path = Path("/etc/mlflow-backup/settings.json")
    cache: Path = Path("/var/cache/mlflow-backup")
    staging: Path = Path("/var/lib/mlflow-backup")
    drills: Path = Path("/var/lib/private/mlflow-drill")
    looks: Path = Path("/var/tmp")  # noqa: S108 - where manifest.py lets an account look at a copy
    figures: Path = Path("/var/lib/mlflow-monitoring")
    # Which leads to the former, where systemd has made it.
    drills_seen: Path = Path("/var/lib/mlflow-drill")

    def record(self, name: str) -> Path:
        """Return where it stands what was kept of a team that is gone."""
        return self.state / ".retired" / f"{name}.json"


def read(path: Path) -> dict[str, Any] | None:
    """Return what a file of root's says; None where there is none."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def unit_files(name: str, places: Places) -> list[Path]:
    """Return a team's own parts of units, and what starts them with the host; also those of other roles."""
    patterns = (f"mlflow*@{name}.*", f"*.wants/mlflow*@{name}.*")
    found = [path for folder in places.units for pattern in patterns for path in folder.glob(pattern)]
    # What its account was to have started with the host would be started as the next one's of its name.
    found += (places.timers.parent / "linger").glob(f"mlflow-{name}")
    return sorted([*found, *places.timers.glob(f"stamp-mlflow*@{name}.timer")])


def data_dirs(name: str, places: Places) -> list[Path]:
    """Return the directories that were the team's alone, by the record, or by what the team is."""
    record = read(places.record(name))
    if record is not None:
        return [Path(path) for path in record["data"]]
    team = read(places.config / name / "team.json")
    if team is None:
        return [] if is_emptied(places.state / name, places) else [places.state / name]
    found = [*map(Path, team["storage_dirs"]), places.state / name]
    # One with a disk of its own is emptied by itself, and stays.
    artifacts = Path(team.get("artifacts") or places.state)
    return [artifacts, *found] if artifacts not in found and is_mounted(artifacts, places) else found


def is_mounted(path: Path, places: Places) -> bool:
    """Say whether something is mounted there, below the data of all teams; no disk is asked, and no link of theirs."""
    if not path.is_relative_to(places.state):
        return False
    return str(Path(os.path.realpath(places.state), path.relative_to(places.state))) in mounted()


def mounted() -> set[str]:
    """Return where something is mounted, by the kernel's list, which asks none of them."""
    # It escapes the blank, tab and line feed alone, and whoever mounts something chooses the name.
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        return {unescaped(line.split(" ")[4]) for line in file}


def unescaped(place: str) -> str:
    """Return a path as it was before fstab, or the kernel's list of mounts, had to be words in a line."""
    return OCTAL.sub(lambda it: chr(int(it[1], 8)), place)


def is_emptied(path: Path, places: Places) -> bool:
    """Say whether a directory of root's is there only since something is mounted at it, or in it, and that is empty."""
    if not is_of_root(path):
        return False
    names = os.listdir(path)
    return (bool(names) or is_mounted(path, places)) and all(is_emptied(path / name, places) for name in names)


def is_of_root(path: Path) -> bool:
    """Say whether it is a directory of root's, to which no link leads."""
    facts = os.lstat(path) if os.path.lexists(path) else None
    return facts is not None and stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid()


def kept_by_restores(name: str, places: Places) -> list[Path]:
    """Return where a restore keeps what was there before: beside the data, and dumps of PostgreSQL."""
    team = read(places.record(name)) or read(places.config / name / "team.json") or {}
    clients = [Path(team["client_root"])] if str(team.get("client_root")).startswith("/") else []
    beside = [path.parent / f".{name}.restore" for path in (*data_dirs(name, places), *clients)]
    return sorted({places.state / f".{name}.restore", *beside, places.restores / name})


def left_by_backups(name: str, places: Places) -> list[Path]:
    """Return what backups, drills, restores and moves that were killed have left, secrets among it, and their list."""
    staging = Path((read(places.backups) or {}).get("staging_dir", places.staging))
    # Anybody can make one there; these are whose they are made for.
    mine = {pwd.getpwnam(account).pw_uid for account in ("root", "nobody", f"mlflow-{name}") if is_account(account)}
    looks = [it for it in places.looks.glob(f"mlflow-look.{name}.*") if owner_of(it) in mine]
    lists = [places.cache / "artifacts" / f"{name}{ending}" for ending in (".jsonl", ".new")]
    lists += [places.cache / "noted" / f"{name}.{what}.json" for what in ("backup", "drill")]
    changes = [places.changes / f"{name}.{what}" for what in ("dumps", "run", "moving", "settings", "settings-part")]
    changes += places.changes.glob(f"{name}.*.declared")
    # What was fetched and not put in place; what was there before is kept.
    fetched = [place / "new" for place in kept_by_restores(name, places) if is_of_root(place)]
    drills = [places.drills / name, places.drills_seen / name]
    return sorted({*changes, staging / name, places.staging / name, *drills, *fetched, *lists, *looks})


def read_by_monitoring(name: str, remove: bool, places: Places) -> list[Path]:
    """Return what was read of a team, people among it, which is not to be taken for another of its name's.

    Its days are counted on where it comes back to its data.
    """
    kinds = ("databases", "walks", "days") if remove else ("databases", "walks")
    return [places.figures / kind / f"{name}.json" for kind in kinds]


def owner_of(path: Path) -> int | None:
    """Return whose it is; nobody's when it has gone, where everybody makes and removes what they like."""
    try:
        return os.lstat(path).st_uid
    except FileNotFoundError:
        return None


def is_account(name: str) -> bool:
    """Say whether anybody of this name could still run something."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def left(name: str, remove: bool, places: Places) -> list[str]:
    """Return what is to be done about a team, a line each."""
    found = [*unit_files(name, places), places.config / name, places.changes / name]
    found += [*left_by_backups(name, places), *read_by_monitoring(name, remove, places)]
    lines = [f"remove {path}" for path in found if os.path.lexists(path)]
    for path in data_dirs(name, places):
        if os.path.lexists(path):
            if remove:
                lines.append(f"remove {path}")
            elif os.lstat(path).st_uid != 0:
                lines.append(f"keep {path}, as root's")
    if remove:
        lines += [f"remove {path}" for path in kept_by_restores(name, places) if os.path.lexists(path)]
    record = read(places.record(name))
    if remove and record is not None and not record["elsewhere"]:
        lines.append(f"remove {places.record(name)}")
    return lines + [f"remove the account mlflow-{name}"] * is_account(f"mlflow-{name}")


def left_of_all(names: list[str], remove: bool, places: Places) -> dict[str, list[str]]:
    """Return the same by team, with an end: a disk that answers nobody is one team's, and holds whoever looks there."""
    found: dict[str, list[str] | Exception] = {}

    def look(name: str) -> None:
        try:
            found[name] = left(name, remove, places)
        except (KeyError, OSError, TypeError, ValueError) as error:
            found[name] = error

    looking = [threading.Thread(target=look, args=[name], daemon=True) for name in names]
    for thread in looking:
        thread.start()
    end = time.monotonic() + DISK_SECONDS
    for thread in looking:
        thread.join(max(0, end - time.monotonic()))
    silent = [f"see why a disk with its data does not answer within {DISK_SECONDS} s"]
    told = {name: found.get(name, silent) for name in names}
    for lines in told.values():
        if isinstance(lines, Exception):
            raise lines
    return {name: lines for name, lines in told.items() if isinstance(lines, list)}


def main(mode: str, names: str) -> None:
    """Print the teams of which there is anything."""
    found = left_of_all(json.loads(names), mode == "remove", Places())
    print(json.dumps({name: lines for name, lines in found.items() if lines}))


if __name__ == "__main__":
    main(*sys.argv[1:])
