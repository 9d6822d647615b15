"""What a program ends with that could not do what it was told."""

import re

# What takes room and is not to be seen; plugins/module_utils/_text.py has the same for what modules show.
INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc"
    "\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)


class Problem(Exception):
    """Why it is not done, in words that can be shown; see `cli.py` for the exit code."""


class DatabaseError(Problem):
    """Why a database could not be asked, copied or put back."""


# How data can be none of what they should be, whoever has written them: the work on others goes on.
ODD = (ValueError, LookupError, TypeError, AttributeError, RecursionError, MemoryError)


def shown(error: object) -> str:
    """Return what is wrong so that it does nothing to a terminal, whatever names are in it; its lines stay lines."""
    return "".join(it if it == "\n" or not hides(it) else ascii(it)[1:-1] for it in str(error))


def named(text: str) -> str:
    """Return a name of people's for a message: in one line, too."""
    return shown(text).replace("\n", "\\n")


def hides(letter: str) -> bool:
    """Say whether a letter moves a cursor, turns a line around, ends it or is not to be seen."""
    return not letter.isprintable() or INVISIBLE.match(letter) is not None
