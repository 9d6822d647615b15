"""Lets whoever asks wait while PostgreSQL is away (outage.py), before MLflow hears of it.

That takes no thread, of which health checks need one, and of a body no more is read than a connection would hold. What
MLflow looks up in the loop that all requests share is tried again, if no body was read.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import sys
import time
from typing import Any

from mlflowctl.in_mlflow import asking, away, logins, outage
from mlflowctl.in_mlflow.outage import Asked

# How many requests may wait at once in a worker: of strangers, which made-up log-ins are, and of people it knows.
MOST = {False: 32, True: 128}
# Bytes of a body that are read of who waits.
KEPT = 65536
# For how long a thread asks whether a client is still there; the loop may be busy.
ASK_SECONDS = 30


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
            await asyncio.sleep(outage.BETWEEN_LOOKS)
            return
        if self.next is None:
            self.next = asyncio.ensure_future(self.receive())
        done, _waits = await asyncio.wait({self.next}, timeout=outage.BETWEEN_LOOKS)
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
        # Whoever only looks for a moment takes nothing from who hears next.
        message, self.next = await asyncio.shield(self.next), None
        return message

    async def is_left(self) -> bool:
        """Say whether the client has gone meanwhile."""
        if self.next is None:
            self.next = asyncio.ensure_future(self.receive())
            await asyncio.sleep(0)
        return self.next.done() and self.next.result()["type"] == "http.disconnect"


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
        outage.request.set(asked)
        while await self.may_go_on(scope, asked, hearing, send):
            if not await self.is_to_be_repeated(scope, asked, hearing, send):
                return

    async def may_go_on(self, scope: Any, asked: Asked, hearing: Hearing, send: Any) -> bool:
        """Wait for the database where it is away; where that comes to nothing, say so."""
        if not outage.outage.is_waited_for(asked) or is_open(scope["path"]):
            return True
        is_known = logins.knows(scope["headers"])
        if self.waiting[is_known] < MOST[is_known]:
            self.waiting[is_known] += 1
            try:
                while outage.outage.is_waited_for(asked) and not hearing.is_gone:
                    before = time.monotonic()
                    await hearing.listen()
                    asked.left -= time.monotonic() - before
            finally:
                self.waiting[is_known] -= 1
            if hearing.is_gone:
                return False
            if outage.outage.since is None:
                return True
        await away.refuse(send)
        return False

    async def is_to_be_repeated(self, scope: Any, asked: Asked, hearing: Hearing, send: Any) -> bool:
        """Answer a request, unless it came to nothing before any of it was read."""
        asked.met = is_repeated = False
        loop = asyncio.get_running_loop()
        asked.is_gone = lambda: is_left(hearing, loop)

        async def say(message: Any) -> None:
            nonlocal is_repeated
            if message["type"] == "http.response.start" and message["status"] == 503 and asked.met:
                is_repeated = not hearing.is_taken and outage.outage.is_waited_for(asked)
            if not is_repeated:
                await send(message)

        await self.app(scope, hearing.hear, say)
        return is_repeated


def is_left(hearing: Hearing, loop: asyncio.AbstractEventLoop) -> bool:
    """Say in a thread whether the client has gone; where that cannot be known, it has not."""
    with contextlib.suppress(concurrent.futures.TimeoutError):
        return asyncio.run_coroutine_threadsafe(hearing.is_left(), loop).result(ASK_SECONDS)
    return False


def is_open(path: str) -> bool:
    """Say whether MLflow lets everybody in there, as who asks whether it is healthy."""
    is_unprotected = getattr(asking.auth_of_mlflow(), "is_unprotected_route", None)
    return is_unprotected is not None and bool(is_unprotected(path))


def around(app: Any) -> Any:
    """Return an application whose requests wait so, where it has databases."""
    engine = getattr(sys.modules.get("sqlalchemy.engine"), "Engine", None)
    if engine is None:
        return app
    engine.raw_connection = outage.patient(engine.raw_connection)
    return Patient(app)
