"""Begins a program of this directory with the variables that root has handed over (settings.py), and leaves no file.

Its arguments are the program and what that is to be told. An isolated Python runs it: none of these variables has been
in the environment before, neither for Python nor for whatever root runs in the same unit.
"""

import json
import os
import sys

HANDED_OVER = "settings.json"


def begin(program: str, *words: str) -> None:
    """Take the variables, and begin with them as if they had been there from the beginning."""
    path = os.path.join(os.environ["RUNTIME_DIRECTORY"], HANDED_OVER)
    with open(path, encoding="utf-8") as file:
        settings = json.load(file)
    os.unlink(path)
    # This version of it, whatever comes meanwhile.
    here = os.path.dirname(os.path.realpath(__file__))
    os.execve(sys.executable, [sys.executable, here, program, *words], {**os.environ, **settings})


if __name__ == "__main__":
    begin(*sys.argv[1:])
