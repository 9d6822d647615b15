# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directories of its host a team's server keeps its data in, and which of them it cannot have."""

from __future__ import annotations

import re
import typing as t
from pathlib import PurePosixPath
from urllib.parse import unquote

from ..module_utils._secret_text import secret_problem
from .names import quoted
from .packages import Packages
from .stores import database_problem, plain_problem, store_problem

Team = t.Dict[str, t.Any]
Problems = t.Iterator[str]

# systemd's StateDirectory= is always below this one.
STATE_DIR = PurePosixPath("/var/lib/mlflow")
# The unit has its own of these, or none: what it wrote there would be lost or never arrive.
HIDDEN = ("/home", "/root", "/run", "/tmp", "/var/tmp", "/dev", "/proc", "/sys")  # noqa: S108 - named to refuse them
# Who has these is not asked on the host: a directory of theirs could be given to a team by mistake.
SYSTEM = (
    *("/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/lost+found", "/opt/mlflow", "/sbin", "/usr"),
    *("/var/backups", "/var/cache", "/var/lock", "/var/log", "/var/mail", "/var/run", "/var/spool"),
    *("/var/lib/apt", "/var/lib/dpkg", "/var/lib/mlflow-acme", "/var/lib/mlflow-backup", "/var/lib/private"),
    *("/var/lib/mysql", "/var/lib/postgresql", "/var/lib/systemd", "/var/www"),
)
# Directories of many, whatever stands below them.
SHARED = ("/var/lib", "/var/local", "/var/opt")
SQLITE = re.compile(r"sqlite(\+\w+)?:///(?P<path>[^?]*)")
# A blank in an address, or what no program decodes.
PLAIN_PERCENT = re.compile(r"%(?:20|(?![0-9A-Fa-f]{2}))")
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
        found["artifacts: destination"] = state_dir(team) / _decoded(destination)
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


def in_files(team: Team) -> list[str]:
    """What of a team is kept on its host: its databases by what they are for, and its artifacts."""
    uris = {"auth": team["auth_database_uri"], "tracking": team["backend_store_uri"]}
    kept = [purpose for purpose, uri in uris.items() if _sqlite_file(team, uri)]
    # Artifacts that clients write themselves go where they say.
    artifacts = team["artifacts"]
    return kept + (["artifacts"] if not artifacts["serve"] or is_local(artifacts["destination"]) else [])


def artifacts_dir(team: Team) -> str | None:
    """The local directory that the server keeps artifacts in; None where they are elsewhere, or not its own."""
    destination = team["artifacts"]["destination"]
    if not team["artifacts"]["serve"] or not is_local(destination):
        return None
    path = _decoded(destination) if destination else "artifacts"
    return str(state_dir(team) / path)


def client_root(team: Team) -> str | None:
    """Where clients put artifacts past the server: a path of its host, the URI of a store, or None."""
    root = team["artifacts"]["root"]
    if team["artifacts"]["serve"] or not root:
        return None
    return _decoded(root) if is_local(root) else str(root)


def _decoded(place: str) -> str:
    return unquote(re.sub(r"^file:(//[^/]*)?", "", place))


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


def storage_problems(team: Team, packages: Packages) -> Problems:
    """Why the server could not keep its data where it is told to."""
    found = {name: _database_problems(team, name, packages) for name in ("backend_store_uri", "auth_database_uri")}
    if team["auth_database_uri"] == team["backend_store_uri"]:
        del found["auth_database_uri"]
    artifacts = team["artifacts"]
    found["artifacts: destination"] = _artifacts_problems(team, artifacts["destination"], packages, own=True)
    found["artifacts: root"] = _artifacts_problems(team, artifacts["root"], packages, own=False)
    faults = [f"{option}: {problem}" for option, problems in found.items() for problem in problems]
    yield from faults or _mixed_up(team)


