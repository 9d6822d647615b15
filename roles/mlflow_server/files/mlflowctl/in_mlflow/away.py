"""Answers 503 where MLflow would answer 401 for want of its database: who logs in could not be looked up.

Clients ask again after 503, and fail at once after 401; a proxy keeps a 401 in mind. MLflow's newer routes, such as
those of artifacts, take any error there for a wrong password, and all of its routes one in the second of two looks.
"""

from __future__ import annotations

import contextvars
import functools
import json
import sys
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow import asking

LOOKS = ("authenticate_user", "get_user")
# Those are an answer.
NOBODY = "RESOURCE_DOES_NOT_EXIST"
BODY = {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "who logs in could not be looked up; the database is away"}
# What could not be looked up for the request that is being answered.
failed: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("failed", default=None)


def noted(look: Callable[..., Any]) -> Callable[..., Any]:
    """Let a request know that a look at who somebody is came to nothing."""

    @functools.wraps(look)
    def found(*arguments: Any, **options: Any) -> Any:
        try:
            return look(*arguments, **options)
        except Exception as error:
            request = failed.get()
            # Nobody has a name with a NUL in it, and PostgreSQL takes none, which is no sign that it is away.
            odd = any("\0" in it for it in (*arguments, *options.values()) if isinstance(it, str))
            if request is not None and not odd and getattr(error, "error_code", None) != NOBODY:
                request.append(look.__name__)
            raise

    return found


async def refuse(send: Any) -> None:
    """Answer that it is away."""
    await send({"type": "http.response.start", "status": 503, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(BODY).encode()})


class Told:
    """An application that says why it lets somebody not in."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request: list[str] = []
        failed.set(request)
        instead = False

        async def send_why(message: Any) -> None:
            nonlocal instead
            if message["type"] == "http.response.start" and message["status"] == 401 and request:
                instead = True
                await refuse(send)
            elif not instead:
                await send(message)

        await self.app(scope, receive, send_why)


def around(app: Any) -> Any:
    """Return an application that does so, where MLflow knows people."""
    store = getattr(sys.modules.get(asking.AUTH), "store", None)
    if store is None:
        return app
    for name in LOOKS:
        setattr(store, name, noted(getattr(store, name)))
    return Told(app)
