"""A program that is forked from what has imported much ends as one that Python has begun."""

import subprocess
import sys

import pytest
from people import People

PROGRAM = """
import atexit, sys, threading
atexit.register(print, "at its end")
print("said", sys.argv[1:])
threading.Timer(0.1, print, ["beside it"]).start()
sys.exit({})
"""


@pytest.fixture(scope="module")
def people():
    found = People(sys.executable, {}, ["json"])
    yield found
    found.end()


@pytest.mark.parametrize("end", ["", "None", "0", "3", "-1", "'for this reason'"])
def test_it_ends_alike(people, tmp_path, end):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(end))
    done = subprocess.run([sys.executable, program, "a word"], capture_output=True, text=True, check=False)
    assert done.stdout == "said ['a word']\nbeside it\nat its end\n"
    assert people.work(["a word"], {}, program) == (done.returncode, done.stdout, done.stderr)
