"""What a database said, of all that is told about it."""

from __future__ import annotations

import re

# What SQLAlchemy adds to what the database said.
ADDED = re.compile(r"\[SQL:|\[parameters:|\(Background on this error|\(The above exception")
DRIVER = re.compile(r"^\((\w+\.)+\w+\) ")


def innermost(message: str) -> str:
    """What the database said, of all that is told about it; what is said twice once."""
    kept: list[str] = []
    for line in message.splitlines():
        if ADDED.match(line):
            break
        plain = DRIVER.sub("", line.strip())
        if plain and not any(plain in each for each in kept):
            kept.append(plain)
    return "; ".join(kept)
