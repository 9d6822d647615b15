# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments and registered models: the resources that grants are on."""

from __future__ import annotations

import typing as t

from ._client import Client, fitting
from ._dialect import RESOURCE_TYPES, Resource
from ._errors import RequestRefused, TransportError
from ._shapes import Maybe, Word

EXPERIMENTS = "/api/2.0/mlflow/experiments/"
MODELS = "/api/2.0/mlflow/registered-models/"

# As a name in a grant: all resources of the kind.
EVERY = "*"

TAGS = Maybe([{"key": str, "value": Maybe(str)}])
EXPERIMENT = {
    "name": str,
    "experiment_id": str,
    "artifact_location": str,
    "lifecycle_stage": Word(("active", "deleted")),
    "tags": TAGS,
}
MODEL = {"name": str, "description": Maybe(str), "tags": TAGS}

# A thousand things each.
PAGES = 1000

Facts = t.Dict[str, t.Any]


class Directory:
    """Everything a server holds, by name. Steps of a plan use it to find what earlier ones made."""

    def __init__(self, client: Client) -> None:
        self.experiments = {found["name"]: found for found in search_experiments(client, "all")}
        self.models = {found["name"]: found for found in search_models(client)}
        self._experiment_names = {found["experiment_id"]: name for name, found in self.experiments.items()}
        self._client = client
        self._gone: dict[Resource, bool] = {}

    def add_experiment(self, name: str, answer: Facts) -> None:
        """Take note of an experiment that was just made."""
        number = fitting(answer, {"experiment_id": str})["experiment_id"]
        self.experiments[name] = {"name": name, "lifecycle_stage": "active", "experiment_id": number}

    def things(self, kind: str) -> dict[str, Facts]:
        """All of one kind, by name."""
        return self.experiments if kind == "experiment" else self.models

    def rename(self, kind: str, old: str, new: str) -> None:
        """Plan on as if it had its new name already."""
        things = self.things(kind)
        thing = things[new] = {**things.pop(old), "name": new}
        self._gone[Resource(kind, old)] = True
        if kind == "experiment":
            self._experiment_names[thing["experiment_id"]] = new

    def exists(self, kind: str, name: str) -> bool:
        """Whether something can be granted on it: deleted experiments cannot be worked with."""
        if kind == "experiment":
            return name == EVERY or self.experiments.get(name, {}).get("lifecycle_stage") == "active"
        return name == EVERY or name in self.models

    def keyed(self, resource: Resource) -> Resource:
        """A resource known by its name as grants call it: an experiment by its id."""
        if resource.kind != "experiment" or resource.key == EVERY:
            return resource
        return Resource("experiment", self.experiments[resource.key]["experiment_id"])

    def name(self, resource: Resource) -> str | None:
        """What people call it; None where it is not listed."""
        if resource.key == EVERY or resource.kind not in RESOURCE_TYPES:
            return resource.key
        if resource.kind == "experiment":
            return self._experiment_names.get(resource.key)
        return resource.key if resource.key in self.models else None

    def is_gone(self, resource: Resource) -> bool:
        """Whether a grant has outlived what it was on, as the server says it of this one thing.

        What is only not listed is there: up to 3.12 the grants on prompts are of kind C(registered_model), and the
        list of models leaves prompts out.
        """
        if self.name(resource) is not None:
            return False
        if resource not in self._gone:
            self._gone[resource] = self._look_for(resource)
        return self._gone[resource]

    def _look_for(self, resource: Resource) -> bool:
        try:
            if resource.kind == "experiment":
                return self._client.find(EXPERIMENTS + "get", experiment_id=resource.key) is None
            return self._client.find(MODELS + "get", name=resource.key) is None
        except RequestRefused:
            # It did not say so.
            return False


def find_experiment(client: Client, name: str) -> Facts | None:
    """The experiment of this name, deleted ones included; None where there is none."""
    answer = client.find(EXPERIMENTS + "get-by-name", experiment_name=name)
    return answer and experiment_facts(fitting(answer, {"experiment": EXPERIMENT})["experiment"])


def find_model(client: Client, name: str) -> Facts | None:
    """The registered model of this name; None where there is none."""
    answer = client.find(MODELS + "get", name=name)
    return answer and model_facts(fitting(answer, {"registered_model": MODEL})["registered_model"])


def search_experiments(client: Client, view: str) -> list[Facts]:
    """All experiments the account can see; C(view) is C(active), C(deleted) or C(all)."""
    stage = {"active": "ACTIVE_ONLY", "deleted": "DELETED_ONLY", "all": "ALL"}[view]
    pages = _pages(client, EXPERIMENTS + "search", "experiments", EXPERIMENT, view_type=stage)
    return [experiment_facts(found) for found in pages]


def search_models(client: Client) -> list[Facts]:
    """All registered models the account can see."""
    return [model_facts(found) for found in _pages(client, MODELS + "search", "registered_models", MODEL)]


def _pages(client: Client, path: str, key: str, shape: t.Any, **query: object) -> t.Iterator[Facts]:
    page = {key: Maybe([shape]), "next_page_token": Maybe(str)}
    for _number in range(PAGES):
        answer = fitting(client.get(path, max_results=1000, **query), page)
        yield from answer.get(key) or []
        if not answer.get("next_page_token"):
            return
        query["page_token"] = answer["next_page_token"]
    raise TransportError(f"GET {path}: {client.tracking_uri} has no end of pages; is it an MLflow server?")


def experiment_facts(experiment: Facts) -> Facts:
    """What the modules return about an experiment."""
    return {
        "name": experiment["name"],
        "experiment_id": experiment["experiment_id"],
        "artifact_location": experiment["artifact_location"],
        "lifecycle_stage": experiment["lifecycle_stage"],
        "tags": tags_of(experiment),
    }


def model_facts(model: Facts) -> Facts:
    """What the modules return about a registered model."""
    return {"name": model["name"], "description": model.get("description") or "", "tags": tags_of(model)}


def tags_of(thing: Facts) -> dict[str, str]:
    return {tag["key"]: tag.get("value") or "" for tag in thing.get("tags") or []}


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as MLflow's requests carry them."""
    return [{"key": key, "value": value} for key, value in tags.items()]
