"""Figures as Prometheus reads them from a file."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlflowctl import trees

Labels = Mapping[str, str]
# As the text format says: in a label these three alone have to be written otherwise.
ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


@dataclasses.dataclass(frozen=True)
class Kind:
    """A metric: its name, whether it only grows, and what it is in words."""

    name: str
    help: str
    counter: bool = False


@dataclasses.dataclass(frozen=True)
class Sample:
    """One figure of it."""

    kind: Kind
    labels: Labels
    value: float


def label(value: str) -> str:
    """Return a label's value as it stands between quotes; half of a character becomes a question mark."""
    return value.encode("utf-8", "replace").decode("utf-8").translate(ESCAPED)


def number(value: float) -> str:
    """Return a figure without an exponent that nobody needs."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def text_of(samples: Iterable[Sample]) -> str:
    """Return all figures; those of one metric stand together, as the format wants them."""
    families: dict[Kind, list[Sample]] = {}
    for sample in samples:
        families.setdefault(sample.kind, []).append(sample)
    lines: list[str] = []
    for kind, members in sorted(families.items(), key=lambda it: it[0].name):
        lines.append(f"# HELP {kind.name} {kind.help}")
        lines.append(f"# TYPE {kind.name} {'counter' if kind.counter else 'gauge'}")
        for sample in members:
            pairs = ",".join(f'{name}="{label(value)}"' for name, value in sample.labels.items())
            lines.append(
                f"{kind.name}{{{pairs}}} {number(sample.value)}" if pairs else f"{kind.name} {number(sample.value)}"
            )
    return "\n".join([*lines, ""])


def publish(directory: Path, name: str, text: str) -> None:
    """Put the file in place as a whole: whoever reads meanwhile has the former one.

    The directory may be in one of the account that Prometheus runs as: no link that is not root's is followed.
    """
    folder = trees.open_directory(directory, [])
    # node_exporter reads what ends with .prom.
    part = f".{name}.new"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with open(os.open(part, flags, 0o644, dir_fd=folder), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(text)
        os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.close(folder)
