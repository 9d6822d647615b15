"""Lets requests wait while PostgreSQL is away, as while another one takes over from a primary that has died.

Nothing of a request is lost when it gets no connection: it waits for one, for at most SECONDS of an outage, and goes
on. What is in the middle of a transaction on a connection that dies fails as ever: nobody knows how far that came.
What had a thread when the outage was found waits there, where threads are left; who comes later waits in waiting.py.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import re
import threading
import time
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow import asking

# How long an outage is waited for, from its beginning. Patroni's defaults give a new primary within 40 to 60 seconds;
# MLflow's client waits 120 for an answer (MLFLOW_HTTP_REQUEST_TIMEOUT), and a proxy of ours 600.
SECONDS = 90
# Seconds between two tries to connect, and two looks at whether it is over.
BETWEEN_TRIES, BETWEEN_LOOKS = 1, 0.25
# And how long one may take, for each host, where the URI does not say (connect_timeout).
TRY_SECONDS = 3
# How many requests may wait in threads, of which there are 40 for all: as many as may have found out together.
THREADS = 32
# As libpq and drivers say that nobody is there or leads, and PostgreSQL and PgBouncer that it is not so far. What they
# say to a wrong password, or of a database that is not there, is not among it.
AWAY = re.compile(
    r"connection refused|timeout expired|connection timed out|no route to host|network is unreachable|host is down"
    r"|connection reset by peer|server closed the connection unexpectedly|ssl syscall error|no such file or directory"
    r"|could not translate host name|failed to resolve host|name or service not known|temporary failure in name"
    r"|session is read-only|server is in hot standby mode|terminating connection due to"
    r"|the database system is (starting up|shutting down|in recovery mode|not )|login has been failing",
    re.IGNORECASE,
)


class Asked:
    """A request: how long it may still wait, and whether it met an outage where nothing may wait."""

    def __init__(self) -> None:
        self.left: float = SECONDS
        self.met = False
        self.is_gone: Callable[[], bool] = lambda: False


# What is being answered; nothing else waits.
request: contextvars.ContextVar[Asked | None] = contextvars.ContextVar("request", default=None)


def is_away(engine: Any, error: Exception) -> bool:
    """Say whether somebody got no connection since nobody is there to give one."""
    if engine.dialect.name != "postgresql":
        return False
    driver = getattr(engine.dialect, "loaded_dbapi", None) or engine.dialect.dbapi
    return isinstance(error, driver.OperationalError) and AWAY.search(str(error)) is not None


def is_in_loop() -> bool:
    """Say whether all requests would wait."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def place_of(engine: Any) -> Any:
    """Say where the server of a database is."""
    url = engine.url
    return url.host, url.port, tuple((it, url.query.get(it)) for it in ("host", "port", "service"))


def reach(engine: Any) -> Any:
    """Connect past the pool, which may be full or keep what still works, and with an end."""
    words, named = engine.dialect.create_connect_args(engine.url)
    # libpq's word for it, which others do not know.
    end = {"connect_timeout": TRY_SECONDS} if engine.dialect.driver.startswith("psycopg") else {}
    return engine.dialect.connect(*words, **{**end, **named})


class Outage:
    """Whether a PostgreSQL is away, since when, and who waits for it."""

    def __init__(self, threads: threading.Semaphore | None = None) -> None:
        self.lock = threading.Lock()
        self.since: float | None = None
        self.threads = threads or threading.Semaphore(THREADS)
        # Where other databases are: that one of these is away, or given up, says nothing of this one.
        self.others: dict[Any, Outage] = {}
        # A server that ends keeps nobody.
        self.stops = False

    def of(self, engine: Any) -> Outage:
        """Return that of the server of a database: this one, where it is people's."""
        people = getattr(getattr(asking.auth_of_mlflow(), "store", None), "engine", None)
        place = place_of(engine)
        if people is None or people.dialect.name != "postgresql" or place_of(people) == place:
            return self
        with self.lock:
            found = self.others.setdefault(place, Outage(self.threads))
            found.stops = self.stops
            return found

    def begin(self, engine: Any) -> bool:
        """Note that it is away, and try to reach it from now on; say whether anybody does."""
        with self.lock:
            if self.since is not None:
                return True
            self.since = time.monotonic()
        try:
            threading.Thread(target=self.follow, args=(engine,), daemon=True).start()
        except RuntimeError:
            # There may be no more of them: nobody would say that it is back.
            self.since = None
            return False
        return True

    def follow(self, engine: Any) -> None:
        """Wait until it is back, or says something else."""
        while True:
            time.sleep(BETWEEN_TRIES)
            try:
                reach(engine).close()
            except Exception as error:  # noqa: BLE001 - any other is for whoever comes next
                if is_away(engine, error):
                    continue
            self.since = None
            return

    def is_waited_for(self, asked: Asked) -> bool:
        """Say whether it is away, and a request may wait for it."""
        since = self.since
        return since is not None and not self.stops and asked.left > 0 and time.monotonic() < since + SECONDS

    def wait(self, asked: Asked) -> bool:
        """Wait in a thread, where not too many do; say whether it is worth another try."""
        if not self.threads.acquire(blocking=False):
            return False
        try:
            while self.is_waited_for(asked) and not asked.is_gone():
                time.sleep(BETWEEN_LOOKS)
                asked.left -= BETWEEN_LOOKS
            # Who has given up may ask the same again: it is not done twice.
            return self.since is None and asked.left > 0 and not self.stops and not asked.is_gone()
        finally:
            self.threads.release()


outage = Outage()


def patient(connect: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let who gets no connection wait for one: nothing was sent to a database yet."""

    @functools.wraps(connect)
    def connected(engine: Any) -> Any:
        while True:
            try:
                return connect(engine)
            except Exception as error:
                if not is_away(engine, error):
                    raise
                found = outage.of(engine)
                is_followed = found.begin(engine)
                asked = request.get()
                if asked is not None and is_in_loop():
                    asked.met = True
                    raise
                if asked is None or not is_followed or not found.wait(asked):
                    raise

    return connected


def stop() -> None:
    """Let nobody wait any more."""
    outage.stops = True
    for other in list(outage.others.values()):
        other.stops = True
