"""Where links lead, by what stands in them: a disk that one leads to may be away, and holds whoever looks at it."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

OCTAL = re.compile(r"\\([0-7]{3})")
# So many links on one way lead nowhere, as they do for the kernel.
MOST = 40


def unescaped(place: str) -> str:
    """Return a path as it was before fstab, or the kernel's list of mounts, had to be words in a line."""
    return OCTAL.sub(lambda it: chr(int(it[1], 8)), place)


def mounted() -> set[str]:
    """Return where something is mounted, by the kernel's list, which asks none of them."""
    # It escapes the blank, tab and line feed alone, and whoever mounts something chooses the name.
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        return {unescaped(line.split(" ")[4]) for line in file}


class Ways:
    """Follows links from below a directory, on that one's own disk and those that this is mounted on."""

    def __init__(self, directory: str) -> None:
        self.own = os.path.realpath(directory)
        self.others = {place for place in mounted() if not Path(self.own).is_relative_to(place)}

    def leads_out(self, path: str) -> str | None:
        """Return where a link in there leads that leads out of it; None where it does not, or nothing is there.

        What is on another disk is not looked at, and so taken to be there.
        """
        found = self.followed(os.path.dirname(path), [os.path.basename(path)])
        if found is None or (Path(found).is_relative_to(self.own) and ".." not in found.split("/")):
            return None
        return found

    def place(self, path: str) -> str:
        """Return where any path leads, as far as these disks know."""
        return self.followed("/", path.split("/")[::-1]) or os.path.normpath(path)

    def followed(self, way: str, names: list[str]) -> str | None:
        """Follow names, the last one first; what comes after another disk is as it is written. None where none is."""
        links = 0
        while names:
            name = names.pop()
            if name == "..":
                way = os.path.dirname(way)
            if name in ("", ".", ".."):
                continue
            place = os.path.join(way, name)
            if place in self.others:
                return os.path.join(place, *filter(None, reversed(names)))
            try:
                text = os.readlink(place)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    return None
                way = place
                continue
            links += 1
            if links > MOST:
                return None
            way = "/" if text.startswith("/") else way
            names += reversed(text.split("/"))
        return way
