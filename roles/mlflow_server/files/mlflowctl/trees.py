"""What root does in directories that a team could write to: by descriptors, so that no link of its leads out of them.

Whoever calls this has seen to it that nobody of the team's runs any more (processes.py). What it has made before is
still there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pwd
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, cast

from mlflowctl import commands, links
from mlflowctl.errors import named

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# No path that a program opens has more parts: step by step, people make deeper ones.
DEEPEST = 2048
# So many directories are open at a time.
HELD = 64
# So much of a path is told.
LONGEST = 200
# What find(1) would take for any letters.
PATTERN = re.compile(r"([*?\[\]\\])")


class LinkError(OSError):
    """A directory is none, and what stands there leads to another."""


class NoFileError(OSError):
    """What is to be read is a link, a pipe, a device or the like."""


def open_directory(path: Path, own: Iterable[Path]) -> int:
    """Open a directory part by part; its own are all directories of the team.

    Root may have put a link in place of one of them, or above. Below the outermost every link may be the team's, also
    one that has become root's with all the rest.
    """
    outer = min((len(it.parts) for it in own if path.is_relative_to(it)), default=len(path.parts))
    handle = os.open("/", DIRECTORY)
    for number, name in enumerate(path.parts[1:], 2):
        try:
            following = step(handle, name, number <= outer, path)
        finally:
            os.close(handle)
        handle = following
    return handle


def step(folder: int, name: str, trusted: bool, path: Path) -> int:
    """Open the next directory on a path."""
    try:
        return os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    except NotADirectoryError:
        facts = os.lstat(name, dir_fd=folder)
        if not stat.S_ISLNK(facts.st_mode):
            raise
        if trusted and facts.st_uid == os.geteuid():
            return os.open(name, DIRECTORY, dir_fd=folder)
        raise LinkError(f"{path}: {name} has become a link") from None


def open_file(folder: int | None, name: str) -> IO[bytes]:
    """Open a file of a directory; no link is followed, no pipe waited for, and no device hears of it."""
    found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise NoFileError(f"{name!r} is not a regular file")
        return open(os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC), "rb")
    finally:
        os.close(found)


@dataclasses.dataclass(frozen=True, eq=False)
class Place:
    """A directory below another, by its name in the one above it: what many have in common is there once."""

    above: Place | None
    name: str
    depth: int

    def parts(self) -> tuple[str, ...]:
        """Return its path."""
        names, place = [], cast("Place | None", self)
        while place is not None:
            names.append(place.name)
            place = place.above
        return tuple(reversed(names))


class Way:
    """Goes from one directory to the next, all below one, and holds the last ones on the way open."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.held: list[tuple[Place, int]] = []

    def to(self, place: Place | None) -> int:
        """Open a directory part by part, from the nearest one above it that is held."""
        down = []
        while place is not None and not self.holds(place):
            down.append(place)
            place = place.above
        self.let_go(0 if place is None else place.depth - self.held[0][0].depth + 1)
        for it in reversed(down):
            folder = self.held[-1][1] if self.held else self.root
            self.held.append((it, os.open(it.name, DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)))
            if len(self.held) > HELD:
                os.close(self.held.pop(0)[1])
        return self.held[-1][1] if self.held else self.root

    def holds(self, place: Place) -> bool:
        """Say whether it is open."""
        number = place.depth - self.held[0][0].depth if self.held else -1
        return 0 <= number < len(self.held) and self.held[number][0] is place

    def let_go(self, first: int = 0) -> None:
        """Close those from this one on."""
        for _place, handle in self.held[first:]:
            os.close(handle)
        del self.held[first:]


class MountedError(OSError):
    """Something of others is mounted where all is the team's."""


def mounted_within(handle: int, own: Iterable[Path]) -> list[str]:
    """Return where the team's own directories are mounted below an open one; raise where something else is.

    What others have there, they use elsewhere, too: it is neither to be removed nor to be given to anybody.
    """
    top, mine = Path(where(handle)), set(real_of(own))
    found = sorted(it for it in links.mounted() if Path(it).is_relative_to(top) and it != str(top))
    for place in found:
        if place not in mine:
            raise MountedError(
                f"something is mounted at {named(place)}, which is not the team's own; unmount it, and try again"
            )
    return [os.path.relpath(place, top) for place in found]


def real_of(own: Iterable[Path]) -> Iterator[str]:
    """Yield where a team's directories really are, as far as root has led there."""
    for path in own:
        with contextlib.suppress(LinkError, FileNotFoundError, NotADirectoryError):
            handle = open_directory(path, own)
            try:
                yield where(handle)
            finally:
                os.close(handle)


def refuse_mounts(path: Path, own: Iterable[Path]) -> None:
    """Raise where something of others is mounted below a directory, before anything is done to what is there."""
    with contextlib.suppress(LinkError, FileNotFoundError, NotADirectoryError):
        handle = open_directory(path, own)
        try:
            mounted_within(handle, own)
        finally:
            os.close(handle)


