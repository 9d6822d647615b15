"""Refuses what MLflow asks for grants on in one reading, and then does in another.

Who may do what is looked up by what stands in a request as it is, and done by what MLflow makes of it: a field may be
written in two ways (`run_id`, `runId`), a run has two (`run_id`, `run_uuid`), of which now the one and now the other
counts, and a body that is not said to be JSON is passed over where it is asked, and read where something is deleted. So
who named a thing of their own in the one way, and somebody else's in the other, changed or deleted that: with MLflow up
to 3.17, all runs and models of a team. From 3.18 on it reads most of this alike itself.

With all versions, what the path of a GET or DELETE names (a trace, a logged model, a dataset, an issue) is what the
query names to whoever asks for grants, so that all of these were anybody's who has one; where a GET has a body, too,
datasets are asked for by it up to 3.17. A value of which nothing can be made (a version 1.5) ends the reading where it
stands, and what is meant by the rest is done without what follows: all versions of a scorer are deleted, and what is
granted on it stays. And JSON within a text in JSON, as clients wrote it long ago, is no more than a text to part of
what looks at it. Up to 3.15, MLflow asks for no grants where only the head of an answer is wanted, which tells how long
it is: who searches by what a thing says learns it letter by letter.

What MLflow's clients write is the same in either.
"""

from __future__ import annotations

import contextvars
import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow import asking, parts

HANDLERS, READ, OWN = "mlflow.server.handlers", "_get_request_message", "_reject_conflicting_field_aliases"
PARSE = "parse_dict"
ANSWER = "catch_mlflow_exception"
# Those with a body that is read as JSON; artifacts come by PUT.
WITH_BODY = ("POST", "PATCH", "DELETE")
# What has a file for a body, and that may be JSON.
UPLOAD = "/upload-artifact"
# Where nobody is asked, nothing is answered, by this and from then on.
SETTINGS, FAILS_CLOSED = "mlflow.environment_variables", "MLFLOW_BASIC_AUTH_FAIL_CLOSED"
IS_OPEN = "is_unprotected_route"
# All that a run is called in a request.
RUN = ("run_id", "runId", "run_uuid", "runUuid")
OPEN = "people could change what they may not, by naming it in another way"
# Whether something of the message that was read last could not be.
unread: contextvars.ContextVar[bool] = contextvars.ContextVar("unread", default=False)


def of_two_runs(given: Any) -> bool:
    """Say whether somebody names two runs where one is meant."""
    return len({str(given[name]) for name in RUN if given.get(name) is not None}) > 1


def twice(given: Any, kind: Any) -> str | None:
    """Return a field of a message that is written in two ways, within what it consists of, too."""
    if not isinstance(given, dict):
        return None
    for field in kind.fields:
        names = {field.name, field.json_name} & given.keys()
        if len(names) > 1:
            return str(field.name)
        within = field.message_type
        # What has names of the client's own.
        if not names or within is None or within.GetOptions().map_entry or within.full_name.startswith("google."):
            continue
        value = given[names.pop()]
        for item in value if isinstance(value, list) else [value]:
            if found := twice(item, within):
                return found
    return None


def beside_the_path(request: Any, body: Any) -> str | None:
    """Return what the path names, and the query or the body otherwise."""
    for name, value in (request.view_args or {}).items():
        first, *others = name.split("_")
        named = [*request.args.getlist(name)]
        if isinstance(body, dict):
            named += [body.get(it) for it in (name, "".join([first, *map(str.capitalize, others)]))]
        if any(it is not None and str(it) != str(value) for it in named):
            return str(name)
    return None


def refuse_two(request: Any) -> None:
    """Refuse a request that could be of two things."""
    if request.method == "DELETE" and request.get_data() and not request.is_json:
        raise asking.invalid("what is to be deleted is said in JSON (Content-Type: application/json)")
    if request.method == "GET" and request.args and request.get_data():
        raise asking.invalid("what is asked for by GET is said in the address, and not in a body, too")
    query, has_body = request.args.to_dict(), request.method in WITH_BODY and not request.path.endswith(UPLOAD)
    body = request.get_json(silent=True) if has_body and request.is_json else None
    if isinstance(body, str):
        raise asking.invalid("what is asked for is said in JSON, and not in a text in JSON")
    if of_two_runs(query) or (isinstance(body, dict) and of_two_runs(body)):
        raise asking.invalid("a request names one run: run_id and run_uuid are to be the same")
    if name := beside_the_path(request, body):
        raise asking.invalid(f"the path of a request says which {name} is meant, and nothing else does")


def refuse_heads(is_open: Callable[[str], bool], request: Any) -> None:
    """Refuse to say how long an answer would be, but to a look at whether the server is there."""
    if request.method == "HEAD" and request.path != "/" and not is_open(request.path):
        raise asking.denied("this server tells nobody the head of an answer alone")


def notes_failures(parse: Callable[..., Any]) -> Callable[..., Any]:
    """Return what makes a message of JSON, and notes where it could not."""

    @functools.wraps(parse)
    def parsed(*values: Any, **named: Any) -> Any:
        unread.set(True)
        found = parse(*values, **named)
        unread.set(False)
        return found

    return parsed


def reads_once(read: Callable[..., Any], looks_itself: bool) -> Callable[..., Any]:
    """Return what reads a request, and none that has a field twice, or one that cannot be read."""
    flask: Any = importlib.import_module("flask")

    @functools.wraps(read)
    def message(request_message: Any, *others: Any, **options: Any) -> Any:
        given = flask.request.get_json(silent=True) if flask.request.is_json and not looks_itself else None
        if found := twice(given, request_message.DESCRIPTOR):
            raise asking.invalid(f"the field {found} is written in two ways")
        unread.set(False)
        # MLflow itself says what is wrong, where it looks at that.
        made = read(request_message, *others, **options)
        if unread.get():
            raise asking.invalid("a value in this request is none that its field may have")
        return made

    return message


def close() -> None:
    """Have MLflow take no other."""
    if asking.AUTH not in sys.modules:
        # What is served is none of MLflow's.
        return
    flask: Any = importlib.import_module("flask")
    answer, read, parse = (parts.needed(HANDLERS, name, OPEN) for name in (ANSWER, READ, PARSE))
    handlers: Any = importlib.import_module(HANDLERS)
    setattr(handlers, PARSE, notes_failures(parse))
    setattr(handlers, READ, reads_once(read, hasattr(handlers, OWN)))
    # After MLflow has asked who it is and what they may.
    before = parts.needed("mlflow.server", "app.before_request_funcs", OPEN).setdefault(None, [])
    before.append(answer(lambda: refuse_two(flask.request)))
    if not hasattr(importlib.import_module(SETTINGS), FAILS_CLOSED):
        is_open = parts.needed(asking.AUTH, IS_OPEN, OPEN)
        before.append(answer(lambda: refuse_heads(is_open, flask.request)))
