"""Runs in a team's MLflow: copies a directory of artifacts to a store, and reads back what came there.

Reads {"do": "look" or "copy", "from": a directory, "to": the URI of a store, "note": a file, "whole": whether nobody
writes any more, "wait": for how many seconds where another copies} and prints what it did as JSON in its last line, or
{"cause": what went wrong}. The store is written to by what the server itself writes with, so it is reached with the
same settings, and any kind that MLflow knows will do.
What was read back whole stands in the note, so that a second copy only carries what came meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import shutil
import stat
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

AT_ONCE, WAITING = 8, 1000
MOST_NAMED = 5
CHUNK = 1024**2
# Left free beside what is read back, so that no team stops for want of space.
SPARE_BYTES = 200 << 20
# How much of the copying is done again at most after it was cut off.
NOTE_SECONDS = 10


class MoveError(Exception):
    """Why it cannot be done."""


def files(root: str) -> Generator[str, None, None]:
    """Yield the files below a directory, by their ways from there; none where nobody has kept any yet."""
    if not os.path.isdir(root) and os.path.isdir(os.path.dirname(root)):
        return
    for folder, _folders, names in levels(root, fail):
        paths = (os.path.join(folder, name) for name in names)
        # A pipe would be read for ever; what a link is to is refused when nobody can make another.
        yield from (os.path.relpath(path, root) for path in paths if not os.path.islink(path) and os.path.isfile(path))


def levels(
    root: str, onerror: Callable[[OSError], None] | None = None
) -> Generator[tuple[str, list[str], list[str]], None, None]:
    """Yield what os.walk does, however deep that is: before Python 3.12, that ends at a thousand.

    Links are among the files: the disk that one leads to may be away, and holds whoever looks at it.
    """
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                found = [(entry.name, is_folder(entry)) for entry in entries]
        except OSError as error:
            if onerror is not None:
                onerror(error)
            continue
        yield (
            folder,
            [name for name, whole in found if whole],
            [name for name, whole in found if not whole],
        )
        waiting += [os.path.join(folder, name) for name, whole in found if whole]


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Say whether it is a directory itself."""
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def fail(error: OSError) -> None:
    """Not pass over a directory that cannot be read."""
    raise error


def odd(root: str) -> list[str]:
    """Return what no store can hold: links, and whatever else is no file."""
    found = [os.path.basename(root)] if os.path.islink(root) else []
    for folder, folders, names in levels(root):
        for name in [*folders, *names]:
            path = os.path.join(folder, name)
            # What somebody has removed meanwhile is not in the way.
            if os.path.lexists(path) and (os.path.islink(path) or not (os.path.isfile(path) or os.path.isdir(path))):
                found.append(os.path.relpath(path, root))
    return sorted(found)


def state(path: str) -> list[int]:
    """Return what is another after a file was written to; nothing of one that is gone."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]


@contextlib.contextmanager
def held(path: str) -> Iterator[str]:
    """Open a file, and yield another path to it, which nobody exchanges: a pipe in its place opens for nobody, ever."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{path} is no file any more")
        yield f"/proc/{os.getpid()}/fd/{handle}"
    finally:
        os.close(handle)


def digest(path: str) -> str:
    """Return the checksum of a file."""
    summed = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(CHUNK):
            summed.update(part)
    return summed.hexdigest()


def each(do: Callable[[str], Any], ways: Iterable[str]) -> Generator[Any, None, None]:
    """Yield what it gives for each, in their order, some at the same time."""
    left = iter(ways)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # Each that waits for its turn takes memory.
        while part := list(itertools.islice(left, WAITING)):
            yield from pool.map(do, part)


class Room:
    """On the disk that all teams share: what is read back takes it for a moment, and nobody knows how much that is."""

    def __init__(self, place: Path) -> None:
        self.place, self.taken, self.changed = place, 0, threading.Condition()

    @contextlib.contextmanager
    def held(self, way: str, size: int) -> Iterator[None]:
        """Have so many bytes of it, when others that have some are done; raise where that is not enough."""
        with self.changed:
            while (free := shutil.disk_usage(self.place).free) < self.taken + size + SPARE_BYTES:
                if not self.taken:
                    raise MoveError(
                        f"{self.place} has {free >> 20} MiB free, and {(size + SPARE_BYTES) >> 20} MiB are needed to "
                        f"read {way} back"
                    )
                self.changed.wait()
            self.taken += size
        try:
            yield
        finally:
            with self.changed:
                self.taken -= size
                self.changed.notify_all()


