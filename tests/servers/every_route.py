"""Sends a request to every route of a server, and prints what came, one line of JSON each.

Run by a server's own Python, which knows the routes of its version: every_route.py URI PASSWORD [NAME PASSWORD].
What is asked for is made by the admin. Somebody else who is named is only sent where something may be made.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import typing as t
import urllib.error
import urllib.parse
import urllib.request

# Makes up an experiment, which takes long and is another each time.
LEFT_OUT = "/mlflow/demo/generate"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
MAKING = ("POST", "PUT", "PATCH")
# Ids and times differ from server to server, and paths of what it keeps.
DIFFERS = (
    (re.compile(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\b\d{12,}\b|\b\d+\.\d+\b|\d{4}-\d\d-\d\d[T ][\d:.+Z]*|\b\d\d? \w{3} \d{4} [\d:]+"), "TIME"),
    (re.compile(r"/[^\s\"']*/(full|lean)\b"), "HOME"),
    # A run is given a name, and a dataset's digest is of its id.
    (re.compile(r"\b[a-z]+-[a-z]+-\d+\b|(?<=\")[0-9a-f]{8}(?=\")"), "MADE UP"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"0x[0-9a-f]+|\bcsrf_token.{0,200}"), "SECRET"),
)


def routes(everything: bool) -> list[tuple[str, str]]:
    """Return the method and the path of each, first those that look, last those that delete.

    Those that MLflow leaves to Flask; and with everything those that it answers itself.
    """
    if everything:
        # As a server's worker has it: otherwise the application is Flask's part alone.
        os.environ["_MLFLOW_SGI_NAME"] = "uvicorn"
    from fastapi import routing  # noqa: PLC0415 - a server's packages
    from mlflow.server import app  # noqa: PLC0415
    from mlflow.server.auth import create_app  # noqa: PLC0415

    made = create_app(app)
    flask = {(method, rule.rule) for rule in app.url_map.iter_rules() for method in rule.methods}
    # Where routers are included as they are, their routes are not among those of the application.
    found = getattr(routing, "iter_route_contexts", list)(getattr(made, "routes", ()))
    fast = {(method, route.path) for route in found for method in getattr(route, "methods", None) or ()}
    if everything and not fast:
        raise SystemExit("the routes that MLflow does not leave to Flask are not found")
    asked = {(method, path) for method, path in flask | fast if method in METHODS and not path.endswith(LEFT_OUT)}
    return sorted(asked, key=lambda each: (METHODS.index(each[0]), each[1]))


class Server:
    """A server with the admin's log-in."""

    def __init__(self, uri: str, password: str, name: str = "admin") -> None:
        login = base64.b64encode(f"{name}:{password}".encode()).decode()
        self.uri, self.headers = uri, {"Authorization": f"Basic {login}", "Content-Type": "application/json"}

    def send(self, method: str, path: str, data: bytes | None) -> tuple[int, bytes]:
        """Return the status, and the body."""
        request = urllib.request.Request(self.uri + path, data, self.headers, method=method)  # noqa: S310 - a server of ours
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310 - the same
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read()

    def ask(self, method: str, path: str, values: dict[str, t.Any] | None) -> tuple[int, str]:
        """Return the status, and the body without what differs from server to server."""
        data = None
        if method == "GET" and values:
            path += "?" + urllib.parse.urlencode(values, doseq=True)
        elif method != "GET":
            data = json.dumps(values or {}).encode()
        status, body = self.send(method, path, data)
        text = body.decode("latin-1")
        for pattern, word in DIFFERS:
            text = pattern.sub(word, text)
        return status, text

    def made(self, path: str, **values: t.Any) -> dict[str, t.Any]:
        """Make something, and return it."""
        status, body = self.send("POST", f"/api/{path}", json.dumps(values).encode())
        if status != 200:
            raise SystemExit(f"{path}: {body.decode()}")
        return t.cast("dict[str, t.Any]", json.loads(body))


def prepare(server: Server) -> dict[str, t.Any]:
    """Make one of each, and return what requests call them."""
    experiment = server.made("2.0/mlflow/experiments/create", name="an experiment")["experiment_id"]
    run = server.made("2.0/mlflow/runs/create", experiment_id=experiment, start_time=1)["run"]["info"]["run_id"]
    metrics = [{"key": "loss", "value": 0.5, "timestamp": 1, "step": 0}]
    dataset = {"name": "data", "digest": "1", "source_type": "local", "source": "{}"}
    server.made("2.0/mlflow/runs/log-batch", run_id=run, metrics=metrics, params=[{"key": "rate", "value": "1"}])
    server.made("2.0/mlflow/runs/log-inputs", run_id=run, datasets=[{"dataset": dataset}])
    server.made("2.0/mlflow/registered-models/create", name="model")
    source = f"mlflow-artifacts:/{experiment}/{run}/artifacts/m"
    server.made("2.0/mlflow/model-versions/create", name="model", source=source, run_id=run)
    server.made("2.0/mlflow/users/create", username="alice", password="a long password")
    logged = server.made("2.0/mlflow/logged-models", experiment_id=experiment, name="logged")["model"]["info"][
        "model_id"
    ]
    trace = "tr-" + "a" * 32
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    info = {"trace_id": trace, "trace_location": location, "request_time": "2026-01-01T00:00:00Z", "state": "OK"}
    server.made("3.0/mlflow/traces", trace={"trace_info": info})
    return {
        "alias": "champion",
        "artifact_path": "a.txt",
        "experiment_id": experiment,
        "experiment_ids": [experiment],
        "experiment_name": "an experiment",
        "key": "loss",
        "max_results": 10,
        "max_timestamp_millis": 2,
        "metric_key": "loss",
        "model_id": logged,
        "name": "model",
        "new_name": "model",
        "path": "",
        "permission": "READ",
        "request_id": trace,
        "resource_pattern": "*",
        "resource_type": "experiment",
        "role_name": "readers",
        "run_id": run,
        "run_ids": [run],
        "run_uuid": run,
        "serialized_scorer": "{}",
        "stage": "None",
        "trace_id": trace,
        "trace_ids": [trace],
        "username": "alice",
        "value": "1",
        "version": "1",
    }


def filled(path: str, values: dict[str, t.Any]) -> str:
    """Return a path with what it names; both frameworks mark it in their own way."""
    return re.sub(r"<(?:\w+:)?(\w+)>|{(\w+)(?::\w+)?}", lambda found: quoted(values, found[1] or found[2]), path)


def quoted(values: dict[str, t.Any], name: str) -> str:
    """Return a value as a part of a path."""
    return urllib.parse.quote(str(values.get(name, "a.txt")), safe="")


def main() -> None:
    """Ask for everything, with nothing and with what it may want."""
    server = Server(sys.argv[1], sys.argv[2])
    values = prepare(server)
    somebody_else = len(sys.argv) > 3
    if somebody_else:
        server = Server(sys.argv[1], sys.argv[4], sys.argv[3])
    for method, path in routes(everything=somebody_else):
        if somebody_else and method not in MAKING:
            continue
        for given in [values] if somebody_else else [None, values]:
            answer = server.ask(method, filled(path, values), given)
            print(json.dumps([method, path, given is not None, *answer]), flush=True)


if __name__ == "__main__":
    main()
