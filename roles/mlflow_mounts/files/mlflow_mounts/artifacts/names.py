"""Names of files for what people have named in MLflow. What they wrote is data: it leads nowhere and hides nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

# Bytes. A file name has 255, and a run's name is followed by its identity.
LONGEST = 200
SYSTEM_LIMIT = 255
# Control characters, and those that turn what follows around or begin a line.
UNSEEN = "\\x00-\\x1f\\x7f-\\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
SPECIAL = re.compile(f"[%/{UNSEEN}\ud800-\udfff]")
# Of a file's own name, which stays what it was wherever it can.
IMPOSSIBLE = re.compile(f"[/{UNSEEN}\ud800-\udfff]")
# How a name ends that was too long; of the rest, the bytes of a letter that has no room any more are missing.
CUT = re.compile(r"~[0-9a-f]{8}\Z")
LEFT_OUT = 4

Thing = TypeVar("Thing")


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


def _digest(text: str) -> str:
    # Few have such names, and it brings much into memory.
    import hashlib  # noqa: PLC0415

    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _cut(name: str, text: str, longest: int) -> str:
    """Return a name that is not too long, and still another one for another text."""
    size = len(name.encode())
    # Another text may be what one that is too long is called.
    if size <= longest - LEFT_OUT or (size <= longest and not CUT.search(name)):
        return name
    return f"{name.encode()[: longest - 9].decode(errors='ignore')}~{_digest(text)}"


def of_thing(text: str) -> str:
    """Return the file name of an experiment, or the readable part of a run's or a model's. It is never empty."""
    name = SPECIAL.sub(_escaped, text)
    # Hidden otherwise, or the directory itself, or the one above.
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    return _cut(name or "%", text, LONGEST)


def of_artifact(text: str) -> str | None:
    """Return the file name of an artifact; None for what is no name at all."""
    if text in ("", ".", "..") or "/" in text or "\0" in text:
        return None
    return _cut(IMPOSSIBLE.sub(_escaped, text), text, SYSTEM_LIMIT)


def with_identity(text: str, identity: str, length: int = 8) -> str:
    """Return the file name of a run or a model, of which several may have one name."""
    known = of_thing(identity.removeprefix("m-"))
    return f"{of_thing(text)}@{known[:length]}" if text else known


def distinct(things: Iterable[tuple[str, str, Thing]]) -> dict[str, Thing]:
    """Return things by name; of those that share one, all but the first have their identity behind it."""
    found: dict[str, Thing] = {}
    for name, identity, thing in things:
        # A server that is not MLflow may say anything to be one, with letters of several bytes.
        known = of_thing(identity).encode()[:40].decode(errors="ignore")
        other = f"{_cut(name, name, LONGEST)}~{known}" if name in found else name
        found.setdefault(other, thing)
    return found


def by_identity_or_name(listed: Mapping[str, str], asked: str) -> str | None:
    """Return the listed name of an identity, or of the first of that name, where names are listed by identity."""
    # Anybody may call a run like the identity of another one.
    found = next((name for name, identity in listed.items() if identity == asked), None)
    return found or next((name for name in listed if name.rpartition("@")[0] == asked), None)
