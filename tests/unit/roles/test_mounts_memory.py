"""What a process that answers somebody has in memory, which each of fifty people pays for."""

import subprocess
import sys
from pathlib import Path

import project
import pytest

FILES = Path(project.ROOT, "roles", "mlflow_mounts", "files")

PIECES = """
import re
import threading
from mlflow_mounts import memory

def mib():
    with open("/proc/self/status") as file:
        return int(re.search(r"RssAnon:\\s+(\\d+)", file.read())[1]) // 1024

memory.save()
before = mib()
pieces = []
fetching = threading.Thread(target=lambda: pieces.extend(b"x" * (1 << 20) for _number in range({many})))
fetching.{start}()
fetching.{end}()
del pieces[:{gone}]
memory.give_back()
print(mib() - before)
"""

# Nobody answers there.
ASKED = """
import ssl
from mlflow_mounts.artifacts import exchange
for context in (None, ssl.create_default_context()):
    for host in ("localhost", "127.0.0.1"):
        try:
            exchange.Connection(host, 1, context).ask("GET", "/", None, {})
        except OSError:
            pass
print(*sys.modules)
"""


def said(code: str) -> list[str]:
    """Return the words that code prints which runs as the service does."""
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(FILES)!r})\n{code}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def test_what_few_need_is_not_there_for_all():
    loaded = said("from mlflow_mounts import answering\nfrom mlflow_mounts.root import service\nprint(*sys.modules)")
    assert "mlflow_mounts.artifacts.reading" in loaded
    few = {"concurrent.futures", "email", "hashlib", "http.client", "logging", "shutil", "tempfile", "traceback"}
    assert few & set(loaded) == set()


def test_a_name_of_a_server_brings_no_tables_of_all_languages():
    loaded = said(ASKED)
    assert "mlflow_mounts.artifacts.exchange" in loaded
    assert {"encodings.idna", "stringprep", "unicodedata"} & set(loaded) == set()


# The last one stays, and is above all others; or those of a thread of a team's go, which are fewer than what is kept.
@pytest.mark.parametrize(("start", "end", "many", "gone"), [("run", "is_alive", 64, -1), ("start", "join", 24, "")])
def test_pieces_that_nobody_reads_any_more_are_given_back(start, end, many, gone):
    assert int(said(PIECES.format(start=start, end=end, many=many, gone=gone))[0]) < 8
