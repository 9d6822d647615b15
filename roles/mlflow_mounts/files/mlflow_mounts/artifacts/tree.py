"""TEAM/EXPERIMENT/RUN@ID/… and TEAM/EXPERIMENT/models/MODEL@ID/…, asked for when somebody looks and not before."""

from __future__ import annotations

import errno
import os
import threading
import time
import weakref

from mlflow_mounts import memory, patience
from mlflow_mounts.artifacts import login, names, server
from mlflow_mounts.artifacts.asking import Team
from mlflow_mounts.artifacts.reading import Artifact, Room
from mlflow_mounts.artifacts.server import DIRECTORY, LINK, Entry, Listing

Path = tuple[str, ...]
# Seconds for which what was told holds, and what failed.
FRESH, FAILED = 10.0, 2.0
EXPERIMENT, RUN = 2, 3
# Levels. A directory is asked about from the top, and whoever logs artifacts says how deep they lie.
DEEPEST = 100
# Pieces of all open files that are in memory.
MOST_PIECES = 96


def missing(name: str) -> OSError:
    """Return the error for a name that is not there."""
    return OSError(errno.ENOENT, name)


class Known:
    """What was told of one directory, and when."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.at = 0.0
        self.told: Listing | OSError | None = None

    def holds(self) -> bool:
        """Say whether it is not to be asked again yet."""
        seconds = FAILED if isinstance(self.told, OSError) else FRESH
        return self.told is not None and time.monotonic() - self.at < seconds


class Tree:
    """All that one user may read."""

    def __init__(self, home: str) -> None:
        self._directory = os.path.join(home, ".config", "mlflow")
        self._lock = threading.Lock()
        self._teams: dict[str, Team] = {}
        self._known: dict[Path, Known] = {}
        # How long files turned out to be that were opened: more than was told of them.
        self._sizes: dict[Path, tuple[float, int]] = {}
        self._room = Room(MOST_PIECES)
        self._open: weakref.WeakSet[Artifact] = weakref.WeakSet()
        # Something was fetched, or is open, for which there may be memory that is free meanwhile.
        self._busy = False

    def children(self, path: Path) -> Listing:
        """Return what is in a directory. All who wait for it get one answer, also when that is an error."""
        with self._lock:
            known = self._known.setdefault(path, Known())
        with patience.turn(known.lock):
            if not known.holds():
                self._busy = True
                try:
                    known.told = self._fetch(path)
                except OSError as error:
                    known.told = error
                known.at = time.monotonic()
            told = known.told
        if isinstance(told, OSError):
            raise OSError(told.errno, told.strerror)
        return told or {}

    def entry(self, path: Path) -> Entry:
        """Return what is at a path."""
        if not path:
            return Entry(DIRECTORY)
        if len(path) > DEEPEST:
            raise OSError(errno.ENAMETOOLONG, path[-1])
        listed = self.children(path[:-1])
        found = listed.get(path[-1]) or self._unlisted(path, listed)
        at, size = self._sizes.get(path, (0.0, 0))
        if time.monotonic() - at < FRESH:
            return found._replace(size=size)
        return found

    def _unlisted(self, path: Path, listed: Listing) -> Entry:
        """Return a link to a run or a model by its identity, or to the newest of a name."""
        if len(path) == RUN or (len(path) == RUN + 1 and path[RUN - 1] == server.MODELS):
            known = {name: entry.identity for name, entry in listed.items() if entry.identity}
            name = names.by_identity_or_name(known, path[-1])
            if name:
                return Entry(LINK, len(name.encode()), listed[name].mtime, target=name)
        raise missing(path[-1])

    def open(self, path: Path) -> Artifact:
        """Open a file, for which the server is asked anew each time."""
        entry = self.entry(path)
        team, top, is_run = self._top(path)
        if not entry.path or entry.mode == DIRECTORY:
            raise OSError(errno.EISDIR, path[-1] if path else "")
        opened = Artifact(team, server.address(top, entry.path, is_run), self._room, entry.size)
        if opened.size != entry.size:
            self._sizes[path] = (time.monotonic(), opened.size)
        self._open.add(opened)
        self._busy = True
        return opened

    def rest(self) -> None:
        """Have nothing open, and keep nothing, that nobody needs."""
        now = time.monotonic()
        with self._lock:
            old = [path for path, known in self._known.items() if now - known.at > FRESH and not known.lock.locked()]
            for path in old:
                del self._known[path]
        for path, (at, _size) in list(self._sizes.items()):
            if now - at > FRESH:
                self._sizes.pop(path, None)
        for team in list(self._teams.values()):
            team.rest()
        for opened in list(self._open):
            opened.rest()
        if self._busy:
            self._busy = bool(old or self._known or self._open)
            memory.give_back()

    def _team(self, name: str) -> Team:
        if name not in self.children(()):
            raise missing(name)
        return self._teams[name]

    def _top(self, path: Path) -> tuple[Team, Entry, bool]:
        """Return the run or the model that a path is in."""
        is_run = len(path) < RUN or path[RUN - 1] != server.MODELS
        depth = RUN if is_run else RUN + 1
        if len(path) < depth:
            raise OSError(errno.EISDIR, "no artifact")
        return self._team(path[0]), self._directory_at(path[:depth]), is_run

    def _directory_at(self, path: Path) -> Entry:
        found = self.entry(path)
        if found.mode != DIRECTORY:
            raise OSError(errno.ENOTDIR, path[-1])
        return found

    def _fetch(self, path: Path) -> Listing:
        if not path:
            found = login.names(self._directory)
            for name in found:
                self._teams.setdefault(name, Team(os.path.join(self._directory, f"{name}.env")))
            return {name: Entry(DIRECTORY) for name in found}
        team = self._team(path[0])
        if len(path) == 1:
            return server.experiments(team)
        experiment = self._directory_at(path[:EXPERIMENT])
        if len(path) == EXPERIMENT:
            return server.inside_experiment(team, experiment)
        if path[EXPERIMENT:] == (server.MODELS,):
            return server.models(team, experiment)
        team, top, is_run = self._top(path)
        return server.artifacts(team, top, self._directory_at(path).path, is_run)
