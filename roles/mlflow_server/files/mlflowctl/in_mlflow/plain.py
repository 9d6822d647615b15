"""Refuses a path with a line end, one of artifacts with a part of one dot, and a method in small letters.

Not everybody reads these alike.

Python's $ takes one at the end of a text for none, and so do the routes of newer parts of MLflow: to them "jobs/" and
"jobs/%0A" are the same, and to whoever compares texts, as is done here, they are two. To its older parts "put" is PUT,
too. And `1/./RUN` is the same as `1/RUN` to a store of artifacts, while MLflow up to 3.17 asks for no grants on runs,
traces or logged models there, nor in `./1` for any on the experiment. A proxy of ours lets none by, but in a query.
"""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

from mlflowctl.in_mlflow import places

LINE_END, SMALL = "no path of this server has a line end in it", "a method is written in capital letters"
DOT, ARTIFACTS = "no path of artifacts has a part of one dot", "/mlflow-artifacts/"


def has_dot(scope: Any) -> bool:
    """Say whether a path of artifacts, or one that is asked about, has a part of one dot, however it is spelt."""
    if ARTIFACTS not in f"{scope['path']}/":
        return False
    query = urllib.parse.parse_qs(scope.get("query_string", b"").decode("latin-1"))
    given = [scope["path"].partition(ARTIFACTS)[2], *query.get("path", ())]
    return any("." in reading.split("/") for path in given for reading in places.readings(path))


def refusal(scope: Any) -> str | None:
    """Return why a request is read by nobody."""
    if "\n" in scope["path"]:
        return LINE_END
    if has_dot(scope):
        return DOT
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
