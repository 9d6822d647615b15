"""Refuses uploads that a team has no room for, before the disk is full for all: 507, with a sentence that says why.

What is free on the disk up to a reserve is no upload's, so that databases on it can always be written to. Where a team
may keep no more than so much (disk_max), its artifacts are counted now and then, and what comes in between is added.
It is asked when a body is about to be read, which MLflow does with those of artifacts once it has let somebody in.

Only what goes through the server is seen, and each worker sees its own: this keeps a team from filling the disk by its
work. A file system of its own is what keeps it from doing so at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

# Where artifacts and databases are, how many bytes all of it may take (or null), and how many are to be left free.
SETTING = "MLOPS_MLFLOW_ROOM"
UPLOAD = re.compile(r"/mlflow-artifacts/|/upload-artifact$|/mlflow/skills/.+/versions$")
# Seconds between the end of a count and the next: at least so many, and so many times what one takes; and for how long
# who uploads waits for one.
LEAST, TIMES, PATIENCE = 60, 20, 5
OWN = "The team may keep {most} here (disk_max), has {used}, and this does not fit. Remove what is needed no more"
SHARED = "The disk of this server is nearly full: what is left is kept for its databases. Nothing was stored"
WHOM = ", or ask whoever runs this server."
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


class Disk:
    """What is known of the room that there is."""

    def __init__(
        self,
        artifacts: str,
        databases: list[str],
        most: int | None,
        reserve: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.artifacts, self.databases, self.most, self.reserve, self.clock = artifacts, databases, most, reserve, clock
        # By the last count; what came since it began, and since the one began that is under way.
        self.counted: int | None = None
        self.since = self.meanwhile = 0
        self.ended = self.took = 0.0
        self.counting: asyncio.Future[None] | None = None
        # What uploads that were let in are still to bring.
        self.promised = 0

    @property
    def copies(self) -> int:
        """How often an upload stands on the disk for a moment: older versions of MLflow write it aside first."""
        repository = sys.modules.get("mlflow.store.artifact.artifact_repo")
        return 1 if hasattr(repository, "StreamUploadMixin") else 2

    def used(self) -> int:
        """Return how many bytes the team takes."""
        files = [f"{file}{ending}" for file in self.databases for ending in ("", "-wal")]
        return (self.counted or 0) + self.since + sum(map(size, files))

    def refuses(self, more: int) -> str | None:
        """Return why there is no room for so many bytes more; None where there is."""
        if self.most is not None and self.used() + self.promised + more > self.most:
            return OWN.format(most=shown(self.most), used=shown(self.used())) + WHOM
        if free(self.artifacts) - self.copies * (self.promised + more) < self.reserve:
            return SHARED + WHOM
        return None

    async def learn(self, more: int) -> None:
        """Count, where it is time to; wait for it a little where it matters."""
        if self.most is None:
            return
        if self.counting is None and (
            self.counted is None or self.clock() - self.ended >= max(LEAST, TIMES * self.took)
        ):
            self.begin()
        if self.counting is not None and (self.counted is None or self.refuses(more)):
            await asyncio.wait({self.counting}, timeout=PATIENCE)

    def begin(self) -> None:
        """Begin to count; a server that ends does not wait for it."""
        loop, began, self.meanwhile = asyncio.get_running_loop(), self.clock(), 0
        counting = self.counting = loop.create_future()

        def end(found: int) -> None:
            self.counted, self.since, self.counting = found, self.meanwhile, None
            self.ended = self.clock()
            self.took = self.ended - began
            counting.set_result(None)

        def count() -> None:
            found = bytes_below(self.artifacts)
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(end, found)

        threading.Thread(target=count, daemon=True).start()

    def take(self, length: int) -> None:
        """Note what has come."""
        self.since += length
        self.meanwhile += length


class Room:
    """Watches an application."""

    def __init__(self, app: Any, disk: Disk) -> None:
        self.app, self.disk = app, disk

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] not in ("PUT", "POST") or not UPLOAD.search(scope["path"]):
            await self.app(scope, receive, send)
            return
        upload = Upload(self.disk, scope, receive, send)
        try:
            await self.app(scope, upload.hear, upload.say)
        except Exception:
            # Who still sends would not get the answer that there was, if the connection ended.
            if not upload.refused:
                raise
        finally:
            self.disk.promised -= upload.left


class Upload:
    """One upload: how much it is to bring, and whether it was refused."""

    def __init__(self, disk: Disk, scope: Any, receive: Any, send: Any) -> None:
        self.disk, self.receive, self.send = disk, receive, send
        self.length = next((int(it) for name, it in scope["headers"] if name == b"content-length"), None)
        self.left, self.asked, self.refused = 0, False, False

    async def hear(self) -> Any:
        """Hand on what comes, where there is room for it."""
        if not self.asked:
            self.asked, expected = True, self.length or 0
            await self.disk.learn(expected)
            if why := self.disk.refuses(expected):
                return await self.refuse(why)
            self.left = expected
            self.disk.promised += expected
        if self.refused:
            return {"type": "http.disconnect"}
        message = await self.receive()
        came = len(message.get("body", b""))
        if self.length is None and (why := self.disk.refuses(came)):
            return await self.refuse(why)
        self.disk.take(came)
        arrived = min(came, self.left)
        self.left -= arrived
        self.disk.promised -= arrived
        return message

    async def refuse(self, why: str) -> Any:
        """Answer that there is none; for the application, whoever asked has gone."""
        self.refused = True
        body = json.dumps({"error_code": "RESOURCE_LIMIT_EXCEEDED", "message": why}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": 507, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})
        return {"type": "http.disconnect"}

    async def say(self, message: Any) -> None:
        """Hand on what is answered, unless it was already."""
        if not self.refused:
            await self.send(message)


def size(file: str) -> int:
    """Return how many bytes a file has; none where there is none."""
    try:
        return os.stat(file).st_size
    except OSError:
        return 0


def free(directory: str) -> int:
    """Return how many bytes the account may still write there. It is made with the first upload."""
    while True:
        try:
            facts = os.statvfs(directory)
        except FileNotFoundError:
            directory = os.path.dirname(directory)
        except OSError:
            # Where it cannot be asked, MLflow itself says what is wrong.
            return sys.maxsize
        else:
            return facts.f_bavail * facts.f_frsize


def bytes_below(directory: str) -> int:
    """Return how many bytes its files have, however deep they are; what goes meanwhile is none of it, and no link is
    followed."""
    found, waiting = 0, [directory]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        found += entry.stat(follow_symlinks=False).st_size
    return found


def shown(amount: float) -> str:
    """Return an amount as people read it."""
    unit = 0
    while amount >= 1024 and unit < len(UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.1f} {UNITS[unit]}" if unit else f"{amount} {UNITS[0]}"


def around(app: Any) -> Any:
    """Return an application whose uploads need room, or the same where its artifacts are on no disk of this host."""
    setting = json.loads(os.environ.get(SETTING, "null"))
    return app if setting is None else Room(app, Disk(**setting))
