"""Takes teams off this host, each with an archive before; prints what was done and what failed, as JSON by team.

Arguments: "keep" or "remove" for the data, the directory of archives, and the names of the teams as JSON. With "leave",
others serve the teams on; what is here of them goes without an archive, as a replica does that never led.

What a run that is cut off has done, the next one finds done. The record is written once the archive is whole; from
then on nothing is needed any more of what is being removed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import grp
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlflowctl import commands, environment_file, locks, patience, processes, stores, transaction, trees
from mlflowctl import team as teams
from mlflowctl.databases import uris
from mlflowctl.errors import ODD, Problem
from mlflowctl.files import remove as remove_files
from mlflowctl.files import write_private
from mlflowctl.retirement import archive, here
from mlflowctl.retirement.find import (
    Places,
    data_dirs,
    is_account,
    kept_by_restores,
    left,
    left_by_backups,
    read,
    read_by_monitoring,
    unit_files,
)
from mlflowctl.team import Team

Record = dict[str, Any]


class RetireError(Problem):
    """Why a team is not gone yet."""


def run(*command: str) -> None:
    """Run a command; raise with what it says where it fails."""
    commands.printed(command, lambda said: RetireError(f"{' '.join(command)}: {said}"), commands.DO_SECONDS)


def known(name: str, places: Places) -> Team:
    """Return the team; one that was never set up to its end is what the role makes by default."""
    try:
        return teams.load(name, places.config)
    except teams.UnknownTeamError:
        state = places.state / name
        file = str(state / "mlflow.db")
        database = {"name": "mlflow", "uri": f"sqlite:///{file}", "file": file}
        return Team(
            name=name,
            account=f"mlflow-{name}",
            state_dir=str(state),
            socket="",
            admin_username="",
            default_permission="",
            databases=[database] if os.path.exists(file) else [],
            artifacts=str(state / "artifacts"),
            storage_dirs=[],
            config_dir=places.config,
        )


def recorded(name: str, record: Record, places: Places) -> Team:
    """Return what is known of the artifacts of a team that is gone."""
    was = dataclasses.replace(known(name, places), artifacts=record["artifacts"])
    return dataclasses.replace(was, client_root=record.get("client_root"))


def write_record(name: str, record: Record, places: Places) -> None:
    """Have it on disk before anything is removed."""
    write_private(places.record(name), json.dumps(record, indent=2).encode())


def close(name: str, places: Places) -> None:
    """Stop all units of a team, first what would start others, also after a boot; see that nothing of it runs on."""
    for path in unit_files(name, places):
        if path.is_symlink():
            path.unlink()
    # The last one is the server of a drill that was killed. A name without a pattern would have to be there.
    for pattern in (f"mlflow*@{name}.socket", f"mlflow*@{name}.timer", f"mlflow*@{name}.*", f"mlflow-drill-{name}.s*"):
        run("systemctl", "stop", pattern)
    if is_account(f"mlflow-{name}"):
        processes.wait_until_nobody_runs(f"mlflow-{name}", name, harmless=())


def refuse_mounts(name: str, places: Places) -> list[Path]:
    """Return the team's own directories; raise where others have something mounted there, before anything stops."""
    own = data_dirs(name, places)
    for path in own:
        trees.refuse_mounts(path, own)
    return own


def keep_what_was(team: Team, directory: Path, remove: bool, places: Places) -> Record:
    """Write the archive, and what has to be known of the team once it is gone."""
    held = [database for database in team.databases if not database["file"]]
    patience.refuse_silent(team.places)
    own = refuse_mounts(team.name, places)
    archive.prepare(directory)
    archive.check_space(team, directory, remove)
    # Waits for who is changing the team, and undoes what was cut off of that.
    with transaction.Change(team, "the retirement", is_end=True) as change:
        close(team.name, places)
        # What others acknowledge after the copy would be in no archive: from here on, none of them starts.
        change.take_databases()
        path, artifacts_elsewhere = archive.write(team, directory, remove, own)
        change.keep_databases()
        record = {
            "archive": str(path),
            "with_artifacts": remove,
            "artifacts": team.artifacts,
            "client_root": team.client_root,
            "files": [database["file"] for database in team.databases if database["file"]],
            "data": list(map(str, own)),
            "of_root": of_root(own),
            "elsewhere": [f"{database['name']} ({uris.address(database['uri'])})" for database in held],
            "not_copied": [database["name"] for database in held if not archive.can_copy(database)],
            "artifacts_elsewhere": artifacts_elsewhere,
        }
        # Who has waited sees that it is gone.
        write_record(team.name, record, places)
    return record


def of_root(own: list[Path]) -> dict[str, list[str]]:
    """Return what root has among the team's data, by directory: whoever gets them back does not get that."""
    found = {}
    for path in filter(os.path.lexists, own):
        with contextlib.suppress(trees.LinkError):
            found[str(path)] = trees.of_root(path, own)
    return found


def keep_nothing(team: Team, places: Places) -> Record:
    """End a replica: what the team has is elsewhere, and its leader, or who serves it on, keeps the secrets."""
    data = list(map(str, refuse_mounts(team.name, places)))
    record = {"replica": True, "with_artifacts": True, "artifacts": None, "files": [], "data": data, "elsewhere": []}
    with transaction.Change(team, "the end of a replica", is_end=True):
        close(team.name, places)
        write_record(team.name, record, places)
    return record


def nothing_left(name: str, places: Places) -> Record | None:
    """Return what there is to know of a team without settings and data, of which no archive is made."""
    if any(os.path.lexists(path) for path in (places.config / name, *data_dirs(name, places))):
        return None
    return {"with_artifacts": True, "data": [], "elsewhere": []}


