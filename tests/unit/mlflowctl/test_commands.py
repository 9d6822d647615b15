"""Whatever a program does, this one comes to an end, and with words."""

import os
import signal
import sys
import time
import tracemalloc

import pytest
from mlflowctl import commands
from mlflowctl.errors import Problem
from mlflowctl.program import PROGRAM

ODD = [sys.executable, "-c", "import sys; sys.stdout.buffer.write(b'caf\\xe9'); sys.exit(b'\\xff'.decode('latin-1'))"]
NEVER = ["sleep", "300"]
STUBBORN = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]
STARTER = """
import subprocess, sys
process = subprocess.Popen(["sleep", "300"])
print(process.pid, file=open(int(sys.argv[1]), "w"), flush=True)
process.wait()
"""
# More of one value than is given, as a column that is computed has it for each row.
LARGE = """
import sqlite3, sys
database = sqlite3.connect(":memory:")
database.executescript("CREATE TABLE it (id INTEGER, name AS (zeroblob(100000000)))")
database.executemany("INSERT INTO it VALUES (?)", [(number,) for number in range(int(sys.argv[1]))])
print(len(database.execute("SELECT name FROM it").fetchall()))
"""
# Of an account that everybody has; who is not root stays who they are.
NOBODY = "nobody"


class OwnError(Problem):
    """Of whoever runs a program."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(commands, "KILL_SECONDS", 1)


@pytest.mark.parametrize("account", [None, NOBODY])
def test_one_that_never_ends_is_ended(account):
    began = time.monotonic()
    with pytest.raises(commands.LateError, match=r"^sleep was still not done after 0.3 s$"):
        commands.run(NEVER, 0.3, account)
    with pytest.raises(OwnError, match=r"sleep was still not done after 0.3 s"):
        commands.printed(NEVER, OwnError, 0.3, account)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("account", [None, NOBODY])
def test_one_that_does_not_want_to_is_made_to(account):
    with pytest.raises(commands.LateError):
        commands.run(STUBBORN, 0.3, account)


def test_whoever_is_prepared_for_a_missing_program_is_prepared_for_a_late_one():
    with pytest.raises(OSError, match="still not done"):
        commands.run(NEVER, 0.1)


def test_what_it_has_started_ends_with_it_where_that_is_an_accounts():
    reading, writing = os.pipe()
    command = ["/usr/bin/python3", "-I", "-c", STARTER, str(writing)]
    with pytest.raises(commands.LateError):
        commands.run(command, 5, NOBODY, pass_fds=(writing,))
    os.close(writing)
    with open(reading) as pipe:
        number = int(pipe.readline())
    end = time.monotonic() + 60
    while is_running(number) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_running(number)


def is_running(number):
    try:
        with open(f"/proc/{number}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_any_bytes_are_text():
    done = commands.run(ODD)
    assert (done.stdout, done.returncode) == ("caf\ufffd", 1)
    assert commands.printed(["printf", "a\\377b"]) == "a\ufffdb"


@pytest.mark.parametrize("account", [None, NOBODY])
def test_one_that_is_not_there_is_said_as_python_says_it(account):
    with pytest.raises(FileNotFoundError, match="No such file or directory: 'no-such-program'") as caught:
        commands.run(["no-such-program"], 5, account)
    assert caught.value.filename == "no-such-program"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo why >&2; echo not this; exit 3", "why"),
        ("exit 3", "sh ended with 3"),
        # What timeout(1) would say, where the program says it itself.
        ("exit 124", "sh ended with 124"),
    ],
)
@pytest.mark.parametrize("account", [None, NOBODY])
def test_a_failure_is_said_in_its_own_words(script, expected, account):
    with pytest.raises(OwnError) as caught:
        commands.printed(["sh", "-c", script], OwnError, 60, account)
    assert str(caught.value) == expected


def test_a_problem_may_say_more():
    with pytest.raises(OSError, match=r"^at /there: why$"):
        commands.printed(["sh", "-c", "echo why >&2; exit 1"], lambda said: OSError(f"at /there: {said}"))


def test_what_is_said_on_the_one_way_is_said_too():
    done = commands.run(["sh", "-c", "echo why; exit 1"], stderr=-2)
    assert commands.said(["sh"], done) == "why"


def test_our_own_program_is_called_by_its_command():
    assert commands.name_of([*PROGRAM, "contents", "artifacts"]) == "mlflowctl contents"


def test_a_signal_is_seen_past_whatever_stands_in_front():
    for account in (None, NOBODY):
        assert commands.run(["sh", "-c", "kill -USR1 $$"], 60, account).returncode == -signal.SIGUSR1


@pytest.mark.parametrize("account", [None, NOBODY])
def test_it_reads_its_input_and_nothing_else(account):
    assert commands.printed(["cat"], OwnError, 60, account, input="fed\n") == "fed\n"
    assert commands.printed(["cat"], OwnError, 60, account) == ""


@pytest.mark.parametrize("account", [None, NOBODY])
@pytest.mark.parametrize("where", ["", ">&2"])
def test_one_that_prints_without_end_is_not_listened_to(account, where, monkeypatch):
    monkeypatch.setattr(commands, "MOST_BYTES", 1 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(OwnError, match=r"^sh printed more than 1 MiB$"):
            commands.printed(["sh", "-c", f"exec cat /dev/zero {where}"], OwnError, 60, account)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_who_keeps_its_pipe_open_is_waited_for_no_longer_than_it():
    """Any process of the account's can open it, and go on when the program has ended."""
    with pytest.raises(commands.LateError, match=r"^sh was still not done after 1 s$"):
        commands.run(["sh", "-c", "echo done; setsid sleep 30 &"], 1)


