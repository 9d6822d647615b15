# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What grants are on: everything that a server holds, of every kind."""

from __future__ import annotations

from ._client import Client, fitting
from ._dialect import Resource
from ._errors import InvalidRequest
from ._kinds import EVERY, EXPERIMENT, EXPERIMENTS, KINDS, experiment_facts
from ._listed import Facts, Things, pages


class Directory:
    """Everything a server holds, by name. Steps of a plan use it to find what earlier ones made."""

    def __init__(self, client: Client) -> None:
        self.kinds: dict[str, Things] = {}
        for kind in KINDS.values():
            if kind.listing:
                self.kinds[kind.word] = kind.things(client, kind.listing, self.kinds)

    @property
    def experiments(self) -> dict[str, Facts]:
        """All experiments, deleted ones too."""
        return self.things("experiment")

    @property
    def models(self) -> dict[str, Facts]:
        """All registered models that are no prompts."""
        return self.things("registered_model")

    def add_experiment(self, name: str, answer: Facts) -> None:
        """Take note of an experiment that was just made."""
        number = fitting(answer, {"experiment_id": str})["experiment_id"]
        self.kinds["experiment"].add({"name": name, "lifecycle_stage": "active", "experiment_id": number})

    def things(self, kind: str) -> dict[str, Facts]:
        """All of one kind, by name."""
        return self.kinds[kind].by_name

    def rename(self, kind: str, old: str, new: str) -> None:
        """Plan on as if it had its new name already."""
        self.kinds[kind].rename(old, new)

    def exists(self, kind: str, name: str) -> bool:
        """Whether something can be granted on it; an error where the server does not tell what there is."""
        things = self.kinds.get(kind)
        if name == EVERY or things is None:
            return name == EVERY
        there = things.exists(name)
        if things.refusal:
            raise InvalidRequest(f"{kind}: '{name}': the server does not tell which there are: {things.refusal}")
        return there

    def keyed(self, resource: Resource) -> Resource:
        """A resource known by its name as grants call it: an experiment by its id."""
        things = self._things(resource)
        return Resource(resource.kind, things.key(resource.key)) if things else resource

    def name(self, resource: Resource) -> str | None:
        """What people call it; None where it is not listed."""
        things = self._things(resource)
        return things.name(resource.key) if things else resource.key

    def is_gone(self, resource: Resource) -> bool:
        """Whether a grant has outlived what it was on, as the server says it of this one thing.

        What is only not listed is there.
        """
        things = self._things(resource)
        return bool(things and things.name(resource.key) is None and things.is_gone(resource.key))

    def _things(self, resource: Resource) -> Things | None:
        """Where to look for it; nowhere for all of a kind, and for what has no names."""
        return None if resource.key == EVERY else self.kinds.get(resource.kind)


def find_experiment(client: Client, name: str) -> Facts | None:
    """The experiment of this name, deleted ones included; None where there is none."""
    answer = client.find(EXPERIMENTS + "get-by-name", experiment_name=name)
    return answer and experiment_facts(fitting(answer, {"experiment": EXPERIMENT})["experiment"])


def search_experiments(client: Client, view: str) -> list[Facts]:
    """All experiments the account can see; C(view) is C(active), C(deleted) or C(all)."""
    stage = {"active": "ACTIVE_ONLY", "deleted": "DELETED_ONLY", "all": "ALL"}[view]
    found = pages(client, EXPERIMENTS + "search", "experiments", EXPERIMENT, view_type=stage)
    return [experiment_facts(each) for each in found]


def search(client: Client, kind: str) -> list[Facts]:
    """All registered models or prompts the account can see, sorted by name."""
    return sorted(Directory(client).things(kind).values(), key=lambda each: str(each["name"]))


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as MLflow's requests carry them."""
    return [{"key": key, "value": value} for key, value in tags.items()]
