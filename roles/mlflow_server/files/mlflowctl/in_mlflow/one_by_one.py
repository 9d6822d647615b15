"""Lets one after the other make, rename and delete what grants call by its name, with what becomes of the grants.

MLflow changes these when the rest is done already. Whoever made a model of the former name just then had their MANAGE
moved along, to what somebody else had renamed; and who deleted and made one at once kept MANAGE on a name that is
nobody's, for whatever is called so next. Whether somebody may is asked within their turn, too.

All workers of a server wait for each other, and those of another host do not: where a team has replicas, it is between
these as MLflow has it.
"""

from __future__ import annotations

import fcntl
import functools
import importlib
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow import asking, parts, unchecked

OPEN = "people could have the grants that others have just then"
# What each worker can open; nothing is written to it.
SETTING, TURN = "MLFLOW_AUTH_CONFIG_PATH", "mlops_turn"
ROUTES = [
    (f"/{api}/{version}/mlflow/{route}", method)
    for route, method, version in (
        ("registered-models/create", "POST", "2.0"),
        ("registered-models/rename", "POST", "2.0"),
        ("registered-models/delete", "DELETE", "2.0"),
        ("scorers/register", "POST", "3.0"),
        ("scorers/delete", "DELETE", "3.0"),
    )
    for api in ("api", "ajax-api")
]
# Seconds: for how long somebody waits, and between two looks.
PATIENCE, LOOKS = 30, 0.01


def take() -> None:
    """Wait for one's turn, unless one has it."""
    flask: Any = importlib.import_module("flask")
    if TURN in flask.g:
        return
    turn, end = os.open(os.environ[SETTING], os.O_RDONLY | os.O_CLOEXEC), time.monotonic() + PATIENCE
    # From here on it is given back, whatever becomes of the request.
    setattr(flask.g, TURN, turn)
    while True:
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise asking.invalid("others make, rename and delete models at this moment; try again") from None
            time.sleep(LOOKS)
        else:
            return


def give_back(_error: BaseException | None = None) -> None:
    """Let the next one."""
    flask: Any = importlib.import_module("flask")
    turn = flask.g.pop(TURN, None)
    if turn is not None:
        os.close(turn)


def in_turn(check: Callable[[], bool]) -> Callable[[], bool]:
    """Return what asks the same in one's turn."""

    @functools.wraps(check)
    def may() -> bool:
        take()
        return check()

    return may


def close() -> None:
    """Have them wait for each other."""
    if asking.AUTH not in sys.modules or SETTING not in os.environ:
        # What is served is none of MLflow's.
        return
    flask: Any = importlib.import_module("flask")
    checks = parts.needed(asking.AUTH, unchecked.CHECKS, OPEN)
    for where in ROUTES:
        if where in checks:
            checks[where] = in_turn(checks[where])
    # Admins are not asked, and what is refused is given back as well.
    before = parts.needed("mlflow.server", "app.before_request_funcs", OPEN).setdefault(None, [])
    before.append(lambda: take() if (flask.request.path, flask.request.method) in ROUTES else None)
    parts.needed("mlflow.server", "app.teardown_request_funcs", OPEN).setdefault(None, []).append(give_back)
