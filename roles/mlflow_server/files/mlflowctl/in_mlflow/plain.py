"""Refuses a path with a line end, some of artifacts, and a method in small letters.

Not everybody reads these alike.

Python's $ takes one at the end of a text for none, and so do the routes of newer parts of MLflow: to them "jobs/" and
"jobs/%0A" are the same, and to whoever compares texts, as is done here, they are two. To its older parts "put" is PUT,
too. And `1/./RUN` is the same as `1/RUN` to a store of artifacts, while MLflow up to 3.17 asks for no grants on runs,
traces or logged models there, nor in `./1` for any on the experiment. A proxy of ours lets none by, but in a query.
Further on, as in `1/RUN/artifacts/.`, one tells nobody whose that is, and people list by it what they have.

An artifact is its experiment's by the number with which its path begins. `%2531` and ` 1` are 1 where MLflow gets it,
and up to 3.16 nobody's where it asks for grants, so that it looks at what the query of the request names.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterator
from typing import Any

from mlflowctl.in_mlflow import places

LINE_END, SMALL = "no path of this server has a line end in it", "a method is written in capital letters"
DOT = "no path of artifacts has a part of one dot where it says whose they are"
NUMBER = "the path of an artifact begins with its experiment's number, and that is written in one way"
ARTIFACT = re.compile(r"/mlflow-artifacts/(?:artifacts|presigned|mpu/[a-z]+)(?:$|/)(.*)")
# The number, a run's own or of which kind it is, and which one.
WHOSE = 3
# What is decoded once more, or left out, where the path is followed.
ODD = re.compile(r"[\x00- ]|[^/]*[%\x00-\x1f]")


def artifacts(scope: Any) -> Iterator[str]:
    """Yield the paths of artifacts that a request names: its own, and where it lists them, or seems to, its query's."""
    if found := ARTIFACT.search(scope["path"]):
        yield found[1]
        yield from urllib.parse.parse_qs(scope.get("query_string", b"").decode("latin-1")).get("path", ())


def has_dot(path: str) -> bool:
    """Say whether a path has a part of one dot, however it is spelt, among those that say whose it is."""
    return any("." in list(filter(None, reading.split("/")))[:WHOSE] for reading in places.readings(path))


def refusal(scope: Any) -> str | None:
    """Return why a request is read by nobody."""
    if "\n" in scope["path"]:
        return LINE_END
    for path in artifacts(scope):
        if has_dot(path):
            return DOT
        if ODD.match(path):
            return NUMBER
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
