"""Says in the journal who did what in a team's server: a line of JSON for each request that changes something, reads an
artifact or is refused.

It stands around the application, where each request comes by: over a direct port, a proxy or the role's own socket.
Who somebody is, is what MLflow itself found out, and not what a request says. No body is kept, only what names things.

What training says all the time (metrics, parameters, parts of traces), and what is refused, is told once and then
summed up, so that nobody fills the journal by working or by guessing. Whoever has no log-in is in so many lines a
minute, whatever they ask for and say to be, and so is what people are refused; the rest of them is counted.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import socket
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow.asking import asking

# journald's own protocol: of a line it also keeps which unit it is from, which nobody can make up.
JOURNAL = "/run/systemd/journal/socket"
IDENTIFIER = "mlflow-audit"
# How audit is set: "no"; "proxied" where only the team's proxies reach its port, so that they say who asks; "direct".
SETTING = "MLOPS_MLFLOW_AUDIT"
# Seconds in which the same is summed up, and how much of that is remembered at most.
TOGETHER = 60
REMEMBERED = 2000
# How many lines there are of strangers in that time, and what the route is called of those that are only counted.
STRANGERS, OTHERS = 120, "others"
# And of what people are refused.
REFUSED = 1000
# A longer body is not looked into for what it names; a longer name is cut off, and so is a list of them.
LONGEST_BODY, LONGEST_NAME, MOST_NAMES = 1 << 20, 250, 10
# What stands for a value that names nothing.
OTHER = "{}"

READS = {"GET", "HEAD", "OPTIONS"}
PREFIX = re.compile(r"^.*?/(?:ajax-)?api/\d+\.\d+/?(?:mlflow/)?")
# What is asked for by POST and changes nothing: whole routes, since the end of some is chosen by who asks.
QUESTIONS = re.compile(
    r"graphql|[a-z-]+(/jobs)?/search(-[a-z]+)?|registered-models/get-latest-versions"
    r"|traces/(batchGetInfos|calculate-filter-correlation|metrics|query)|metrics/[a-z-]+"
)
FILES = re.compile(r"(mlflow-artifacts/(?:artifacts|presigned|mpu/[a-z]+))/(.+)")
ARTIFACTS = re.compile(
    r"mlflow-artifacts/(artifacts|presigned)|(model-versions/)?get-artifact|get-trace-artifact|logged-models/ID/artifacts/files"
)
ALL_THE_TIME = re.compile(r"runs/(log-[a-z]+|outputs|set-tag)|v1/traces|logged-models/ID/params|traces")
# The part of a path that names one thing has a number in it, and what is done with it has none.
THING = re.compile(r"([a-z-]+(?:/jobs|/cancel)?)/([^/]*\d[^/]*)(/.*)?")
CAPITAL = re.compile(r"(?<=[a-z0-9])[A-Z]")
# Where traces go that are sent in OpenTelemetry's way, and those that are sent in MLflow's.
SENT, HEADERS = "v1/traces", {b"x-mlflow-experiment-id": "experiment_id", b"x-mlflow-run-id": "run_id"}
BEGUN, PLACE = "traces", ("trace", "trace_info", "trace_location", "mlflow_experiment")
FORM = "application/x-www-form-urlencoded"
# What names a thing or a person, and no more.
NAMES = {
    "alias", "artifact_file_path", "artifact_path", "dataset_id", "endpoint_id", "endpoint_name", "experiment_id",
    "experiment_ids", "experiment_name", "is_admin", "key", "lifecycle_stage", "model_id", "name", "new_name",
    "organization", "path", "permission", "request_id", "resource_id", "resource_pattern", "resource_type", "role_id",
    "role_name", "run_id", "run_uuid", "scorer_name", "secret_id", "secret_name", "stage", "trace_id", "user_id",
    "username", "version", "webhook_id",
}  # fmt: skip

# What a line says.
Told = dict[str, Any]


class Journal:
    """Where lines go. It is never waited for: what it does not take is counted, and said with the next line."""

    def __init__(self, path: str = JOURNAL) -> None:
        self.path, self.missed = path, 0
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)

    def write(self, told: Told) -> None:
        """Write a line. json.dumps leaves nothing in it that a terminal or a reader of lines would act on."""
        told = {**told, "missed": self.missed} if self.missed else told
        # For those who count what was refused, and do not read all the rest.
        status = f"MLFLOW_STATUS={told['status']}\n" if isinstance(told.get("status"), int) else ""
        line = f"SYSLOG_IDENTIFIER={IDENTIFIER}\nPRIORITY=6\n{status}MESSAGE={json.dumps(told)}\n"
        try:
            self.socket.sendto(line.encode(), self.path)
            self.missed = 0
        except OSError:
            self.missed += 1

    def close(self) -> None:
        """Close it."""
        self.socket.close()


class Repeated:
    """Tells the first of what is said all the time, and how often it was said again when that time is over."""

    def __init__(
        self, write: Callable[[Told], None], clock: Callable[[], float] = time.monotonic, most: int | None = None
    ) -> None:
        self.write, self.clock, self.most = write, clock, most
        self.known: dict[str, dict[str, Any]] = {}

    def tell(self, told: Told) -> None:
        """Tell it, or count it."""
        self.settle()
        what = key_of(told)
        if self.most is not None and what not in self.known and len(self.known) >= self.most:
            told = {key: told.get(key) for key in ("time", "team", "user", "status")}
            told = {**told, "method": "*", "route": OTHERS, "resource": {}}
            what = key_of(told)
        if what in self.known:
            first = self.known[what]
            first["count"] += 1
            first["told"] = told
        else:
            self.write(told)
            if len(self.known) < REMEMBERED:
                self.known[what] = {"since": self.clock(), "count": 0, "told": told}

    def settle(self, end: bool = False) -> None:
        """Tell what was counted for long enough. They are in their order."""
        while self.known:
            what, found = next(iter(self.known.items()))
            if not end and self.clock() - found["since"] < TOGETHER:
                break
            del self.known[what]
            if found["count"]:
                self.write({**found["told"], "count": found["count"]})


def key_of(told: Told) -> str:
    """Return what is the same of all lines that are summed up."""
    return json.dumps({key: value for key, value in told.items() if key not in ("time", "ms")})


class Audit:
    """Watches an application."""

    def __init__(self, app: Any, team: str, proxied: bool, write: Callable[[Told], None]) -> None:
        self.app, self.team, self.proxied, self.write = app, team, proxied, write
        self.repeated, self.strangers = Repeated(write), Repeated(write, most=STRANGERS)
        self.refused = Repeated(write, most=REFUSED)
        self.summed_up = (self.repeated, self.strangers, self.refused)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, self.to_the_end(send))
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        asking.set(request)
        began = time.monotonic()
        try:
            if request.changes:
                await self.app(scope, request.listens(receive), request.watches(send))
            else:
                await self.app(scope, receive, request.watches(send))
        finally:
            if request.is_told():
                self.tell(request, time.monotonic() - began)

    def to_the_end(self, send: Any) -> Any:
        """Tell what was counted when the server ends."""

        async def say(message: Any) -> None:
            if message["type"].startswith("lifespan.shutdown"):
                for each in self.summed_up:
                    each.settle(end=True)
            await send(message)

        return say

    def tell(self, request: Request, seconds: float) -> None:
        """Write the line of a request."""
        told = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "team": self.team,
            "user": request.user,
            **({} if request.user else {"claimed_user": request.claimed()}),
            **self.address(request),
            "method": request.method,
            "route": request.route,
            "resource": request.names(),
            "status": request.status,
            "ms": round(seconds * 1000),
            **({"agent": "mlops.mlflow"} if request.header(b"user-agent").startswith("mlops.mlflow") else {}),
        }
        for each in self.summed_up:
            each.settle()
        if request.user is None:
            self.strangers.tell(told)
        elif request.status in (401, 403):
            self.refused.tell(told)
        elif ALL_THE_TIME.fullmatch(request.route):
            self.repeated.tell(told)
        else:
            self.write(told)

    def address(self, request: Request) -> Told:
        """Return where somebody asks from: only a proxy knows, and where others reach the port, anybody can say so."""
        said = request.header(b"x-forwarded-for")[:LONGEST_NAME]
        return {"address" if self.proxied else "claimed_address": said} if said else {}


class Request:
    """What is known of a request so far."""

    def __init__(self, scope: Any) -> None:
        self.scope, self.method = scope, scope["method"]
        self.route, self.things = split(PREFIX.sub("", scope["path"]).lstrip("/"))
        self.is_artifact = ARTIFACTS.fullmatch(self.route) is not None
        self.changes = self.method not in READS and not (self.method == "POST" and QUESTIONS.fullmatch(self.route))
        self.user: str | None = None
        self.status: int | None = None
        self.body, self.answer = b"", b""

    def header(self, name: bytes) -> str:
        """Return a header as text; nothing where there is none."""
        return next((value for key, value in self.scope["headers"] if key == name), b"").decode("latin-1")

    def is_told(self) -> bool:
        """Say whether it is worth a line. Without an answer, nobody knows what was changed."""
        refused = self.status in (401, 403)
        return refused or self.changes or (self.is_artifact and self.method == "GET")

    def claimed(self) -> Any:
        """Return who somebody says to be; never what stands behind that."""
        kind, _space, credentials = self.header(b"authorization").partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            name, colon, _password = base64.b64decode(credentials).decode("utf-8", "replace").partition(":")
        except (binascii.Error, ValueError):
            return None
        return shown(name) if colon else None

    def listens(self, receive: Any) -> Any:
        """Take note of what is said; files pass by. MLflow reads JSON whatever it is said to be."""

        async def hear() -> Any:
            message = await receive()
            if not self.is_artifact and len(self.body) <= LONGEST_BODY:
                self.body += message.get("body", b"")
            return message

        return hear

    def watches(self, send: Any) -> Any:
        """Take note of the status, and of the name of what was made."""
        makes = self.changes and self.route.endswith("create")

        async def say(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
            elif makes and len(self.answer) <= LONGEST_BODY:
                self.answer += message.get("body", b"")
            await send(message)

        return say

    def names(self) -> Told:
        """Return what a request names: in its path, its query and its body, and what it has made."""
        said, asked = members(self.body), fields(self.scope["query_string"])
        if self.header(b"content-type").partition(";")[0].strip().lower() == FORM:
            # A page of MLflow's own, on which an admin makes a user.
            said = fields(self.body) if len(self.body) <= LONGEST_BODY else {}
        # MLflow reads the query where there is no body to read, and where the body is a file.
        if not said or self.route == "upload-artifact":
            said = asked
        elif self.method == "DELETE":
            # Which of both it reads then is for the head to say; what only one of them says is no less told.
            said = {key: together(said.get(key), asked.get(key)) for key in {**said, **asked}}
        if self.route == SENT:
            # Whatever the body says.
            said = {**said, **{name: self.header(key) or None for key, name in HEADERS.items()}}
        elif self.route == BEGUN:
            said = {**said, **within(said, PLACE)}
        made = members(self.answer) if self.answer else {}
        inner = [it for it in made.values() if isinstance(it, dict)]
        inner += [it["info"] for it in inner if isinstance(it.get("info"), dict)]
        # Nobody hides what is done behind a long body.
        found = {"unread_bytes": len(self.body)} if len(self.body) > LONGEST_BODY else {}
        # What was made is the server's own word.
        for each in (said, *inner, made):
            found.update({key: shown(value) for key, value in each.items() if key in NAMES and value is not None})
        return {**found, **self.things}


def members(text: bytes) -> Told:
    """Return what an object in JSON has; nothing where it is none, or was too long to be kept.

    MLflow also takes JSON within JSON, and experimentId for experiment_id; where both are said, both are told.
    """
    if len(text) > LONGEST_BODY:
        return {}
    try:
        found = json.loads(text or b"{}")
        found = json.loads(found) if isinstance(found, str) else found
    except (ValueError, RecursionError):
        return {}
    return named(found)


def named(found: Any) -> Told:
    """Return what an object has, by the names that MLflow has for it."""
    told: Told = {}
    for key, value in found.items() if isinstance(found, dict) else ():
        name = CAPITAL.sub(lambda it: f"_{it[0].lower()}", key)
        told[name] = [told[name], value] if name in told else value
    return told


def within(found: Told, path: tuple[str, ...]) -> Told:
    """Return what stands so deep in an object."""
    for name in path:
        found = named(found.get(name))
    return found


def fields(text: bytes) -> Told:
    """Return what is said in a query; of two of one name, MLflow reads the first."""
    return {key: values[0] for key, values in urllib.parse.parse_qs(text.decode("latin-1")).items()}


def split(route: str) -> tuple[str, Told]:
    """Return a route without what it names, and that."""
    if found := FILES.fullmatch(route):
        return found[1], {"path": shown(found[2])}
    if found := THING.fullmatch(route):
        return shown(f"{found[1]}/ID{found[3] or ''}"), {"id": shown(found[2])}
    return shown(route), {}


def together(first: Any, second: Any) -> Any:
    """Return what two places say of one thing."""
    return first if second is None else second if first is None or first == second else [first, second]


def shown(value: Any) -> Any:
    """Return a value, or a few of them, no longer than need be; MLflow takes 5.9 for the number of a role, too."""
    if isinstance(value, list):
        more = [f"and {len(value) - MOST_NAMES} more"] if len(value) > MOST_NAMES else []
        return [*(shown(it) if not isinstance(it, list) else OTHER for it in value[:MOST_NAMES]), *more]
    return OTHER if isinstance(value, dict) else str(value)[:LONGEST_NAME]


def around(app: Any) -> Any:
    """Return an application that is watched, or the same where that is not wanted."""
    setting = os.environ.get(SETTING, "no")
    if setting == "no":
        return app
    return Audit(app, os.path.basename(os.environ.get("RUNTIME_DIRECTORY", "")), setting == "proxied", Journal().write)
