"""What the guides tell people to type, block by block."""

from __future__ import annotations

import dataclasses
import re
import textwrap

import project

FILES = [project.ROOT / "README.md", *sorted((project.ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(?:^ *<!-- Not run as it stands: (?P<why>[^>]+) -->\n)?^(?P<margin> *)```console\n(?P<text>.*?)^(?P=margin)```$",
    re.M | re.S,
)
# On the controller, and as root on a host.
PROMPTS = ("$ ", "# ")


@dataclasses.dataclass(frozen=True)
class Step:
    """One command, and the lines that stand below it."""

    prompt: str
    command: str
    shown: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Block:
    """What is typed into one shell, and why no test does that where none does."""

    where: str
    steps: tuple[Step, ...]
    why: str


def blocks() -> list[Block]:
    """Return all of them."""
    found = []
    for file in FILES:
        text = file.read_text()
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start("text"))
            where = f"{file.relative_to(project.ROOT)}:{line}"
            found.append(Block(where, tuple(steps(textwrap.dedent(match["text"]).splitlines())), match["why"] or ""))
    return found


def steps(lines: list[str]) -> list[Step]:
    """Return the commands of a block."""
    found: list[Step] = []
    for line in lines:
        if line.startswith(PROMPTS):
            found.append(Step(line[0], line[2:], ()))
        else:
            found[-1] = dataclasses.replace(found[-1], shown=(*found[-1].shown, line))
    return found
