"""When certificates end that something on this host shows to others."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from mlflowctl import commands

SECONDS = 10
IN_NGINX = re.compile(r"^\s*ssl_certificate\s+(?:\"([^\"]+)\"|([^\s;]+))\s*;", re.MULTILINE)


def named_by(configurations: Iterable[str]) -> list[str]:
    """Return the certificates that nginx is told to show, by the files that tell it."""
    found: set[str] = set()
    for name in configurations:
        try:
            text = Path(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            # No proxy on this host.
            continue
        found.update(quoted or plain for quoted, plain in IN_NGINX.findall(text))
    return sorted(it for it in found if "$" not in it)


def ends(paths: Iterable[str]) -> Iterator[tuple[str, float | None]]:
    """Yield when each ends, and nothing where it cannot be read."""
    for path in paths:
        try:
            told = commands.printed(["openssl", "x509", "-noout", "-enddate", "-in", path], OSError, SECONDS)
            found = moment(told)
        except (OSError, ValueError):
            found = None
        yield path, found


def moment(printed: str) -> float:
    """Return what openssl prints, such as notAfter=Jan  5 09:34:43 2027 GMT."""
    words = " ".join(printed.partition("=")[2].split())
    found = datetime.datetime.strptime(words, "%b %d %H:%M:%S %Y GMT")
    return found.replace(tzinfo=datetime.timezone.utc).timestamp()
