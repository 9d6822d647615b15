"""Where links lead, by what stands in them: a disk that one leads to may be away, and holds whoever looks at it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

# That is also run as a text, and imports nothing from here.
from mlflowctl.retirement.find import mounted, unescaped

__all__ = ["Ways", "mounted", "unescaped"]

# So many links on one way lead nowhere, as they do for the kernel.
MOST = 40


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
