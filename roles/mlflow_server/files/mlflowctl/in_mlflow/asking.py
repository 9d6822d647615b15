"""Who it is that a server is working for: whom MLflow itself has found a request to be from."""

from __future__ import annotations

import contextvars
import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow import logins

# What says who somebody is, for MLflow's older and newer routes.
AUTH = "mlflow.server.auth"
LEARN_FROM = ("authenticate_request", "_authenticate_fastapi_request")


class Asked:
    """A request of which nothing else is told."""

    user: str | None = None


# What is being answered; it has a place for the C(user).
asking: contextvars.ContextVar[Any] = contextvars.ContextVar("asking", default=None)


def auth_of_mlflow() -> Any:
    """MLflow's module that knows people."""
    return sys.modules.get(AUTH) or importlib.import_module(AUTH)


def learns(authenticate: Callable[..., Any]) -> Callable[..., Any]:
    """Let a request know whom MLflow has found it to be from."""

    @functools.wraps(authenticate)
    def found(*arguments: Any, **options: Any) -> Any:
        person = authenticate(*arguments, **options)
        request, name = asking.get(), getattr(person, "username", None)
        logins.note(isinstance(name, str))
        if request is not None and isinstance(name, str):
            request.user = name
        return person

    return found


def follow() -> None:
    """Learn it of each request from now on."""
    auth = auth_of_mlflow()
    for name in LEARN_FROM:
        if hasattr(auth, name):
            setattr(auth, name, learns(getattr(auth, name)))


def denied(message: str) -> Exception:
    """Return what MLflow answers 403 for, and says so."""
    exceptions: Any = importlib.import_module("mlflow.exceptions")
    codes: Any = importlib.import_module("mlflow.protos.databricks_pb2")
    error: Exception = exceptions.MlflowException(message, error_code=codes.PERMISSION_DENIED)
    return error


def invalid(message: str) -> Exception:
    """Return what MLflow answers 400 for, and says so."""
    exceptions: Any = importlib.import_module("mlflow.exceptions")
    error: Exception = exceptions.MlflowException.invalid_parameter_value(message)
    return error