def test_much_is_fed_to_one_that_prints_as_much_meanwhile():
    text = "x" * (1 << 22)
    assert commands.printed(["cat"], OwnError, 60, NOBODY, input=text) == text
    # Who does not read it.
    assert commands.printed(["true"], OwnError, 60, NOBODY, input=text) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run something as somebody else")
def test_an_account_has_its_own_rights_alone():
    done = commands.run(["sh", "-c", "id -un; id -Gn; umask; pwd"], 60, NOBODY)
    name, groups, mask, place = done.stdout.split()
    assert (name, len(groups.split()), mask, place) == (NOBODY, 1, "0077", "/")


def test_who_is_interrupted_leaves_nothing_running(monkeypatch):
    started = []

    def interrupted(process, *_words):
        started.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "talk", interrupted)
    with pytest.raises(KeyboardInterrupt):
        commands.run(NEVER, 60, NOBODY)
    assert started[0].poll() is not None


def test_lines_come_while_it_still_prints():
    found = commands.lines(["sh", "-c", "printf 'one\\377\\ntwo\\n'; sleep 300"], OwnError, 300)
    began = time.monotonic()
    assert [next(found), next(found)] == [b"one\xff\n", b"two\n"]
    assert time.monotonic() - began < 60
    found.close()


def test_a_line_without_end_is_cut_off(monkeypatch):
    monkeypatch.setattr(commands, "MOST_BYTES", 1000)
    script = "echo one; head -c 2500 /dev/zero; echo; echo two"
    assert list(commands.lines(["sh", "-c", script], OwnError)) == [b"one\n", bytes(1000), b"two\n"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo one; sleep 300", "sh was still not done after 3 s"),
        ("echo one; head -c 300000 /dev/zero >&2; printf 'why\\377' >&2; exit 1", "why\ufffd"),
        ("echo one; exit 7", "sh ended with 7"),
    ],
)
def test_one_whose_lines_do_not_end_well(script, expected):
    kind = commands.LateError if "sleep" in script else OwnError
    found = commands.lines(["sh", "-c", script], OwnError, 3 if "sleep" in script else 60)
    assert next(found) == b"one\n"
    with pytest.raises(kind) as caught:
        list(found)
    assert str(caught.value).lstrip("\0") == expected


def test_an_account_has_no_more_of_the_hosts_memory_than_is_given():
    command = ["/usr/bin/python3", "-I", "-c", LARGE]
    assert commands.printed([*command, "3"], OwnError, 60, NOBODY, memory=1 << 29) == "3\n"
    with pytest.raises(OwnError, match="MemoryError"):
        commands.printed([*command, "8"], OwnError, 60, NOBODY, memory=1 << 29)


def test_who_has_less_gives_less(monkeypatch):
    monkeypatch.setattr(commands.resource, "getrlimit", lambda _which: (1 << 20, 1 << 28))
    assert commands.limited(["it"], 1 << 29) == ["prlimit", f"--data={1 << 28}", "it"]
    assert commands.WORK_MEMORY >= commands.ASK_MEMORY


@pytest.mark.parametrize("environment", [None, {}, {"KEPT": "yes"}])
def test_an_account_reckons_in_one_thread_since_each_takes_of_that(environment):
    command = ["/usr/bin/env"]
    given = {} if environment is None else {"env": environment}
    told = commands.printed(command, OwnError, 60, NOBODY, **given).splitlines()
    assert set(told) >= {"OPENBLAS_NUM_THREADS=1", *(["KEPT=yes"] if environment else [])}
    assert environment is None or len(told) == len(environment) + 1
