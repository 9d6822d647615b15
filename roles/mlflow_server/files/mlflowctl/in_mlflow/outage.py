"""Lets requests wait while PostgreSQL is away, as while another one takes over from a primary that has died.

Nothing of a request is lost when it gets no connection: it waits for one, for at most SECONDS of an outage, and goes
on. What is in the middle of a transaction on a connection that dies fails as ever: nobody knows how far that came.

Who comes while the database is known to be away waits before MLflow hears of it: that takes no thread, of which health
checks need one, and of its body no more is read than a connection would hold. What had a thread by then waits there,
where threads are left. What MLflow looks up in the loop that all requests share is tried again, if no body was read.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import json
import re
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow import asking, away, logins

# How long an outage is waited for, from its beginning. Patroni's defaults give a new primary within 40 to 60 seconds;
# MLflow's client waits 120 for an answer (MLFLOW_HTTP_REQUEST_TIMEOUT), and a proxy of ours 600.
SECONDS = 90
# Seconds between two tries to connect, and two looks at whether it is over.
BETWEEN_TRIES, BETWEEN_LOOKS = 1, 0.25
# How many requests may wait at once in a worker: of strangers, which made-up log-ins are, and of people it knows.
MOST = {False: 32, True: 128}
# And in threads, of which there are 40 for all requests.
THREADS = 16
# Bytes of a body that are read of who waits.
KEPT = 65536
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


class Outage:
    """Whether a database is away, since when, and who waits for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.since: float | None = None
        self.threads = 0
        # A server that ends keeps nobody.
        self.stops = False

    def begin(self, engine: Any, connect: Callable[[Any], Any]) -> None:
        """Note that it is away, and try to reach it from now on."""
        with self.lock:
            if self.since is not None:
                return
            self.since = time.monotonic()
        threading.Thread(target=self.follow, args=(engine, connect), daemon=True).start()

    def follow(self, engine: Any, connect: Callable[[Any], Any]) -> None:
        """Wait until it is back, or says something else."""
        while True:
            time.sleep(BETWEEN_TRIES)
            try:
                connect(engine).close()
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
        with self.lock:
            if self.threads >= THREADS:
                return False
            self.threads += 1
        try:
            while self.is_waited_for(asked):
                time.sleep(BETWEEN_LOOKS)
                asked.left -= BETWEEN_LOOKS
            return self.since is None and asked.left > 0 and not self.stops
        finally:
            with self.lock:
                self.threads -= 1


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
                outage.begin(engine, connect)
                asked = request.get()
                if asked is not None and is_in_loop():
                    asked.met = True
                    raise
                if asked is None or not outage.wait(asked):
                    raise

    return connected


class Hearing:
    """What a client sends while its request waits."""

    def __init__(self, receive: Any) -> None:
        self.receive = receive
        self.kept: list[Any] = []
        self.next: asyncio.Future[Any] | None = None
        self.is_taken = self.is_whole = self.is_gone = False

    async def listen(self) -> None:
        """Take what comes for a moment, to know whether the client is still there: it is done for nobody else."""
        if not self.is_whole and sum(len(it.get("body", b"")) for it in self.kept) >= KEPT:
            await asyncio.sleep(BETWEEN_LOOKS)
            return
        if self.next is None:
            self.next = asyncio.ensure_future(self.receive())
        done, _waits = await asyncio.wait({self.next}, timeout=BETWEEN_LOOKS)
        if done:
            message, self.next = self.next.result(), None
            self.is_gone = message["type"] == "http.disconnect"
            self.is_whole = not message.get("more_body", False)
            self.kept.append(message)

    async def hear(self) -> Any:
        """Hand it on."""
        self.is_taken = True
        if self.kept:
            return self.kept.pop(0)
        if self.next is None:
            return await self.receive()
        message, self.next = await self.next, None
        return message


class Patient:
    """An application that is asked once its database is there."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.waiting = {False: 0, True: 0}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        # Who has no log-in is refused without a look.
        if scope["type"] != "http" or logins.digest(scope["headers"]) is None:
            await self.app(scope, receive, send)
            return
        asked, hearing = Asked(), Hearing(receive)
        request.set(asked)
        while await self.may_go_on(scope, asked, hearing, send):
            if not await self.is_to_be_repeated(scope, asked, hearing, send):
                return

    async def may_go_on(self, scope: Any, asked: Asked, hearing: Hearing, send: Any) -> bool:
        """Wait for the database where it is away; where that comes to nothing, say so."""
        if not outage.is_waited_for(asked) or is_open(scope["path"]):
            return True
        is_known = logins.knows(scope["headers"])
        if self.waiting[is_known] < MOST[is_known]:
            self.waiting[is_known] += 1
            try:
                while outage.is_waited_for(asked) and not hearing.is_gone:
                    before = time.monotonic()
                    await hearing.listen()
                    asked.left -= time.monotonic() - before
            finally:
                self.waiting[is_known] -= 1
            if hearing.is_gone:
                return False
            if outage.since is None:
                return True
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(away.BODY).encode()})
        return False

    async def is_to_be_repeated(self, scope: Any, asked: Asked, hearing: Hearing, send: Any) -> bool:
        """Answer a request, unless it came to nothing before any of it was read."""
        asked.met = is_repeated = False

        async def say(message: Any) -> None:
            nonlocal is_repeated
            if message["type"] == "http.response.start" and message["status"] == 503 and asked.met:
                is_repeated = not hearing.is_taken and outage.is_waited_for(asked)
            if not is_repeated:
                await send(message)

        await self.app(scope, hearing.hear, say)
        return is_repeated


def is_open(path: str) -> bool:
    """Say whether MLflow lets everybody in there, as who asks whether it is healthy."""
    is_unprotected = getattr(asking.auth_of_mlflow(), "is_unprotected_route", None)
    return is_unprotected is not None and bool(is_unprotected(path))


def around(app: Any) -> Any:
    """Return an application whose requests wait so, where it has databases."""
    engine = getattr(sys.modules.get("sqlalchemy.engine"), "Engine", None)
    if engine is None:
        return app
    engine.raw_connection = patient(engine.raw_connection)
    return Patient(app)


def stop() -> None:
    """Let nobody wait any more."""
    outage.stops = True