class Store:
    """Where they go, and what is known to be there."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.root, self.uri, self.note = asked["from"], asked["to"], Path(asked["note"])
        self.room, self.aside = Room(self.note.parent), self.note.with_name("artifacts.back")
        self.repository = get_artifact_repository(self.uri)
        self.known: dict[str, list[int]] = {}
        with contextlib.suppress(FileNotFoundError, ValueError):
            noted = json.loads(self.note.read_text(encoding="utf-8"))
            if noted["to"] == self.uri:
                self.known = noted["known"]

    def listed(self) -> Generator[tuple[str, int], None, None]:
        """Yield what the store has, with how many bytes each takes."""
        level = [""]
        while level:
            below: list[str] = []
            for entries in each(lambda way: self.repository.list_artifacts(way or None), level):
                below += [found.path for found in entries if found.is_dir]
                yield from ((found.path, found.file_size) for found in entries if not found.is_dir)
            level = below

    def refuse_strangers(self) -> None:
        """Raise where the store has what did not come from here: something else may be meant to be there."""
        with contextlib.closing(self.listed()) as listed:
            others = (path for path, _size in listed if path not in self.known)
            # A store that is somebody's may have millions.
            strangers = list(itertools.islice(others, MOST_NAMED + 1))
        if strangers:
            number = len(strangers) if len(strangers) <= MOST_NAMED else f"more than {MOST_NAMED}"
            named = ", ".join(sorted(strangers)[:MOST_NAMED])
            raise MoveError(f"the store has {number} files already that are not this team's: {named}")

    def carry(self, way: str) -> tuple[str, list[int]]:
        """Copy one file, and read it back."""
        path = os.path.join(self.root, way)
        before = state(path)
        folder = os.path.dirname(way)
        try:
            with self.room.held(way, (before or [0])[0]), held(path) as file, self.shop() as shop:
                # What it is called in the store is what it is called here.
                named = os.path.join(shop, os.path.basename(way))
                os.symlink(file, named)
                self.repository.log_artifact(named, folder or None)
                # What was written to meanwhile may have any size in the store.
                same = state(path) == before and self.is_there(way, file)
        except MoveError:
            raise
        except Exception:
            # Removed by people meanwhile: what came of it to the store goes when nobody writes any more.
            if state(path):
                raise
            same = False
        if state(path) == before and not same and before:
            raise MoveError(f"{way} is not the same in the store")
        # Written to meanwhile, it is another one by now.
        return way, before if same else []

    def shop(self) -> tempfile.TemporaryDirectory[str]:
        """Return a place for a moment."""
        return tempfile.TemporaryDirectory(dir=self.aside)

    def is_there(self, way: str, path: str) -> bool:
        """Say whether the store gives what was copied to it."""
        with self.shop() as aside:
            return digest(self.repository.download_artifacts(way, aside)) == digest(path)

    def copy(self) -> dict[str, int]:
        """Copy what is new."""
        wanted = {way: found for way in files(self.root) if (found := state(os.path.join(self.root, way)))}
        missing = [way for way, found in wanted.items() if self.known.get(way) != found]
        # Before the first is there: what is cut off finds files in the store that are its own, and no strangers.
        self.known.update({way: [] for way in missing})
        self.write()
        # What one that was killed has left there takes room.
        shutil.rmtree(self.aside, ignore_errors=True)
        self.aside.mkdir(mode=0o700)
        last = time.monotonic()
        try:
            for way, found in each(self.carry, missing):
                self.known[way] = found
                if time.monotonic() > last + NOTE_SECONDS:
                    self.write()
                    last = time.monotonic()
        finally:
            self.write()
            shutil.rmtree(self.aside, ignore_errors=True)
        return {"files": len(wanted), "bytes": sum(found[0] for found in wanted.values()), "copied": len(missing)}

    def forget_gone(self, whole: bool) -> None:
        """Remove from the store what people have removed since, and know no more of what it has lost."""
        here = set(files(self.root))
        gone = [way for way in self.known if way not in here]
        # A directory of the store that is a file by now goes whole.
        for way in {next((str(it) for it in PurePosixPath(way).parents if str(it) in here), way) for way in gone}:
            self.repository.delete_artifacts(way)
        for way in gone:
            del self.known[way]
        if not (gone or whole):
            return
        # Stores remove what is below it, too.
        there = dict(self.listed())
        self.known = {way: found if found and there.get(way) == found[0] else [] for way, found in self.known.items()}

    def compare(self) -> None:
        """Raise where the store has more, less, or other sizes than the directory."""
        here = {way: os.path.getsize(os.path.join(self.root, way)) for way in files(self.root)}
        there = dict(self.listed())
        other = sorted(way for way in {*here, *there} if here.get(way) != there.get(way))
        if other:
            raise MoveError(f"{len(other)} files are not the same in the store: {', '.join(other[:MOST_NAMED])}")

    def write(self) -> None:
        """Note what was read back whole."""
        part = self.note.with_name(f"{self.note.name}.part")
        with open(part, "w", encoding="utf-8") as file:
            json.dump({"to": self.uri, "known": self.known}, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.note)


def refuse_odd(root: str) -> None:
    """Raise for what would stay behind."""
    found = odd(root)
    if found:
        raise MoveError(f"{len(found)} links or other things that no store holds: {', '.join(found[:MOST_NAMED])}")


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """Refuse what cannot go well; nothing stays in the store."""
    refuse_odd(asked["from"])
    Store(asked).refuse_strangers()
    return {}


def copy(asked: dict[str, Any]) -> dict[str, Any]:
    """Copy; with "whole", nobody writes any more, and the store has to be the same then."""
    with alone(Path(asked["note"]).parent, asked["wait"]):
        store = Store(asked)
        if asked["whole"]:
            # Made since it was looked at.
            refuse_odd(asked["from"])
        store.forget_gone(asked["whole"])
        done = store.copy()
        if asked["whole"]:
            store.compare()
        return dict(done)


@contextlib.contextmanager
def alone(folder: Path, seconds: float) -> Iterator[None]:
    """Wait until no other copies; one goes on by itself where whoever ran it is gone."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    end = time.monotonic() + seconds
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise MoveError("an earlier run is still copying the team's artifacts; try again later") from None
                time.sleep(1)
        yield
    finally:
        os.close(handle)


def main() -> None:
    """Do what is asked."""
    asked = json.load(sys.stdin)
    try:
        print(f"\n{json.dumps({'look': look, 'copy': copy}[asked['do']](asked))}")
    except Exception as error:  # noqa: BLE001 - whatever a store's own library ends with is told
        traceback.print_exc()
        print(f"\n{json.dumps({'cause': str(error) or type(error).__name__})}")
        sys.exit(1)
