"""What went wrong is told in a line, without what must not be shown."""

import pytest
from mlflowctl import causes

SQLALCHEMY = """\
2026/11/26 15:00:00 WARNING mlflow.store.db.utils: SQLAlchemy database could not be created
Traceback (most recent call last):
  File "/opt/mlflow/3.17.2/lib/python3.11/site-packages/sqlalchemy/engine/base.py", line 1967, in _exec_single_context
    self.dialect.do_execute(
    ~~~~~~~~~~~~~~~~~~~~~~~^
sqlite3.OperationalError: table scheduler_leases already exists

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/usr/local/lib/mlflow/migrate.py", line 120, in main
    migrate(purpose, uri)
sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) table scheduler_leases already exists
[SQL:
CREATE TABLE scheduler_leases (
\tname VARCHAR NOT NULL
)

]
(Background on this error at: https://sqlalche.me/e/21/e3q8)
"""
TWICE = """\
Traceback (most recent call last):
  File "x.py", line 1, in <module>
psycopg.OperationalError: connection failed: connection to server at "127.0.0.1", port 5432 failed: FATAL:  no such
connection to server at "127.0.0.1", port 5432 failed: FATAL:  no such
"""
PG_DUMP = """\
pg_dump: warning: there are circular foreign-key constraints
pg_dump: error: query failed: ERROR:  permission denied for table runs
pg_dump: detail: Query was: LOCK TABLE public.runs IN ACCESS SHARE MODE
"""


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (SQLALCHEMY, "table scheduler_leases already exists"),
        (PG_DUMP, "pg_dump: error: query failed: ERROR: permission denied for table runs"),
        ("INFO: Started\nINFO: Waiting\n", "INFO: Waiting"),
        ("", "it ended without output"),
        ("Traceback (most recent call last):\n  File 'x'\nKeyboardInterrupt\n", "KeyboardInterrupt"),
        ("ModuleNotFoundError: No module named 'x'\n", "ModuleNotFoundError: No module named 'x'"),
    ],
)
def test_the_cause_is_found_in_what_a_program_said(said, expected):
    assert causes.cause(said) == expected


def test_lines_that_say_the_same_are_one():
    expected = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: FATAL: no such'
    assert causes.cause(TWICE) == expected


def test_a_line_does_nothing_to_a_terminal_and_has_an_end():
    assert causes.shown("a\x1b[2K\n\tb\u202ec\u200bd\x00") == r"a\x1b[2K b\u202ec\u200bd\x00"
    assert len(causes.shown("x" * 10000)) < 500


def test_of_what_somebody_has_said_no_more_than_the_end_is_read(tmp_path, monkeypatch):
    program = tmp_path / "journalctl"
    program.write_text("#!/bin/sh\nhead --bytes=9000000 /dev/zero | tr '\\0' x\necho\necho \"$@\"\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    said = causes.last_words("_SYSTEMD_UNIT=mlflow@vision.service", "--since=@5")
    assert len(said) == causes.LAST_BYTES
    lines = "--lines=500 --no-pager --output=cat"
    assert said.endswith(f"xxx\n{lines} _SYSTEMD_UNIT=mlflow@vision.service --since=@5\n")
