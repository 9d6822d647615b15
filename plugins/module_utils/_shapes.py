# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer has to look like, since a server that is adopted may be anybody's.

A shape is a type; a mapping of those keys that are read; a list of one shape; one of the classes below.
"""

from __future__ import annotations

import typing as t

from ._text import cut

# Entries of one list. More than any server was seen to have, and few enough to be worked through.
LONGEST = 200_000
KINDS = {str: "text", int: "number", bool: "yes or no"}

Shape = t.Any


class Misfit(Exception):
    """Where an answer is not of its shape, and how."""


class Maybe(t.NamedTuple):
    """May be missing, or null; what is missing is null from then on."""

    shape: Shape


class Word(t.NamedTuple):
    """One of a closed list of words."""

    words: t.Tuple[str, ...]


def fit(shape: Shape, value: t.Any, where: str = "") -> None:
    """Raise Misfit where a value is not of the shape."""
    if isinstance(shape, Maybe):
        if value is not None:
            fit(shape.shape, value, where)
    elif isinstance(shape, Word):
        if value not in shape.words:
            raise Misfit(f"has {named(value)} as '{where}', which is none of {', '.join(shape.words)}")
    elif isinstance(shape, dict):
        _fit_mapping(shape, value, where)
    elif isinstance(shape, list):
        _expect(isinstance(value, list), "list", where)
        if len(value) > LONGEST:
            raise Misfit(f"has more than {LONGEST} entries in '{where}'")
        for number, inner in enumerate(value):
            fit(shape[0], inner, f"{where}[{number}]")
    elif isinstance(shape, type):
        # To Python, true is a number.
        fits = isinstance(value, shape) and isinstance(value, bool) is (shape is bool)
        _expect(fits and (not isinstance(value, str) or is_whole(value)), KINDS[shape], where)
    else:
        shape(value, where)


def _fit_mapping(shape: dict[str, Shape], value: t.Any, where: str) -> None:
    _expect(isinstance(value, dict), "mapping", where)
    for key, inner in shape.items():
        path = f"{where}.{key}" if where else key
        if key not in value and not isinstance(inner, Maybe):
            raise Misfit(f"has no '{path}'")
        fit(inner, value.setdefault(key, None), path)


def _expect(fits: bool, kind: str, where: str) -> None:
    if not fits:
        raise Misfit(f"has something else than a {kind} as '{where}'")


def text_by_text(value: t.Any, where: str) -> None:
    """A mapping of any keys to texts."""
    _expect(isinstance(value, dict), "mapping", where)
    for key, inner in value.items():
        fit(str, key, where)
        fit(str, inner, f"{where}.{cut(key, 60)}")


def is_whole(text: str) -> bool:
    """Whether a text can be written anywhere: JSON can carry half of a character."""
    try:
        return text.isascii() or bool(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False


def named(value: object) -> str:
    """A value in a message about it."""
    return f"'{cut(value, 60)}'" if isinstance(value, str) else "no text"
