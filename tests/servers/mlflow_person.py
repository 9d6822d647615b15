"""Somebody who works with MLflow's own client, in the virtual environment of a server's version.

Run there as a script, it does what it is told by lines of JSON, and answers with lines of JSON.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
import typing as t
from collections.abc import Iterator
from pathlib import Path


class Person:
    """The process, and what tests ask it to do."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def ask(self, who: tuple[str, str], task: str, **values: t.Any) -> t.Any:
        """Let somebody do a task; an answer with a key `error` is what MLflow refused."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"who": who, "task": task, "values": values}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def level(self, who: tuple[str, str], kind: str, key: str) -> str:
        """The level that somebody turns out to have, by trying."""
        return self.ask(who, "level", kind=kind, key=key)

    def transfers(self, who: tuple[str, str], experiment_id: str) -> bool:
        """Whether somebody can store an artifact and get it back."""
        answer = self.ask(who, "transfer", experiment_id=experiment_id)
        assert answer == "hello" or "403" in answer["error"] or "ermission denied" in answer["error"], answer
        return answer == "hello"

    def registers(self, who: tuple[str, str], name: str, text: str) -> int:
        """Register a prompt's text; give the number of its version."""
        return self.ask(who, "register", name=name, text=text)

    def loads(self, who: tuple[str, str], name: str, alias: str) -> str:
        """The text that somebody gets for an alias of a prompt."""
        return self.ask(who, "load", name=name, alias=alias)


@contextlib.contextmanager
def working(venv: Path, uri: str, home: Path) -> Iterator[Person]:
    """Start somebody, and send them home."""
    with (home / "person.log").open("w") as log:
        process = subprocess.Popen(
            [str(venv / "bin" / "python"), __file__],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "LC_ALL": "C.UTF-8",
                "MLFLOW_TRACKING_URI": uri,
                "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
                "MLFLOW_HTTP_REQUEST_TIMEOUT": "600",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield Person(process)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            pipe.close()


def level(client: t.Any, kind: str, key: str) -> str:
    """Try from less to more, until something is refused."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - only there

    if kind == "experiment":
        attempts = [
            ("READ", lambda: client.get_experiment(key)),
            ("EDIT", lambda: client.set_experiment_tag(key, "tried", "yes")),
            ("MANAGE", lambda: (client.delete_experiment(key), client.restore_experiment(key))),
        ]
    else:
        attempts = [
            ("READ", lambda: client.get_registered_model(key)),
            ("EDIT", lambda: client.set_registered_model_tag(key, "tried", "yes")),
        ]
    found = "NO_PERMISSIONS"
    for name, attempt in attempts:
        try:
            attempt()
        except MlflowException as refusal:
            if "ermission denied" not in str(refusal) and "403" not in str(refusal):
                raise
            break
        found = name
    return found


def transfer(client: t.Any, experiment_id: str) -> str:
    """Store an artifact through the server, and get it back."""
    import mlflow  # noqa: PLC0415 - only there

    run = client.create_run(experiment_id).info.run_id
    client.log_text(run, "hello", "a/word.txt")
    return mlflow.artifacts.load_text(f"runs:/{run}/a/word.txt")


def fill(client: t.Any, experiment_id: str, word: str) -> None:
    """Log what there is to see as files: two runs of one name, one of which has none, and a model."""
    for text in (word, ""):
        run = client.create_run(experiment_id, run_name="a/run").info.run_id
        if text:
            client.log_text(run, text, "deep/100% of it, a+b=c.txt")
    model = client.create_logged_model(experiment_id, name="model")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "MLmodel").write_text(f"of: {word}")
        client.log_model_artifacts(model.model_id, folder)
    client.finalize_logged_model(model.model_id, "READY")


def experiments(client: t.Any) -> list[str]:
    """What somebody finds."""
    return [found.name for found in client.search_experiments()]


def script(_client: t.Any, path: str, arguments: list[str]) -> str:
    """Run a program as this person; give what it prints."""
    before, sys.argv = sys.argv, [path, *arguments]
    try:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            runpy.run_path(path)
    finally:
        sys.argv = before
    return said.getvalue()


def register(client: t.Any, name: str, text: str) -> int:
    """Register a prompt."""
    return int(client.register_prompt(name, text).version)


def load(client: t.Any, name: str, alias: str) -> str:
    """Load a prompt by an alias."""
    return client.load_prompt(f"prompts:/{name}@{alias}").template


def judge(_client: t.Any, name: str, endpoint: str, experiment_id: str) -> str:
    """Make a judge that asks an endpoint of the gateway, and put it on a schedule; give its definition."""
    from mlflow.genai import make_judge  # noqa: PLC0415 - only there
    from mlflow.genai.scorers import ScorerSamplingConfig  # noqa: PLC0415

    words = "Does {{ outputs }} answer {{ inputs }}?"
    made = make_judge(name, instructions=words, model=f"gateway:/{endpoint}", feedback_value_type=bool)
    registered = made.register(experiment_id=experiment_id)
    registered.start(experiment_id=experiment_id, sampling_config=ScorerSamplingConfig(sample_rate=1.0))
    return json.dumps(made.model_dump())


def trace(_client: t.Any, experiment_id: str, question: str, answer: str) -> str:
    """Log a trace, and give its number once the server has it."""
    import mlflow  # noqa: PLC0415 - only there

    mlflow.set_experiment(experiment_id=experiment_id)
    with mlflow.start_span("answer") as span:
        span.set_inputs({"question": question})
        span.set_outputs(answer)
    mlflow.flush_trace_async_logging()
    return span.trace_id


def traces(client: t.Any, experiment_id: str) -> list[str]:
    """The traces that somebody finds, with their data."""
    return [found.info.trace_id for found in client.search_traces([experiment_id])]


def scores(client: t.Any, trace_id: str) -> list[dict[str, t.Any]]:
    """What judges have said of a trace."""
    found = client.get_trace(trace_id).info.assessments
    return [
        {"name": each.name, "value": each.value, "error": each.error and each.error.error_message} for each in found
    ]


def main() -> None:
    from mlflow import MlflowClient  # noqa: PLC0415 - only there

    answers, sys.stdout = sys.stdout, sys.stderr
    tasks = {"level": level, "transfer": transfer, "register": register, "load": load}
    tasks |= {"judge": judge, "trace": trace, "traces": traces, "scores": scores}
    tasks |= {"fill": fill, "experiments": experiments, "script": script}
    for line in sys.stdin:
        order = json.loads(line)
        os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"] = order["who"]
        try:
            answer = tasks[order["task"]](MlflowClient(), **order["values"])
        except Exception as error:  # noqa: BLE001 - the test is to tell
            answer = {"error": f"{type(error).__name__}: {error}"}
        for thread in threading.enumerate():
            # MLflow writes to each prompt that is registered or loaded of which experiment that was, by and by.
            if thread.name.startswith("link_prompt_to_experiment"):
                thread.join()
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