class Missed:
    """What a walk could not look at: how much, and the first of it; members may make any number of it."""

    def __init__(self) -> None:
        self.count, self.first, self.everything = 0, "", False

    def add(self, parts: tuple[str, ...]) -> None:
        """Count one; a path without parts is that of all."""
        self.first = self.first or "/".join(parts)[:LONGEST]
        self.count += 1
        self.everything = self.everything or not parts


def walk(
    root: int,
    changing: bool = False,
    but: tuple[type[OSError], ...] = (),
    deepest: int = DEEPEST,
    missed: Callable[[tuple[str, ...]], object] = lambda _parts: None,
) -> Iterator[tuple[int, os.stat_result, tuple[str, ...]]]:
    """Yield all below a directory: each with the directory it is in, and the parts of its path.

    Where people go on changing it, what has gone meanwhile is none of it. What fails by one of these is missed, and so
    is what is in a directory that is deeper than that.
    """
    gone = (FileNotFoundError, NotADirectoryError) if changing else ()
    way = Way(root)
    waiting: list[Place | None] = [None]
    try:
        while waiting:
            above = waiting.pop()
            parts = above.parts() if above else ()
            try:
                folder = way.to(above)
                names = sorted(os.listdir(folder))
            except gone:
                continue
            except but:
                missed(parts)
                continue
            below = []
            for name in names:
                try:
                    facts = os.lstat(name, dir_fd=folder)
                except gone:
                    continue
                except but:
                    missed((*parts, name))
                    continue
                if stat.S_ISDIR(facts.st_mode):
                    if len(parts) < deepest:
                        below.append(Place(above, name, len(parts)))
                    else:
                        missed((*parts, name))
                yield folder, facts, (*parts, name)
            # The first of them next, so that this has the order of contents.levels.
            waiting += reversed(below)
    finally:
        way.let_go()


def change_owner(path: Path, own: Iterable[Path], former: str | None, owner: str, mode: int | None = None) -> None:
    """Give what the former owner has there to another; what is of others, behind a second name, stays theirs.

    With a mode, the directory has that before: whom its owner has let in, by an access list too, does not come with it.
    """
    handle = open_directory(path, own)
    try:
        mounted_within(handle, own)
        if mode is not None:
            os.fchmod(handle, mode)
        was = former or str(os.fstat(handle).st_uid)
        within(handle, "chown", "--recursive", "--no-dereference", f"--from={was}", owner, "--", ".")
    finally:
        os.close(handle)


def of_root(path: Path, own: Iterable[Path]) -> list[str]:
    """Return what is root's below a directory of a team's, before all of it is."""
    handle = open_directory(path, own)
    try:
        return ["/".join(parts) for _folder, facts, parts in walk(handle) if (facts.st_uid, facts.st_gid) == (0, 0)]
    finally:
        os.close(handle)


def give(path: Path, own: Iterable[Path], account: str, but: Iterable[str]) -> None:
    """Give a directory of root's, and what is root's in it, to an account; but what was root's before it was given."""
    kept, owner = set(but), pwd.getpwnam(account)
    if not kept:
        change_owner(path, own, "0:0", f"{account}:{account}")
        return
    handle = open_directory(path, own)
    try:
        mounted_within(handle, own)
        for folder, facts, parts in walk(handle):
            if (facts.st_uid, facts.st_gid) == (0, 0) and "/".join(parts) not in kept:
                os.chown(parts[-1], owner.pw_uid, owner.pw_gid, dir_fd=folder, follow_symlinks=False)
        os.fchown(handle, owner.pw_uid, owner.pw_gid)
    finally:
        os.close(handle)


def remove(path: Path, own: Iterable[Path]) -> None:
    """Remove a directory; one that is mounted, or that root has put a link to, stays as root's with nothing in it."""
    folder = open_directory(path.parent, own)
    try:
        handle = open_directory(path, own)
        try:
            mounted = mounted_within(handle, own)
            within(handle, "find", ".", "-mindepth", "1", *but_on_the_way(mounted), "-delete")
            facts = os.lstat(path.name, dir_fd=folder)
            is_plain = stat.S_ISDIR(facts.st_mode) and where(handle) not in links.mounted()
            if is_plain and not mounted and os.fstat(handle).st_dev == os.fstat(folder).st_dev:
                os.rmdir(path.name, dir_fd=folder)
            else:
                os.fchown(handle, 0, 0)
        finally:
            os.close(handle)
    finally:
        os.close(folder)


def but_on_the_way(mounted: Iterable[str]) -> Iterator[str]:
    """Yield words with which find(1) leaves out directories that something is mounted at, and those above them."""
    for path in sorted({str(it) for place in mounted for it in (Path(place), *Path(place).parents) if str(it) != "."}):
        yield from ("!", "-path", "./" + PATTERN.sub(r"\\\1", path))


def within(handle: int, *command: str) -> None:
    """Run a command in an opened directory."""
    place = f"/proc/self/fd/{handle}"
    commands.printed(
        command,
        lambda said: OSError(f"{where(handle)}: {said}"),
        commands.WORK_SECONDS,
        cwd=place,
        pass_fds=(handle,),
    )


def where(handle: int) -> str:
    """Return where an open directory is, whatever leads there."""
    return os.readlink(f"/proc/self/fd/{handle}")
