# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people and servers wrote, as it may be shown: in messages, warnings, change lists and reports.

Anybody who may make an experiment chooses its name. As it is it could end a line and begin one of their own, wipe
lines from a terminal, or stand there in another order than it is.
"""

from __future__ import annotations

import codecs
import re
import typing as t

# Python does not call a character printable that controls, formats, separates, is half of a pair, of private use, or
# unassigned. These it does, and yet nothing is to be seen of them: joiners, fillers, selectors, an empty pattern, a
# head without a note, what stands for something else.
INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc"
    "\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)
# So many that what follows them could be moved to where a line begins on a screen.
BLANKS = re.compile(" {3,}")
# Loaded now: who shows something as another account may not get at Python's own files any more, as below root's home.
ENCODE = codecs.lookup("utf-16-be").encode
# As Ansible marks what is no plain value in a module's answer; where anybody's name begins so, it refuses all of it.
ANSIBLES = "__ansible_"
SHORT = {"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def is_plain(character: str) -> bool:
    """Whether a character can be seen, and moves nothing but itself."""
    return character.isprintable() and not INVISIBLE.match(character)


def shown(text: object) -> str:
    """A text on one line, all that cannot be seen as JSON escapes; what was shown already stays as it is."""
    found = str(text)
    if not found.isprintable() or INVISIBLE.search(found):
        found = "".join(character if is_plain(character) else escaped(character) for character in found)
    return BLANKS.sub(lambda blanks: escaped(" ") * len(blanks[0]), found)


def escaped(character: str) -> str:
    """A character as JSON escapes it."""
    if character in SHORT:
        return SHORT[character]
    units = ENCODE(character, "surrogatepass")[0]
    return "".join("\\u" + units[at : at + 2].hex() for at in range(0, len(units), 2))


def cut(text: object, length: int) -> str:
    """The beginning of a text, shown; a server's can be of any length."""
    found = shown(str(text)[: length + 1])
    return found if len(found) <= length else f"{found[:length]}…"


def answerable(values: dict[str, t.Any]) -> dict[str, t.Any]:
    """Values by names that anybody has chosen, as a module may answer with them."""
    return {name: value for name, value in values.items() if not name.startswith(ANSIBLES)}


def all_shown(value: t.Any) -> t.Any:
    """A value with all texts in it shown, for what a person reads of it."""
    if isinstance(value, dict):
        return {all_shown(key): all_shown(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [all_shown(inner) for inner in value]
    return shown(value) if isinstance(value, str) else value