def remove_account(name: str) -> None:
    """Remove it last: its number may be another's the next moment."""
    account = f"mlflow-{name}"
    if is_account(account):
        run("userdel", account)
    if account in {group.gr_name for group in grp.getgrall()}:
        run("groupdel", account)


def half_moved(name: str, places: Places) -> list[str]:
    """Say where a move to other stores that was cut off has copied to, where that is known: none of it goes."""
    notes = (places.changes / f"{name}.moving", places.changes / name / stores.ARTIFACTS_NOTE)
    if not any(map(os.path.lexists, notes)):
        return []
    found: set[str] = set()
    for path in places.changes.glob(f"{name}.*.declared"):
        with contextlib.suppress(*ODD):
            declared = json.loads(path.read_text(encoding="utf-8"))
            variables = environment_file.parse(declared["environment"])
            to = [it["uri"] for it in declared["team"]["databases"]]
            found.update(map(uris.address, filter(None, [*to, variables.get("MLFLOW_ARTIFACTS_DESTINATION")])))
    where = f" ({', '.join(sorted(found))})" if found else ""
    return [f"its move to other stores was cut off, and what that has copied there{where} stays"]


def begin(name: str, directory: Path, remove: bool, places: Places, leaves: bool) -> tuple[Record, list[str]]:
    """Stop the team and keep what is to be kept, unless that was done; return what is known, and what was done."""
    record = read(places.record(name)) or nothing_left(name, places)
    if record is not None:
        close(name, places)
        return record, []
    team = known(name, places)
    if leaves or not team.leads:
        return keep_nothing(team, places), ["it was a replica here, and all it has is elsewhere"]
    record = keep_what_was(team, directory, remove, places)
    lines = [f"all it had is in {record['archive']}"]
    lines += [f"the database {each} stays where it is" for each in record["elsewhere"]]
    lines += [f"the database {each} is of a kind that cannot be copied here" for each in record["not_copied"]]
    lines += [f"{each}, and so in no archive" for each in record["artifacts_elsewhere"]]
    if record["client_root"]:
        lines.append(f"what its clients have at {record['client_root']} stays where it is, and theirs")
    return record, lines


def retire(name: str, directory: Path, remove: bool, places: Places, leaves: bool = False) -> list[str]:
    """Take one team off the host, or leave it to the others that serve it; return what became of it, a line each."""
    patience.refuse_silent([*data_dirs(name, places), *kept_by_restores(name, places)])
    if not left(name, remove, places):
        return []
    copied = half_moved(name, places)
    record, lines = begin(name, directory, remove, places, leaves)
    lines += copied
    if remove and not record["with_artifacts"]:
        was = recorded(name, record, places)
        patience.refuse_silent(filter(None, [was.artifacts]))
        if (was.artifacts and os.path.lexists(was.artifacts)) or was.client_root:
            archive.prepare(directory)
            path, missing = archive.write_artifacts(was, directory, data_dirs(name, places))
            lines += [f"its artifacts are in {path}", *(f"{each}, and so in no archive" for each in missing)]
        record["with_artifacts"] = True
        write_record(name, record, places)
    for path in unit_files(name, places):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    run("systemctl", "daemon-reload")
    commands.run(["systemctl", "reset-failed", f"mlflow*@{name}.*"])
    for path in (places.config / name, places.changes / name, *left_by_backups(name, places)):
        remove_files(path)
    for path in read_by_monitoring(name, remove, places):
        remove_files(path)
    lines += settle_data(name, record, remove or bool(record.get("replica")), places)
    remove_account(name)
    return [*lines, "it is gone from this host"]


def settle_data(name: str, record: Record, remove: bool, places: Places) -> list[str]:
    """Remove the data, or keep them from whoever gets the account's number."""
    own = [Path(path) for path in record["data"]]
    found = [path for path in own if os.path.lexists(path)]
    if not remove:
        return keep_data([path for path in found if os.lstat(path).st_uid != 0], own)
    found += filter(os.path.lexists, kept_by_restores(name, places))
    lines = []
    # One may be in the other.
    for path in sorted(found, key=lambda it: len(it.parts), reverse=True):
        lines.append(left_or(f"{path} is removed", trees.remove, path, own))
    record.update(data=[], of_root={})
    # Whoever adds the team again needs its secrets for a database that is still there.
    if record["elsewhere"]:
        write_record(name, record, places)
    else:
        places.record(name).unlink(missing_ok=True)
    return lines


def keep_data(found: list[Path], own: list[Path]) -> list[str]:
    """Make root's what is the account's."""
    return [left_or(f"{path} is kept, and root's", trees.change_owner, path, own, None, "0:0", 0o700) for path in found]


def left_or(done: str, act: Callable[..., None], *given: Any) -> str:
    """Do something to data; say that it is done, or that they are left where the account has put a link."""
    try:
        act(*given)
    except trees.LinkError as error:
        return f"{error} of its account's; where that leads to, nothing is touched"
    return done


def main(mode: str, directory: str, names: str) -> None:
    """Do it, and print what was done and what failed, as JSON by team."""
    print(json.dumps(retire_all(mode, Path(directory), json.loads(names))))


def retire_all(mode: str, directory: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """Do one after the other; one that fails does not keep the others."""
    places = here()
    records = places.record("any").parent
    records.mkdir(mode=0o700, parents=True, exist_ok=True)
    done: dict[str, Any] = {}
    failures: dict[str, Any] = {}
    with locks.held(records):
        for name in names:
            try:
                lines = retire(name, directory, mode == "remove", places, leaves=mode == "leave")
                if lines:
                    done[name] = lines
            except (Problem, OSError, KeyError) as error:
                failures[name] = f"it could not be retired: {error}. The next run goes on with it"
    return {"done": done, "failures": failures}
