"""Runs a program that stands beside this file as root's programs are to be run: by an isolated Python.

Such a Python (-I) takes nothing from its environment, from the directory it is called in or from a home directory, and
does not look beside the program either. Where the programs find each other is decided here, for all of them.
"""

import runpy
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

if __name__ == "__main__":
    del sys.argv[0]
    sys.path.insert(0, str(HERE))
    runpy.run_path(str(HERE / sys.argv[0]), run_name="__main__")
