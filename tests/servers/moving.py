"""A team's server with all kinds of things in it, which goes to other databases and another store."""

from __future__ import annotations

import json
import os
import sys
import typing as t
from collections.abc import Callable
from pathlib import Path

import mlflow

USERS = {"ann": "ann:s \"own' one", "bob": "bob's %40 own one", "cay": "cay of a group"}
# What is asked of the server by each of them, before and after.
FILES = {"notes.txt": b"hello\n", "deep/er/data.bin": bytes(range(256)) * 40, "empty": b"", "50% ä b.txt": b"odd"}


def as_person(uri: str, name: str, password: str) -> mlflow.MlflowClient:
    """Return the real client of somebody."""
    os.environ.update(MLFLOW_TRACKING_USERNAME=name, MLFLOW_TRACKING_PASSWORD=password)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return mlflow.MlflowClient(uri)


def tried(do: Callable[[], t.Any]) -> t.Any:
    """Return what it gives, or that it is refused."""
    try:
        return do()
    except mlflow.exceptions.MlflowException as error:
        return f"refused: {error.error_code}"


def fill(uri: str, admin: str, aside: Path) -> None:
    """Have users, a group, permissions, runs, models, prompts and traces, as the people and the admin make them."""
    client = as_person(uri, "admin", admin)
    from mlflow.server.auth.client import AuthServiceClient  # noqa: PLC0415 - slow

    auth = AuthServiceClient(uri)
    for name, password in USERS.items():
        auth.create_user(name, password)
    group = auth.create_role("annotators", "default")
    shared = client.create_experiment("shared", tags={"owner": "ä 'quoted' \\ $1"})
    hidden = client.create_experiment("hidden")
    gone = client.create_experiment("gone")
    client.delete_experiment(gone)
    auth.add_role_permission(group.id, "experiment", hidden, "READ")
    auth.assign_role("cay", group.id)
    auth.grant_user_permission("ann", "experiment", shared, "MANAGE")
    auth.grant_user_permission("bob", "experiment", shared, "READ")
    for place, content in FILES.items():
        path = aside / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    ann = as_person(uri, "ann", USERS["ann"])
    for number in range(3):
        run = ann.create_run(shared, run_name=f"run {number}", tags={"t": "x" * 4000})
        ann.log_param(run.info.run_id, "lr", "0.1")
        for step in range(5):
            ann.log_metric(run.info.run_id, "loss", float("nan") if step == 3 else 0.1 + step / 7, step=step)
        ann.log_metric(run.info.run_id, "huge", float("inf"))
        ann.log_artifacts(run.info.run_id, str(aside))
        ann.set_terminated(run.info.run_id)
    client = as_person(uri, "admin", admin)
    client.create_registered_model("detector", tags={"stage": "trial"})
    version = client.create_model_version("detector", f"runs:/{run.info.run_id}/deep", run.info.run_id)
    client.set_registered_model_alias("detector", "champion", version.version)
    client.create_prompt("greeting")
    client.create_prompt_version("greeting", "Hello {{ name }}", tags={"kind": "first"})
    auth.grant_user_permission("bob", "registered_model", "detector", "READ")
    mlflow.set_experiment(experiment_id=shared)
    with mlflow.start_span("outer") as span:
        span.set_inputs({"q": "wh\u00e4t", "n": [1, 2.5, None, True]})
        with mlflow.start_span("inner") as inner:
            inner.set_outputs({"a": "x" * 3000})
    mlflow.flush_trace_async_logging()
    model = client.create_logged_model(shared, name="net", params={"p": "1"})
    client.log_model_artifacts(model.model_id, str(aside / "deep"))
    client.finalize_logged_model(model.model_id, "READY")


def seen(uri: str, name: str, password: str, aside: Path) -> dict[str, t.Any]:
    """Return all that somebody sees, with the bytes of artifacts."""
    client = as_person(uri, name, password)
    found: dict[str, t.Any] = {}
    for experiment in ("shared", "hidden", "gone"):
        it = tried(lambda name=experiment: client.get_experiment_by_name(name))
        found[experiment] = it if it is None or isinstance(it, str) else dict(it)
        if not found[experiment] or isinstance(it, str):
            continue
        number = it.experiment_id
        for run in client.search_runs([number], max_results=100):
            own = run.info.run_id
            found[own] = [run.to_dictionary(), repr(client.get_metric_history(own, "loss"))]
            folder = aside / name / own
            folder.mkdir(parents=True)
            client.download_artifacts(own, "", str(folder))
            found[f"{own} files"] = {
                str(path.relative_to(folder)): path.read_bytes().hex() for path in folder.rglob("*") if path.is_file()
            }
        traces = mlflow.search_traces(locations=[number], return_type="list")
        found[f"{experiment} traces"] = [trace.to_dict() for trace in traces]
        models = client.search_logged_models([number])
        found[f"{experiment} models"] = [model.to_dictionary() for model in models]
    model = tried(lambda: client.get_model_version_by_alias("detector", "champion"))
    found["champion"] = model if isinstance(model, str) else dict(model)
    prompt = tried(lambda: client.get_prompt_version("greeting", 1))
    found["prompt"] = prompt if isinstance(prompt, str) or prompt is None else prompt.template
    experiments = tried(client.search_experiments)
    found["names"] = sorted(it.name for it in experiments) if not isinstance(experiments, str) else experiments
    return json.loads(json.dumps(found, default=str, sort_keys=True))


def main() -> None:
    """Do as a process of its own, since MLflow's client keeps much of whom it was."""
    do, uri, admin, aside = sys.argv[1:]
    if do == "fill":
        fill(uri, admin, Path(aside) / "made")
        return
    people = {"admin": admin, **USERS}
    print(json.dumps({name: seen(uri, name, password, Path(aside) / do) for name, password in people.items()}))


if __name__ == "__main__":
    main()
