"""What went wrong, in one line of all that a program has said."""

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _causes
from ansible_collections.mlops.mlflow.plugins.module_utils._causes import cause, where
from mlflowctl import redaction

TRACEBACK = """\
2026/11/26 10:00:00 INFO mlflow.store.db.utils: Creating tables
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    connect()
ValueError: not this one

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "b.py", line 2, in connect
    raise
    ^^^^^
sqlalchemy.exc.NoSuchModuleError: Can't load plugin: sqlalchemy.dialects:postgresql.nosuch
(Background on this error at: https://sqlalche.me/e/20/x)
the server ended before it answered, with exit code 1
"""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (TRACEBACK, "sqlalchemy.exc.NoSuchModuleError: Can't load plugin: sqlalchemy.dialects:postgresql.nosuch"),
        (
            "ERROR:    Traceback (most recent call last):\n  File\nOSError: no space\nERROR:  failed",
            "OSError: no space",
        ),
        (
            "Error: Option '--workers' is wrong\nINFO:     failed over\nthe server ended",
            "Error: Option '--workers' is wrong",
        ),
        (
            "vision: the user store was emptied\n2026/11/26 10:00:00 WARNING mlflow: cannot say",
            "vision: the user store was emptied",
        ),
        ("INFO:     Started", "INFO: Started"),
        ("a.py:3: UserWarning: this failed\nthe server did not answer", "the server did not answer"),
        ("postgresql://u:p@ss/w@host/x refused", "postgresql://u:***@host/x refused"),
        ("it failed: \x1b[2Jred\u202e", "it failed: \\u001b[2Jred\\u202e"),
        ("  \n", "it ended without output"),
    ],
)
def test_the_line_that_says_it_is_found(text, line):
    assert cause(text) == line


def test_it_is_never_long():
    assert len(cause(f"error {'x' * 5000}")) <= 401


KEEPS = "see journalctl -u a.service"
# A host's file and one beside it, as systemd-analyze shows them.
JOURNALS = [
    ("", True),
    ("# /etc/systemd/journald.conf\n[Journal]\n#Storage=none\n", True),
    ("[Journal]\nStorage=volatile\n", True),
    ("[Journal]\nStorage=none\n", False),
    ("[Journal]\n storage = None\n", False),
    ("[Journal]\nStorage=none\n# /etc/systemd/journald.conf.d/x.conf\n[Journal]\nStorage=persistent\n", True),
    ("[Journal]\nStorage=auto\n# /usr/lib/systemd/journald.conf.d/x.conf\n[Journal]\nStorage=none\n", False),
]


@pytest.mark.parametrize(("configuration", "keeps"), JOURNALS)
def test_says_where_the_journal_keeps_nothing(configuration, keeps):
    said = where("a.service", configuration)
    assert (said == KEEPS) is keeps
    assert ("keeps nothing: say Storage=auto in /etc/systemd/journald.conf" in said) is not keeps


@pytest.mark.parametrize(
    "said",
    [
        "Error: cannot connect with user=ann password='it\\'s hush3d' host=db",
        "PGPASSWORD=hush3d pg_dump failed",
        "error: DRIVER=X;UID=a;PWD=hush3d;SERVER=b",
        "failed: AccountName=x;AccountKey=hush3d==",
        "error: {'Authorization': 'Basic hush3d=='}",
    ],
)
def test_no_secret_of_a_last_line_is_shown(said):
    assert "hush3d" not in cause(said)


def test_a_host_hides_the_same():
    for name in ("IN_URI", "IN_PAIR", "IN_HEADER"):
        assert getattr(_causes, name).pattern == getattr(redaction, name).pattern
