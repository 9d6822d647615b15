"""The directory in which a team's clients keep artifacts themselves, past the server, where this host has it.

It is not the team's account's: people write there under accounts of their own. So root holds the directory that it has
opened part by part, and reads what is really in it. Where it is not on this host, or leads to what is somebody else's,
it is left, and said why.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from mlflowctl import links, paths, patience, trees
from mlflowctl import team as teams
from mlflowctl.commands import LateError
from mlflowctl.errors import Problem
from mlflowctl.team import Team

# For a disk to answer.
DISK_SECONDS = 5
# What belongs to the role, and so to a team of its own or to root.
OF_THE_ROLE = ("/etc/mlflow", "/etc/mlflow-backup", "/opt/mlflow", "/var/lib/mlflow", "/var/lib/mlflow-changes")


@dataclasses.dataclass(frozen=True)
class Held:
    """An open directory, and where it really is; or why there is none.

    accepted: somebody has said that it is known, or it is in a store that keeps what it has.
    """

    handle: int | None = None
    path: str | None = None
    left: str = ""
    accepted: bool = False


class LeftError(Problem):
    """Why nothing is done with what is there."""


@contextlib.contextmanager
def held(team: Team, accepted: Iterable[str] = ()) -> Iterator[Held]:
    """Hold a team's; accepted are the beginnings of places that somebody else sees to."""
    root = team.client_root
    # A beginning may be the directory itself, with a slash at its end or without.
    begins = "" if not root else f"{root.rstrip('/')}/"
    if not root:
        yield Held()
    elif any(it != "*" and (begins.startswith(it) or f"file://{begins}".startswith(it)) for it in accepted):
        yield Held(left=f"the artifacts of its clients at {root} are seen to by others", accepted=True)
    elif not root.startswith("/"):
        yield Held(left=f"the artifacts of its clients at {root} are in a store, which keeps them", accepted=True)
    else:
        try:
            handle = opened(team, Path(root))
        except (LeftError, OSError) as error:
            yield Held(left=f"the artifacts of its clients are left: {reason(error, root)}")
            return
        try:
            yield Held(handle, trees.where(handle))
        finally:
            os.close(handle)


def reason(error: Exception, root: str) -> str:
    """Say what is wrong with a directory."""
    if isinstance(error, FileNotFoundError):
        return f"{root} is not on this host"
    return f"{root}: {error.strerror}" if isinstance(error, OSError) and error.strerror else str(error)


def opened(team: Team, root: Path) -> int:
    """Open it, unless it is not what it was declared to be."""
    patience.refuse_silent([root])
    refuse_unmounted(root)
    handle = trees.open_directory(root, ())
    try:
        # Where a link of root's leads, too.
        refuse_unmounted(Path(trees.where(handle)))
        refuse_what_is_others(team, root, Path(trees.where(handle)))
    except BaseException:
        os.close(handle)
        raise
    return handle


def refuse_unmounted(path: Path) -> None:
    """Raise where a disk or share is to be there, and is not: what is seen then is what it would hide."""
    places = {links.unescaped(line.split()[1]) for line in fstab() if len(line.split()) > 1}
    for place in places:
        if place != "/" and path.is_relative_to(place) and not os.path.ismount(place):
            raise LeftError(f"{place} is not mounted on this host")


def fstab() -> list[str]:
    """Return the lines that say what is to be mounted."""
    try:
        lines = paths.HERE.fstab.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return [line for line in lines if not line.lstrip().startswith("#")]


def refuse_what_is_others(team: Team, root: Path, place: Path) -> None:
    """Raise where it is, or is in or around, what another team has, or what is the server's alone."""
    taken = [(path, "the servers'") for path in (*OF_THE_ROLE, team.state_dir, *team.storage_dirs)]
    for name in teams.names(team.config_dir):
        if name == team.name:
            continue
        other = teams.load(name, team.config_dir)
        dirs = [other.state_dir, *other.storage_dirs, *filter(None, (other.artifacts, other.client_root))]
        taken += [(path, f"of the team {name}") for path in dirs]
    for path, whose in taken:
        real = Path(real_of(path, place))
        if path.startswith("/") and (place.is_relative_to(real) or real.is_relative_to(place)):
            raise LeftError(f"{root} and {path} are one place or in each other, which is {whose}")


def real_of(path: str, place: Path) -> str:
    """Return where it really is; where its disk does not answer, which may be another team's, as far as others know."""
    try:
        return str(patience.waited_for(DISK_SECONDS, partial(os.path.realpath, path)))
    except LateError:
        return links.Ways(str(place)).place(path)


def replaceable(team: Team, directory: str) -> str:
    """Return where a team's really is, so that another can be put there by renaming it; raise where it cannot.

    Who writes there never stops with the server. So what is renamed has to be gathered where they cannot be.
    """
    root = Path(team.client_root or "")
    if not team.client_root or not root.is_absolute():
        raise LeftError(f"{team.name} has no directory of its clients on this host, and the snapshot has {directory}")
    patience.refuse_silent([root])
    refuse_unmounted(root)
    folder = trees.open_directory(root.parent, ())
    try:
        place = Path(trees.where(folder), root.name)
        if place.is_symlink():
            handle = trees.open_directory(root, ())
            place = Path(trees.where(handle))
            os.close(handle)
        refuse_what_is_others(team, root, place)
        if str(place) != directory:
            raise LeftError(f"the snapshot has those of {directory}, and {team.name} has them at {place}")
        facts = os.stat(place.parent)
        if facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
            raise LeftError(f"{place.parent} is not root's alone, so that {place} cannot be replaced")
        if os.path.ismount(place):
            raise LeftError(f"{place} is a disk of its own, and cannot be replaced")
    finally:
        os.close(folder)
    return str(place)
