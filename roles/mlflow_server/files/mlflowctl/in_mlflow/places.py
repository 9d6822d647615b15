"""Lets nobody name a place in the server's own store, or anywhere else, as that of what is theirs.

MLflow asks of which run or logged model the source of a model's version is where it is on the server's disk or passed
on by it (`mlflow-artifacts:`). One in the store behind it, such as `s3://`, it reads with its own key for whoever has
the version. It lets the artifacts of an experiment be within those of any other, where files are then added to what is
others'. Up to 3.16 a place may be an address of a server, too; in one with two routes, it reads what is between them.
Where the data of traces are is in traces.py.
"""

from __future__ import annotations

import functools
import importlib
import os
import posixpath
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from mlflowctl.in_mlflow import asking, creators, parts

HANDLERS = "mlflow.server.handlers"
STORES = ("MLFLOW_ARTIFACTS_DESTINATION", "MLFLOW_DEFAULT_ARTIFACT_ROOT")
# Whether a source has to be within the run or logged model that is named with it. MLflow has it from 3.17 on.
IS_OF_A_RUN = "_is_mlflow_artifact_source"
STORE, KIND, CREATE = "mlflow.store.tracking.sqlalchemy_store", "SqlAlchemyStore", "create_experiment"
MAY = "_get_experiment_permission"
# What is passed on by the server stands behind this, where a place is the address of a server.
ROUTE = "/api/2.0/mlflow-artifacts/artifacts/"
# Where in the server's store that is.
DESTINATION = "_get_proxied_run_artifact_destination_path"
LOCAL, SERVED = ("", "file"), ("mlflow-artifacts", "http", "https")
OPEN = "people could name places of others as their own"


def is_in_a_store(place: str) -> bool:
    """Say whether a place is in the bucket that the server has its artifacts in, which is more than its own path."""
    found = urlsplit(place)
    stores = [urlsplit(os.environ.get(name, "")) for name in STORES]
    wanted = found.scheme.lower(), found.netloc.lower()
    return any(it.scheme and (it.scheme.lower(), it.netloc.lower()) == wanted for it in stores)


def with_more(is_of_a_run: Callable[[str], bool]) -> Callable[[str], bool]:
    """Return what takes the sources in the server's own store for such, too."""

    @functools.wraps(is_of_a_run)
    def has_to_be(source: str) -> bool:
        return is_of_a_run(source) or is_in_a_store(source)

    return has_to_be


def readings(path: str) -> Iterator[str]:
    """Give a path as it is, and as whoever decodes it once, twice or more often reads it."""
    for _time in range(10):
        yield path
        path = unquote(path)


def first_part(path: str, root: str) -> str | None:
    """Return the first name of a path below a root; None where it is not below."""
    path, root = (posixpath.normpath(f"/{it.lstrip('/')}") for it in (path, root))
    return path[len(root) :].lstrip("/").partition("/")[0] if path.startswith(f"{root.rstrip('/')}/") else None


def below(place: str) -> Iterator[str | None]:
    """Give the first name of a place below each place that the server has its artifacts in, however it is spelt."""
    found = urlsplit(place)
    scheme = found.scheme.lower()
    if scheme in SERVED:
        path = found.path.rpartition(ROUTE)[2] if scheme != "mlflow-artifacts" else found.path
        yield from (first_part(it, "/") for it in readings(path))
    for store in (urlsplit(os.environ.get(name, "")) for name in STORES):
        if scheme in LOCAL and store.scheme.lower() in LOCAL and store.path:
            root = os.path.realpath(store.path)
            # Without a scheme, the path is all of it.
            for path in (found.path, *([] if scheme else [place])):
                yield from (first_part(os.path.realpath(it), root) for it in readings(path) if "\0" not in it)
        elif store.scheme and (scheme, found.netloc.lower()) == (store.scheme.lower(), store.netloc.lower()):
            yield from (first_part(it, store.path) for it in readings(found.path))


def experiments_at(place: str) -> list[str]:
    """Return the numbers of the experiments at whose own place, or in which, this one could be."""
    return sorted({str(int(it)) for it in below(place) if it and it.isdecimal()})


def may_edit(number: str, who: str | None) -> bool:
    """Say whether somebody may edit an experiment."""
    return who is not None and bool(
        creators.is_admin(who) or getattr(asking.auth_of_mlflow(), MAY)(number, who).can_update
    )


def look_where(create: Callable[..., Any]) -> Callable[..., Any]:
    """Return what makes an experiment, not within one that who asks may not edit."""

    @functools.wraps(create)
    def made(self: Any, name: str, artifact_location: str | None = None, *others: Any, **options: Any) -> Any:
        request = asking.asking.get()
        if artifact_location and request is not None:
            refuse_two_routes(artifact_location)
            for number in experiments_at(artifact_location):
                if not may_edit(number, request.user):
                    refuse(number)
        return create(self, name, artifact_location, *others, **options)

    return made


def of_one_route(destination: Callable[..., Any]) -> Callable[..., Any]:
    """Return what says where in the server's store a place is that it passes on, and says it of no place with two."""

    @functools.wraps(destination)
    def found(proxied_artifact_root: str, *others: Any, **options: Any) -> Any:
        refuse_two_routes(proxied_artifact_root)
        return destination(proxied_artifact_root, *others, **options)

    return found


def refuse_two_routes(place: str) -> None:
    """Say that nothing is there: MLflow takes what is between them, which may be all that the server has."""
    if urlsplit(place).path.count(ROUTE) > 1:
        raise asking.invalid(f"the place of these artifacts has {ROUTE} in it twice, and could be that of others")


def refuse(number: str) -> None:
    """Say that nothing is made within an experiment."""
    message = f"artifact_location: this is within experiment {number}, and who may not edit that has nothing there"
    raise asking.denied(message)


def close() -> None:
    """Have MLflow look."""
    if asking.AUTH not in sys.modules:
        # What is served is none of MLflow's.
        return
    handlers: Any = importlib.import_module(HANDLERS)
    if hasattr(handlers, IS_OF_A_RUN):
        setattr(handlers, IS_OF_A_RUN, with_more(getattr(handlers, IS_OF_A_RUN)))
    setattr(handlers, DESTINATION, of_one_route(parts.needed(HANDLERS, DESTINATION, OPEN)))
    # This is asked at each request.
    parts.needed(asking.AUTH, MAY, OPEN)
    kind = parts.needed(STORE, KIND, OPEN)
    setattr(kind, CREATE, look_where(parts.needed(STORE, f"{KIND}.{CREATE}", OPEN)))
