# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What on a host stands in the way of a team."""

from __future__ import annotations

import configparser
import contextlib
import errno
import itertools
import json
import os
import pwd
import re
import socket
import stat
import typing as t

from ._host_system import answer_of

Team = t.Dict[str, t.Any]


def of_all(teams: list[Team], leaving: list[str], config_dir: str, state_dir: str) -> dict[str, str]:
    """What is in the way of the teams of which anything is, by name."""
    held = sockets_held([team["name"] for team in teams] + leaving) if teams else {}
    found = {team["name"]: obstacles(team, held, leaving, config_dir, state_dir) for team in teams}
    return {name: text for name, text in found.items() if text}


def sockets_held(names: t.Sequence[str]) -> dict[str, str]:
    """What systemd says of the teams' sockets that listen, by team; one call asks about them all."""
    if not names:
        return {}
    shown = ["systemctl", "show", "--property=Id,ActiveState,Listen"]
    shown += [f"mlflow-listen@{name}.socket" for name in names]
    found = {}
    for block in answer_of(*shown).split("\n\n"):
        name = re.search(r"^Id=mlflow-listen@(.*)\.socket$", block, re.MULTILINE)
        if name and "ActiveState=active" in block.splitlines():
            found[name[1]] = block
    return found


def obstacles(team: Team, held: t.Mapping[str, str], leaving: t.Sequence[str], config_dir: str, state_dir: str) -> str:
    """All that is in the way of one team, and nothing where nothing is."""
    running = _of_port(team, held, leaving) if team["state"] == "present" else ()
    there = (*_of_storage(team, state_dir), *_of_admin(team, config_dir), *_of_stores(team, config_dir))
    return "; ".join((*running, *there))


def _of_port(team: Team, held: t.Mapping[str, str], leaving: t.Sequence[str]) -> t.Iterator[str]:
    """Somebody else has the port; the team's own socket may hold it already, or that of one about to be gone."""
    address, port = team["listen_address"], team["port"]
    if any(f":{port} (" in held.get(name, "") for name in (team["name"], *leaving)):
        return
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        socket.create_server((address, port), family=family).close()
    except OSError as error:
        # The address may come later: systemd binds without it.
        if error.errno == errno.EADDRINUSE:
            yield f"port: {port} is in use at {address}; choose another, or stop what listens there (see ss -ltnp)"


def _of_storage(team: Team, state_dir: str) -> t.Iterator[str]:
    """A directory that the team is to have alone is somebody else's, with whatever is in it."""
    account = f"mlflow-{team['name']}"
    retired = _kept_of(team["name"], state_dir)
    for path in team["storage_dirs"]:
        # What was kept for it is given back to it.
        for way in [way for way in _impassable(path, account) if way not in retired][:1]:
            yield f"'{path}': {account} may not pass '{way}'; let others pass it (chmod o+x), or name another place"
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            continue
        except NotADirectoryError:
            yield f"'{path}' is below a file"
            continue
        owner = _name_of(found.st_uid)
        if not stat.S_ISDIR(found.st_mode):
            yield f"'{path}' is not a directory; name one, or one that the role is to make"
        elif owner != account and not (owner == "root" and path in retired):
            yield f"'{path}' belongs to {owner}; name a directory that is not there yet, or chown it to {account}"


def _impassable(path: str, account: str) -> t.Iterator[str]:
    """Yield the directories on the way there that an account may not pass; those to come will let it."""
    uid: int | None = None
    groups: list[int] = []
    try:
        entry = pwd.getpwnam(account)
    except KeyError:
        pass
    else:
        uid, groups = entry.pw_uid, os.getgrouplist(account, entry.pw_gid)
    for way in itertools.accumulate(["/", *path.strip("/").split("/")[:-1]], os.path.join):
        try:
            found = os.stat(way)
        except OSError:
            return
        may = stat.S_IXUSR if found.st_uid == uid else stat.S_IXGRP if found.st_gid in groups else stat.S_IXOTH
        # An access list says more than the mode.
        if not found.st_mode & may and "system.posix_acl_access" not in os.listxattr(way):
            yield way


