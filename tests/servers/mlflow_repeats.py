"""What MLflow's own client asks again, and what it gives up at once: run by its Python, as mlflow_repeats.py.

It stands before a server of its own, which refuses each thing once in some way and then says that it is wrong, which no
client asks again for. Prints one line of JSON: for each way, how often each thing was sent.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Once more is enough to know.
os.environ |= {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
CUT, LATE = "a cut connection", "no answer in time"
STATUSES = {
    "429": (429, {}),
    "502": (502, {}),
    "503": (503, {}),
    "503, with when to come back": (503, {"Retry-After": "0"}),
    "504": (504, {}),
}
WRONG = {"error_code": "INVALID_PARAMETER_VALUE", "message": "it is only to be known how often this is sent"}


class Refusing(BaseHTTPRequestHandler):
    """Counts what is posted."""

    protocol_version = "HTTP/1.1"
    way = ""
    sent: t.ClassVar[dict[str, int]] = {}
    over: t.ClassVar[threading.Event] = threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.split("/mlflow/", 1)[-1]
        self.sent[path] = self.sent.get(path, 0) + 1
        if self.sent[path] > 1:
            self.answer(400, {})
        elif self.way in STATUSES:
            self.answer(*STATUSES[self.way])
        else:
            if self.way == LATE:
                self.over.wait(300)
            self.close_connection = True

    def do_GET(self) -> None:
        self.answer(404, {})

    def answer(self, status: int, headers: dict[str, str]) -> None:
        body = json.dumps(WRONG).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """One that leaves clients that are gone alone."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


def tries(uri: str) -> dict[str, t.Callable[[], object]]:
    """What people do, by what is posted for it."""
    from mlflow import MlflowClient  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - a server's packages
    from mlflow.entities import Dataset, DatasetInput, Metric, RunStatus  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    client = MlflowClient(uri, uri)
    run = "a" * 32
    inputs = [DatasetInput(Dataset("data", "1", "local", "{}"))]
    return {
        "experiments/create": lambda: client.create_experiment("x"),
        "runs/create": lambda: client.create_run("1"),
        "registered-models/create": lambda: client.create_registered_model("x"),
        "model-versions/create": lambda: client.create_model_version("x", "s3://nothing/here"),
        "logged-models": lambda: client.create_logged_model("1", "x"),
        "runs/log-inputs": lambda: client.log_inputs(run, inputs),
        "runs/log-metric": lambda: client.log_metric(run, "loss", 0.5, synchronous=True),
        "runs/log-batch": lambda: client.log_batch(run, [Metric("loss", 0.5, 1, 1)]),
        "runs/log-parameter": lambda: client.log_param(run, "rate", 1, synchronous=True),
        "runs/set-tag": lambda: client.set_tag(run, "by", "hand", synchronous=True),
        "runs/update": lambda: client._tracking_client.store.update_run_info(run, RunStatus.FINISHED, 1, None),
        "runs/search": lambda: client.search_runs(["1"]),
    }


def sent_when(way: str) -> dict[str, int]:
    """How often each is sent where it is first answered in this way."""
    Refusing.way, Refusing.sent = way, {}
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "1" if way == LATE else "60"
    with Server(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for path, does in tries(f"http://127.0.0.1:{server.server_address[1]}").items():
            with contextlib.suppress(Exception):
                does()
            assert path in Refusing.sent, (path, Refusing.sent)
        Refusing.over.set()
        server.shutdown()
    return Refusing.sent


def reached_late() -> bool:
    """Whether something is made where nothing listens at first."""
    server = Server(("127.0.0.1", 0), Refusing, bind_and_activate=False)
    # It has its port, which nobody else is given meanwhile, and does not listen.
    server.server_bind()
    Refusing.way, Refusing.sent = "429", {"runs/create": 1}
    does = tries(f"http://127.0.0.1:{server.server_address[1]}")["runs/create"]
    os.environ |= {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "6", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1"}

    def listen() -> None:
        server.server_activate()
        server.serve_forever()

    begin = threading.Timer(3, listen)
    begin.daemon = True
    begin.start()
    with contextlib.suppress(Exception):
        does()
    return Refusing.sent["runs/create"] > 1


if __name__ == "__main__":
    found: dict[str, t.Any] = {way: sent_when(way) for way in (*STATUSES, CUT, LATE)}
    print(json.dumps({**found, "reached late": reached_late()}), flush=True)
    # What waits for a server that is gone ends with the process.
    os._exit(0)
