"""Keeps what strangers do from filling the journal: there are so many lines a minute of requests of who is not known,
of those that are refused, and of what is no request, none of them long; the rest is counted.

uvicorn writes a line for each request with all of its path, and MLflow one for each foreign host: both are as long as
who asks wants. The journal has the lines of all teams of the host, and takes no more than so many of one: what people
ask for leaves room there for what the audit says of them. Errors have lines of their own, which nobody takes by asking.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow import logins

# What strangers make these say: uvicorn of what is no request, MLflow of hosts and origins that are not its own, and of
# log-ins that it cannot decode, each with a traceback.
LOGGERS = ("uvicorn.error", "mlflow.server", "mlflow.server.fastapi_security", "mlflow.server.security")
ACCESS = "uvicorn.access"
# Seconds; how many lines there are in them of strangers, of people and of errors, which are long; and how long what a
# line says of a request may be. MLflow's own paths are shorter. journald takes 10,000 in half a minute.
TOGETHER, STRANGERS, PEOPLE, ERRORS, LONGEST = 60, 240, 6000, 20, 1000


class Few:
    """How many lines there were in the time that is under way."""

    def __init__(self, most: int, rest: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.most, self.rest, self.clock = most, rest, clock
        self.since, self.said, self.more = clock(), 0, 0

    def may(self) -> bool:
        """Say whether there may be one more, and count it."""
        if self.clock() - self.since >= TOGETHER:
            if self.more:
                print(f"{self.more} {self.rest}", file=sys.stderr, flush=True)
            self.since, self.said, self.more = self.clock(), 0, 0
        if self.said < self.most:
            self.said += 1
            return True
        self.more += 1
        return False


strangers = Few(STRANGERS, "more requests were refused, or came without a log-in")
# Each worker has a part.
people = Few(PEOPLE // int(os.environ.get("MLFLOW_WORKERS") or 1), "more requests were answered")
errors = Few(ERRORS, "more errors")
errors_of_strangers = Few(ERRORS, "more errors with requests without a log-in")


def short(value: Any) -> Any:
    """Return a text no longer than a line is to be."""
    return f"{value[:LONGEST]}…" if isinstance(value, str) and len(value) > LONGEST else value


def shorten(record: logging.LogRecord) -> bool:
    """Let a record say no more than that."""
    if isinstance(record.args, tuple):
        record.args = tuple(short(it) for it in record.args)
    record.msg = short(record.msg)
    return True


def of_strangers(record: logging.LogRecord) -> bool:
    """Say whether a complaint is written."""
    if record.levelno < logging.WARNING:
        return True
    shorten(record)
    if record.levelno < logging.ERROR:
        return strangers.may()
    return (errors if logins.is_known() else errors_of_strangers).may()


def watch() -> None:
    """Let the loggers have it."""
    logging.getLogger(ACCESS).addFilter(shorten)
    for name in LOGGERS:
        logging.getLogger(name).addFilter(of_strangers)


def is_written(status: int, is_known: bool) -> bool:
    """Say whether there is a line of a request."""
    return (people if is_known and status < 400 else strangers).may()