def _database_problems(team: Team, option: str, packages: Packages) -> Problems:
    uri = team[option]
    if uri == default_store(team):
        return
    if problem := database_problem(uri, packages):
        yield problem
    elif database := SQLITE.match(uri):
        path = database["path"]
        problem = _path_problem(path) or _place_problem(team, PurePosixPath(path).parent, own=True)
        if path.endswith("/"):
            problem = "is a directory; name a file in it"
        if problem:
            yield f"{quoted(path)} {problem}"


def _artifacts_problems(team: Team, uri: str | None, packages: Packages, own: bool) -> Problems:
    if uri is None:
        return
    if problem := secret_problem(uri):
        yield problem
    elif not uri.strip():
        yield "is empty; leave it out for the default, or name a directory or a store"
    elif not re.match(r"/|[A-Za-z][A-Za-z0-9+.-]*:", uri):
        yield f"{quoted(uri)} is a relative path, which is another place for each program; begin it with /"
    elif not is_local(uri):
        if problem := store_problem(uri, packages):
            yield problem
    elif uri.startswith("file:") and not uri.startswith("file:///"):
        yield f"{quoted(uri)} is not a file on this host; write it as file:///absolute/path, or as the path alone"
    else:
        path = uri.removeprefix("file://").replace("%20", " ")
        if problem := _path_problem(path) or _place_problem(team, PurePosixPath(path), own):
            yield f"{quoted(path)} {problem}"


def _path_problem(path: str) -> str | None:
    if path.isprintable() and not path.isascii():
        return "has letters beyond ASCII; use a plain path"
    if ".." in path.split("/") or (UNQUOTABLE.search(path) and path.isprintable()):
        return "has quotes, dollars, backslashes or '..'; use a plain path"
    return plain_problem(PLAIN_PERCENT.sub("", path))


def _place_problem(team: Team, path: PurePosixPath, own: bool) -> str | None:
    """Whether it is somebody else's; C(own) are places that the server alone writes to."""
    if own and _is_below(path, state_dir(team)):
        return None
    if _is_below(path, STATE_DIR):
        if own:
            return f"is below {STATE_DIR}, but not the team's own {state_dir(team)}"
        return f"is below {STATE_DIR}, where no client gets in; use another place"
    if len(path.parts) < 3 or str(path) in SHARED:
        return "is to belong to the team alone; use a directory below it"
    for hidden in HIDDEN:
        if _is_below(path, PurePosixPath(hidden)):
            return f"is below {hidden}, which the unit does not see; use another place"
    for taken in SYSTEM:
        if _is_below(path, PurePosixPath(taken)):
            return f"is below {taken}, which belongs to the system; use another place"
    return None


def _mixed_up(team: Team) -> Problems:
    """Databases that are one file in two spellings, or lie where people fetch artifacts from."""
    files = [database["file"] for database in databases(team) if database["file"]]
    if len(files) > len(set(files)):
        yield "auth_database_uri: is the file of backend_store_uri in another spelling; leave it out"
    artifacts = artifacts_dir(team)
    for file in sorted(set(files)):
        if artifacts and _is_below(PurePosixPath(file), PurePosixPath(artifacts)):
            apart = f"the database {file} is below {artifacts}, where people fetch artifacts; part them"
            yield f"artifacts: destination: {apart}"


def storage_collisions(team: Team, other: Team) -> t.Iterator[str]:
    """Directories that two teams of one host would have to own."""
    for mine in map(PurePosixPath, _kept_dirs(team)):
        for theirs in map(PurePosixPath, _kept_dirs(other)):
            if _is_below(mine, theirs) or _is_below(theirs, mine):
                both = f"'{other['name']}' and '{team['name']}'"
                yield f"mlflow_teams: {both} both want {max(mine, theirs)} for themselves"


def _kept_dirs(team: Team) -> list[str]:
    """Those that the role makes, and the one that clients write to themselves."""
    root = team["artifacts"]["root"]
    return team["storage_dirs"] + ([_decoded(root)] if root and is_local(root) else [])


def _is_below(path: PurePosixPath, directory: PurePosixPath) -> bool:
    return path == directory or directory in path.parents
