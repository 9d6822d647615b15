# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments and registered models: the resources that grants are on."""

from __future__ import annotations

import typing as t

from ._client import Client
from ._dialect import Resource
from ._errors import InvalidRequest

EXPERIMENTS = "/api/2.0/mlflow/experiments/"
MODELS = "/api/2.0/mlflow/registered-models/"

EVERY = "*"


def find_experiment(client: Client, name: str) -> dict[str, t.Any] | None:
    """The experiment of this name, deleted ones included; None where there is none."""
    answer = client.find(EXPERIMENTS + "get-by-name", experiment_name=name)
    return answer and experiment_facts(answer["experiment"])


def experiment_facts(experiment: dict[str, t.Any]) -> dict[str, t.Any]:
    """What the modules return about an experiment."""
    return {
        "name": experiment["name"],
        "experiment_id": experiment["experiment_id"],
        "artifact_location": experiment["artifact_location"],
        "lifecycle_stage": experiment["lifecycle_stage"],
        "tags": tags_of(experiment),
    }


def find_model(client: Client, name: str) -> dict[str, t.Any] | None:
    """The registered model of this name; None where there is none."""
    answer = client.find(MODELS + "get", name=name)
    if not answer:
        return None
    model = answer["registered_model"]
    return {
        "name": model["name"],
        "description": model.get("description", ""),
        "tags": tags_of(model),
    }


def search_experiments(client: Client, view: str) -> list[dict[str, t.Any]]:
    """All experiments the account can see; C(view) is C(active), C(deleted) or C(all)."""
    stage = {"active": "ACTIVE_ONLY", "deleted": "DELETED_ONLY", "all": "ALL"}[view]
    found: list[dict[str, t.Any]] = []
    page: dict[str, t.Any] = {}
    while True:
        answer = client.get(EXPERIMENTS + "search", view_type=stage, max_results=1000, **page)
        found += map(experiment_facts, answer.get("experiments", []))
        if not answer.get("next_page_token"):
            return found
        page = {"page_token": answer["next_page_token"]}


def tags_of(thing: dict[str, t.Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in thing.get("tags", [])}


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as MLflow's requests carry them."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def resolve(client: Client, kind: str, name: str, missing_ok: bool) -> Resource:
    """The resource a grant names; a missing one is an error unless C(missing_ok).

    A missing experiment gets a key that nothing on the server has.
    """
    if name == EVERY:
        return Resource(kind, EVERY)
    found = find_model(client, name) if kind == "registered_model" else find_experiment(client, name)
    if found and found.get("lifecycle_stage") == "deleted":
        found = None
    if not found and not missing_ok:
        raise InvalidRequest(f"{kind}: '{name}' does not exist on the server, so nothing can be granted on it")
    if kind == "registered_model":
        return Resource(kind, name)
    return Resource(kind, found["experiment_id"] if found else f"new:{name}")


def display_name(client: Client, resource: Resource) -> str:
    """The name a person knows a resource by; C(#id) where an experiment is gone."""
    if resource.kind != "experiment" or resource.key == EVERY:
        return resource.key
    answer = client.find(EXPERIMENTS + "get", experiment_id=resource.key)
    return answer["experiment"]["name"] if answer else f"#{resource.key}"
