# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the difference is between the experiments and models a server has and those it should have."""

from __future__ import annotations

import typing as t
from functools import partial

from ._client import Client
from ._errors import InvalidRequest
from ._kinds import EXPERIMENTS
from ._listed import Facts
from ._registry import MODELS
from ._resources import tag_list
from ._steps import MAKE, RENAME, TAKE, Step
from ._versions import alias_steps, delete_registered, prompt_steps

NEW_MODEL: Facts = {"description": "", "tags": {}, "aliases": {}, "version": None}

Register = t.Callable[[str, t.Dict[str, t.Any]], t.Any]


class Observed(t.NamedTuple):
    """A thing under its wanted name, and where there is none, under the one it had before."""

    present: Facts | None
    source: Facts | None


def observe_thing(find: t.Callable[[Client, str], Facts | None], client: Client, wanted: Facts) -> Observed:
    """Look for an experiment or a model; C(find) does that by a name."""
    present = find(client, wanted["name"])
    former = wanted.get("rename_from") if not present and wanted["state"] == "present" else None
    return Observed(present, find(client, former) if former else None)


def show_thing(client: Client, wanted: Facts, observed: Observed) -> Facts | None:
    """What a module returns about it."""
    return observed.present or observed.source


def renamed(client: Client, kind: str, wanted: Facts, observed: Observed) -> tuple[Facts | None, list[Step]]:
    """The thing with its wanted name, and the step that gives it to it where it has another."""
    if not observed.source:
        return observed.present, []
    return {**observed.source, "name": wanted["name"]}, [rename_step(client, kind, observed.source, wanted["name"])]


def experiment_steps(
    client: Client, present: Facts | None, wanted: Facts, register: Register | None = None
) -> list[Step]:
    """Bring an experiment about. C(register) is told the name and the server's answer when it is made."""
    name = wanted["name"]
    if wanted["state"] == "absent":
        if present is None or present["lifecycle_stage"] == "deleted":
            return []
        delete = partial(client.write, "POST", EXPERIMENTS + "delete", experiment_id=present["experiment_id"])
        return [Step(TAKE, f"- experiment {name}", delete)]
    if present is None:
        return [Step(MAKE, f"+ experiment {name}", partial(_create_experiment, client, wanted, register))]
    refuse_what_cannot_be(wanted, present)
    identity = {"experiment_id": present["experiment_id"]}
    steps = []
    if present["lifecycle_stage"] == "deleted":
        restore = partial(client.write, "POST", EXPERIMENTS + "restore", **identity)
        steps.append(Step(MAKE, f"+ experiment {name} restored", restore))
    return steps + _tag_steps(client, EXPERIMENTS + "set-experiment-tag", identity, "experiment", present, wanted)


def rename_step(client: Client, kind: str, source: Facts, name: str) -> Step:
    """Give an experiment or a model another name; its grants go with it."""
    old = source["name"]
    if source.get("lifecycle_stage") == "deleted":
        raise InvalidRequest(f"rename_from: {kind} '{old}' was deleted; restore it first")
    if kind == "experiment":
        body = {"experiment_id": source["experiment_id"], "new_name": name}
        rename = partial(client.write, "POST", EXPERIMENTS + "update", **body)
    else:
        rename = partial(client.write, "POST", MODELS + "rename", name=old, new_name=name)
    return Step(RENAME, f"~ {kind} {old} renamed to {name}", rename)


def refuse_what_cannot_be(wanted: Facts, present: Facts) -> None:
    name, location = wanted["name"], wanted["artifact_location"]
    if present["lifecycle_stage"] == "deleted" and wanted["on_deleted"] == "fail":
        raise InvalidRequest(f"name: experiment '{name}' was deleted, and on_deleted is 'fail'")
    if location and location.rstrip("/") != present["artifact_location"].rstrip("/"):
        raise InvalidRequest(
            f"artifact_location: experiment '{name}' keeps its artifacts at {present['artifact_location']}, "
            "and MLflow cannot change that"
        )


def model_steps(client: Client, present: Facts | None, wanted: Facts, register: Register | None = None) -> list[Step]:
    """Bring a registered model about. C(register) is told the name and the answer when it is made."""
    name, description = wanted["name"], wanted["description"]
    if wanted["state"] == "absent":
        delete = partial(delete_registered, client, name)
        return [Step(TAKE, f"- registered_model {name}", delete)] if present else []
    if present is None:
        create = Step(MAKE, f"+ registered_model {name}", partial(_create_model, client, wanted, register))
        return [create, *alias_steps(client, "registered_model", NEW_MODEL, wanted, None)]
    steps = alias_steps(client, "registered_model", present, wanted, present["version"])
    if description not in (None, present["description"]):
        describe = partial(client.write, "PATCH", MODELS + "update", name=name, description=description)
        steps.append(Step(MAKE, f"~ registered_model {name} description", describe))
    return steps + _tag_steps(client, MODELS + "set-tag", {"name": name}, "registered_model", present, wanted)


def tagged_prompt_steps(client: Client, present: Facts | None, wanted: Facts) -> list[Step]:
    """Bring a prompt about, with its tags."""
    steps = prompt_steps(client, present, wanted)
    if present is None or wanted["state"] == "absent":
        return steps
    return steps + _tag_steps(client, MODELS + "set-tag", {"name": wanted["name"]}, "prompt", present, wanted)


def _tag_steps(
    client: Client, path: str, identity: dict[str, str], kind: str, present: Facts, wanted: Facts
) -> list[Step]:
    return [
        Step(
            MAKE,
            f"~ {kind} {wanted['name']} tag {key}",
            partial(client.write, "POST", path, key=key, value=value, **identity),
        )
        for key, value in texts(wanted["tags"]).items()
        if present["tags"].get(key) != value
    ]


def texts(tags: dict[str, t.Any] | None) -> dict[str, str]:
    """Tags as MLflow keeps them: all values are text."""
    return {key: str(value) for key, value in (tags or {}).items()}


def _create_experiment(client: Client, wanted: Facts, register: Register | None) -> None:
    body: Facts = {"name": wanted["name"], "tags": tag_list(texts(wanted["tags"]))}
    if wanted["artifact_location"]:
        body["artifact_location"] = wanted["artifact_location"]
    answer = client.write("POST", EXPERIMENTS + "create", **body)
    if register:
        register(wanted["name"], answer)


def _create_model(client: Client, wanted: Facts, register: Register | None) -> None:
    body = {"name": wanted["name"], "description": wanted["description"] or "", "tags": tag_list(texts(wanted["tags"]))}
    answer = client.write("POST", MODELS + "create", **body)
    if register:
        register(wanted["name"], answer)
