# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What MLflow grants on: one entry for each kind of thing, and nothing about kinds elsewhere."""

from __future__ import annotations

import typing as t

from ._listed import Experiments, Facts, Listing, Things
from ._shapes import Maybe, Word

EXPERIMENTS = "/api/2.0/mlflow/experiments/"
MODELS = "/api/2.0/mlflow/registered-models/"

TAGS = Maybe([{"key": str, "value": Maybe(str)}])
EXPERIMENT = {
    "name": str,
    "experiment_id": str,
    "artifact_location": str,
    "lifecycle_stage": Word(("active", "deleted")),
    "tags": TAGS,
}
MODEL = {"name": str, "description": Maybe(str), "tags": TAGS}


class Kind(t.NamedTuple):
    """One kind of thing that somebody can be granted something on."""

    # In the inventory, and to MLflow from 3.13 on.
    word: str
    # How they are found; whoever makes one gets MANAGE. None where only all of them can be granted on.
    listing: Listing | None
    things: type[Things] = Things


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


KINDS: dict[str, Kind] = {
    kind.word: kind
    for kind in (
        Kind(
            "experiment",
            Listing(
                path=EXPERIMENTS + "search",
                items="experiments",
                shape=EXPERIMENT,
                name="name",
                key="experiment_id",
                one=EXPERIMENTS + "get",
                by="experiment_id",
                facts=experiment_facts,
                query={"view_type": "ALL"},
            ),
            Experiments,
        ),
        Kind(
            "registered_model",
            Listing(
                path=MODELS + "search",
                items="registered_models",
                shape=MODEL,
                name="name",
                key="name",
                one=MODELS + "get",
                by="name",
                facts=model_facts,
            ),
        ),
    )
}

# The words of the inventory for all of them, and for those that can be declared as things of their own.
WORDS = tuple(KINDS)
DECLARED = ("experiment", "registered_model")
