# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directories of its host a team's server keeps its data in, and which of them it cannot have."""

from __future__ import annotations

import re
import typing as t
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

Team = t.Dict[str, t.Any]

# systemd's StateDirectory= is always below this one.
STATE_DIR = PurePosixPath("/var/lib/mlflow")
# The unit has its own of these, or none: what it wrote there would be lost or never arrive.
HIDDEN = ("/home", "/root", "/run", "/tmp", "/var/tmp", "/dev", "/proc", "/sys")  # noqa: S108 - named to refuse them
SQLITE = re.compile(r"sqlite(\+\w+)?:///(?P<path>[^?]*)")
# In a unit, these would need quoting of several kinds at once.
UNQUOTABLE = re.compile(r"[^ -~]|[\"'\\$]")


def is_local(uri: str | None) -> bool:
    """Whether a store is on the host itself; none means the default, which is."""
    return not uri or uri.startswith(("sqlite:", "file:", "/"))


def state_dir(team: Team) -> PurePosixPath:
    """The directory that systemd keeps for the team."""
    return STATE_DIR / str(team["name"])


def stores(team: Team) -> dict[str, PurePosixPath]:
    """Local directories that the server writes to, by the option that names them."""
    found = {}
    for option in ("backend_store_uri", "auth_database_uri"):
        database = SQLITE.match(team[option])
        if team[option] != default_store(team) and database and database["path"] and ":memory:" not in database["path"]:
            found[option] = (state_dir(team) / database["path"]).parent
    destination = team["artifacts"]["destination"]
    if destination and is_local(destination):
        found["artifacts: destination"] = state_dir(team) / unquote(urlsplit(destination).path)
    return found


def databases(team: Team) -> list[Team]:
    """What holds all that the server knows: one database, or two in the order in which they are to be copied.

    Grants that were copied first can at worst lack an experiment's latest; those copied last could be on other ids.
    """
    uris = {"auth": team["auth_database_uri"], "tracking": team["backend_store_uri"]}
    if uris["auth"] == uris["tracking"]:
        uris = {"mlflow": uris["tracking"]}
    return [{"name": name, "uri": uri, "file": _sqlite_file(team, uri)} for name, uri in uris.items()]


def sqlite_files(team: Team) -> list[str]:
    """The files that hold all that the server knows; empty where anything of it is in another kind of database."""
    files = [database["file"] for database in databases(team)]
    return [] if None in files else sorted(set(files))


def artifacts_dir(team: Team) -> str | None:
    """The local directory that the server keeps artifacts in; None where they are elsewhere, or not its own."""
    destination = team["artifacts"]["destination"]
    if not team["artifacts"]["serve"] or not is_local(destination):
        return None
    path = unquote(urlsplit(destination).path) if destination else "artifacts"
    return str(state_dir(team) / path)


def _sqlite_file(team: Team, uri: str) -> str | None:
    database = SQLITE.match(uri)
    if not database or not database["path"] or ":memory:" in database["path"]:
        return None
    return str(state_dir(team) / database["path"])


def default_store(team: Team) -> str:
    """One database for runs and people, so that one snapshot is the whole truth."""
    return f"sqlite:///{state_dir(team) / 'mlflow.db'}"


def storage_dirs(team: Team) -> list[str]:
    """Those of them that the role has to make, since they are outside the team's own."""
    return sorted({str(path) for path in stores(team).values() if not _is_below(path, state_dir(team))})


def storage_problems(team: Team) -> t.Iterator[str]:
    """Why the server could not keep its data where it is told to."""
    own = state_dir(team)
    for option, path in stores(team).items():
        if UNQUOTABLE.search(str(path)) or ".." in path.parts:
            yield f"{option}: '{path}' has quotes, dollars, backslashes or '..'; use a plain path"
        elif _is_below(path, own):
            continue
        elif _is_below(path, STATE_DIR):
            yield f"{option}: '{path}' is below {STATE_DIR}, but not the team's own {own}"
        elif len(path.parts) < 3:
            yield f"{option}: '{path}' is to belong to the team alone; use a directory below it"
        else:
            yield from (
                f"{option}: '{path}' is below {hidden}, which the unit does not see; use another place"
                for hidden in HIDDEN
                if _is_below(path, PurePosixPath(hidden))
            )


def storage_collisions(team: Team, other: Team) -> t.Iterator[str]:
    """Directories that two teams of one host would have to own."""
    for mine in map(PurePosixPath, team["storage_dirs"]):
        for theirs in map(PurePosixPath, other["storage_dirs"]):
            if _is_below(mine, theirs) or _is_below(theirs, mine):
                both = f"'{other['name']}' and '{team['name']}'"
                yield f"mlflow_teams: {both} both want {max(mine, theirs)} for themselves"


def _is_below(path: PurePosixPath, directory: PurePosixPath) -> bool:
    return path == directory or directory in path.parents
