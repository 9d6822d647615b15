"""MLflow's jobs: whether there are any, as whom they ask the server's own gateway, and who may begin one.

A job that is begun by its name, and not by the page that is meant for it, is checked by nobody: its words say in whose
name a judge asks the gateway, and which traces it reads. MLflow's pages and client begin none in that way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

SETTING = "MLOPS_MLFLOW_JUDGES_AS"
# What MLflow runs for its jobs, beside the worker.
RUNNERS = ("mlflow.server.jobs._job_runner", "mlflow.server.jobs._executor_runner")
# What lets a job in at the gateway of its own server, and nowhere else, under whatever name it says.
TOKEN = "_MLFLOW_INTERNAL_GATEWAY_AUTH_TOKEN"
BY_NAME = "/ajax-api/3.0/jobs"
REFUSAL = {
    "error_code": "PERMISSION_DENIED",
    "message": "jobs are not begun by their names on this server, since MLflow would not ask who may",
}


def has_jobs() -> bool:
    """MLflow's own default for what needs a second process is to have it."""
    return os.environ.get("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "true").lower() not in ("false", "0")


def is_runner(args: Any) -> bool:
    """Say whether a command runs jobs."""
    return isinstance(args, list) and len(args) > 2 and args[1] == "-m" and args[2] in RUNNERS


def as_somebody(env: dict[str, str] | None) -> dict[str, str] | None:
    """Return what jobs are told, with who judges on a schedule are; whoever runs one by hand MLflow names itself."""
    name, token = os.environ.get(SETTING), (env or {}).get(TOKEN)
    if not name or not token:
        return env
    return {**(env or {}), "MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": token}


class Unnamed:
    """An application that begins no job by its name."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Callable[..., Any]) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].rstrip("/") == BY_NAME:
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": json.dumps(REFUSAL).encode()})
        else:
            await self.app(scope, receive, send)


def around(app: Any) -> Any:
    """Return such an application, or the same where no job is ever begun."""
    return Unnamed(app) if has_jobs() else app
