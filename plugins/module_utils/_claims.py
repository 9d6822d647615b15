# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody has of a declared thing because they made it before it was declared.

Anybody may make an experiment or a model of any name, and so of one that is going to be declared: it would stay theirs
to manage, and its artifacts would be where they say.
"""

from __future__ import annotations

import typing as t

from ._client import Client, fitting
from ._dialect import Holder, Resource
from ._errors import RequestRefused
from ._kinds import DECLARED, EXPERIMENTS
from ._listed import Facts
from ._server import Server

# As a server that passes artifacts on calls its own.
PASSED_ON = "mlflow-artifacts:"
# MLflow makes this experiment itself, and nobody can have another of its number.
BUILT_IN_ID = "0"

Kept = t.Callable[[str, Resource, t.Any], bool]


def declared_things(declared: Facts) -> set[Resource]:
    """All experiments and models that the declaration names as such."""
    return {Resource(kind, thing["name"]) for kind in DECLARED for thing in declared[f"{kind}s"]}


def kept_creators(server: Server, declared: Facts, wanted: dict[str, t.Any], kept: Kept) -> t.Iterator[str]:
    """A warning for each creator of a declared thing who goes on managing it undeclared."""
    creators, ours = server.creators(), declared_things(declared)
    kinds = {resource.kind for resource in ours}
    for name, user in sorted(server.access.users.items()):
        if name == server.client.username:
            continue
        for resource, grant in sorted(server.grants(Holder("user", name), kinds).items()):
            if resource not in ours or resource in wanted.get(name, {}) or grant.level != "MANAGE":
                continue
            # An old server does not tell who came first.
            if (grant.row is None or grant.row in creators) and kept(name, resource, grant):
                yield (
                    f"{resource.kind} '{resource.key}': '{user.name}', who seems to have made it, keeps MANAGE, "
                    "though its grants do not name them"
                )


def foreign_locations(server: Server, declared: Facts) -> t.Iterator[str]:
    """A warning for each declared experiment whose artifacts are at a place that somebody else chose."""
    experiments = server.directory.experiments
    built_in = next((found for found in experiments.values() if found["experiment_id"] == BUILT_IN_ID), None)
    for wanted in declared["experiments"]:
        found = experiments.get(wanted["name"])
        if found and wanted["state"] == "present":
            yield from foreign_location(found, wanted, built_in, declared.get("artifact_root"))


def foreign_location(found: Facts, wanted: Facts, built_in: Facts | None, root: str | None = None) -> t.Iterator[str]:
    """A warning where an experiment's artifacts are neither where it is declared nor where the server puts them."""
    if wanted["artifact_location"]:
        # Another one than that is an error.
        return
    location, number = found["artifact_location"], found["experiment_id"]
    roots = {PASSED_ON, root or PASSED_ON, *([root_of(built_in)] if built_in else [])}
    if location.rstrip("/") not in {f"{place.rstrip('/')}/{number}" for place in roots}:
        yield (
            f"experiment '{found['name']}': keeps its artifacts at {location}, which is not where this server puts "
            "those of a new one: whoever made it has chosen that. Give it as artifact_location if it is right, or "
            "another name to the experiment"
        )


def root_of(built_in: Facts) -> str:
    """Where a server kept artifacts when its database was made."""
    location = built_in["artifact_location"].rstrip("/")
    return location[: -len(BUILT_IN_ID) - 1] if location.endswith(f"/{BUILT_IN_ID}") else PASSED_ON


def find_built_in(client: Client) -> Facts | None:
    """The experiment that MLflow made itself; None where somebody has removed it for good."""
    try:
        answer = client.find(EXPERIMENTS + "get", experiment_id=BUILT_IN_ID)
    except RequestRefused:
        return None
    return answer and fitting(answer, {"experiment": {"artifact_location": str}})["experiment"]