def _kept_of(name: str, state_dir: str) -> list[str]:
    """What was kept for a team that was retired: see retire.py."""
    try:
        with open(os.path.join(state_dir, ".retired", f"{name}.json"), encoding="utf-8") as record:
            return list(json.load(record)["data"])
    except FileNotFoundError:
        return []


def _name_of(uid: int) -> str:
    """The account's name, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _of_admin(team: Team, config_dir: str) -> t.Iterator[str]:
    """MLflow asks for this account at every start, so that another name would keep it from starting."""
    directory = os.path.join(config_dir, team["name"])
    if not os.path.exists(os.path.join(directory, "admin_password")):
        return
    settings = configparser.ConfigParser()
    settings.read(os.path.join(directory, "basic_auth.ini"), encoding="utf-8")
    former = settings.get("mlflow", "admin_username", fallback=team["admin_username"])
    if former != team["admin_username"]:
        yield (
            f"admin_username: the team was set up with '{former}', which MLflow wants at every start; "
            "put it back, and declare further admins among the users"
        )


def _of_stores(team: Team, config_dir: str) -> t.Iterator[str]:
    """What the team has would be left behind, and its server begin anew in a database or a store that has nothing."""
    places = team["places"]
    known = _known(os.path.join(config_dir, team["name"], "team.json"))
    files = {
        purpose: database.get("file")
        for database in known.get("databases") or ()
        for purpose in (("auth", "tracking") if database.get("name") == "mlflow" else (database.get("name"),))
    }
    left = {file for purpose, file in files.items() if file and not _stays(file, purpose, places) and _has(file)}
    artifacts = known.get("artifacts")
    # To other files there is no way but one's own.
    moves = f"move it with mlops.mlflow.move_stores -e team={team['name']}, or, to begin anew, put it aside"
    aside = "put it aside once all of it is where you declare, or to begin anew without it"
    if left:
        named, options = ", ".join(sorted(left)), "backend_store_uri, auth_database_uri"
        if left & {file for purpose, file in files.items() if file and _stays(file, purpose, places)}:
            stays = "with state: stopped, move it away, run this, and move it back before the team is started again"
            yield f"{options}: {named} has what would be left behind, and what stays; {stays}"
        else:
            how = aside if {"auth", "tracking"} & set(places) else moves
            yield f"{options}: what the team has is in {named}, and would be left behind; {how}"
    if artifacts and not _stays(artifacts, "artifacts", places) and _has(artifacts, but=places.values()):
        how = aside if "artifacts" in places else moves
        yield f"artifacts: destination: what the team has is in {artifacts}, and would be left behind; {how}"


def _stays(place: str, purpose: str, places: t.Mapping[str, str | None]) -> bool:
    """Whether what is kept there is to be kept there, by whatever name; for None, others say where."""
    if purpose not in places:
        return False
    declared = places[purpose]
    if declared is None or os.path.normpath(declared) == os.path.normpath(place):
        return True
    with contextlib.suppress(OSError):
        return os.path.samefile(declared, place)
    return False


def _known(path: str) -> dict[str, t.Any]:
    """What the host was told of a team; nothing of one that is new to it."""
    with contextlib.suppress(OSError, ValueError, TypeError), open(path, encoding="utf-8") as file:
        return dict(json.load(file))
    return {}


def _has(place: str, but: t.Iterable[str | None] = ()) -> bool:
    """Whether it is a file, or a directory with anything in it but what a file system of its own has.

    but: places that the team is to have, one of which may be further down.
    """
    ways = [os.path.relpath(it, place).split(os.sep)[0] for it in but if it]
    own = {way + ending for way in ways for ending in ("", "-wal", "-shm", "-journal")}
    try:
        # However many there are, the first one says it.
        with os.scandir(place) as entries:
            return any(entry.name not in {*own, "lost+found"} for entry in entries)
    except NotADirectoryError:
        return True
    except FileNotFoundError:
        return False
    except OSError:
        # It is there, and not for root to look into.
        return True
