"""Ends a dump of PostgreSQL that waits for a sequence: pg_dump has an end for its wait for tables alone.

Nobody but pg_dump reads a sequence as a table is read, with this kind of lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from mlflowctl.errors import DatabaseError

# It is cancelled there, too: root of a unit that may do little cannot end what runs under another account.
CANCEL = """\
SELECT string_agg(DISTINCT format('%s (%s)', blocking, coalesce(quote_ident(who.usename), '?')), ', '),
    bool_and(pg_cancel_backend(waiting.pid))
  FROM pg_stat_activity AS waiting JOIN pg_locks AS lock ON lock.pid = waiting.pid AND NOT granted
    JOIN pg_class ON pg_class.oid = lock.relation AND relkind = 'S'
    CROSS JOIN unnest(pg_blocking_pids(waiting.pid)) AS blocking LEFT JOIN pg_stat_activity AS who ON who.pid = blocking
  WHERE waiting.datname = current_database() AND waiting.usename = current_user AND mode = 'AccessShareLock'
    AND clock_timestamp() - waiting.query_start > interval '{seconds}s'
  HAVING count(*) > 0;"""


def watch(ask: Callable[[str], str], seconds: float) -> Callable[[], None]:
    """Return what is called again and again beside a dump, and raises where it has waited for so long."""
    following = time.monotonic() + seconds

    def look() -> None:
        nonlocal following
        if time.monotonic() < following:
            return
        try:
            found = ask(CANCEL.format(seconds=seconds)).strip()
        except DatabaseError:
            # The dump itself says what is wrong there, if anything is.
            found = ""
        following = time.monotonic() + seconds
        if found:
            who = found.rpartition("|")[0]
            raise DatabaseError(f"pg_dump waits for a sequence that is locked at PostgreSQL by process {who}")

    return look
