"""Refuses a path with a line end, and a method in small letters, which not everybody reads alike.

Python's $ takes one at the end of a text for none, and so do the routes of newer parts of MLflow: to them "jobs/" and
"jobs/%0A" are the same, and to whoever compares texts, as is done here, they are two. To its older parts "put" is PUT,
too. A proxy of ours lets none by.
"""

from __future__ import annotations

import json
from typing import Any

LINE_END, SMALL = "no path of this server has a line end in it", "a method is written in capital letters"


def refusal(scope: Any) -> str | None:
    """Return why a request is read by nobody."""
    if "\n" in scope["path"]:
        return LINE_END
    return None if scope["method"] == scope["method"].upper() else SMALL


class Plain:
    """An application that is asked for what is read in one way alone."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        why = refusal(scope) if scope["type"] == "http" else None
        if why is None:
            await self.app(scope, receive, send)
            return
        body = {"error_code": "INVALID_PARAMETER_VALUE", "message": why}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 400, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})
