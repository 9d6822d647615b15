# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the difference is between the things that a whole server has and those that are declared."""

from __future__ import annotations

import typing as t

from ._arguments import wanted_grants
from ._dialect import Resource
from ._errors import InvalidRequest
from ._gateway import DEFINITION, ENDPOINT, SECRET, endpoint_steps, secret_steps, wanted_models
from ._kept import Kept
from ._kinds import ALWAYS, DECLARED
from ._listed import Facts
from ._people import spell
from ._server import Server
from ._steps import Step
from ._things import experiment_steps, model_steps, rename_step, tagged_prompt_steps
from ._webhooks import find_webhook, webhook_steps, webhooks

# Of two kinds that MLflow keeps as one, the other.
OTHER = {"registered_model": "prompt", "prompt": "registered_model"}


def rename_steps(server: Server, declared: Facts) -> list[Step]:
    """Renames; all that is planned after them sees the new names."""
    steps = []
    for kind in ALWAYS:
        for wanted in declared[f"{kind}s"]:
            things = server.directory.things(kind)
            old, new = wanted["rename_from"], wanted["name"]
            if old not in things or new in things or _is_other(server, kind, new):
                continue
            try:
                server.refuse_stuck(Resource(kind, new))
                steps.append(rename_step(server.client, kind, things[old], new)._replace(about=Resource(kind, new)))
            except InvalidRequest as refusal:
                # Nothing new is made in its place, or it could never be renamed.
                server.leave(Resource(kind, new), str(refusal), old)
            else:
                server.rename(kind, old, new)
    return steps


def note_taken(server: Server, declared: Facts) -> None:
    """Note models that are prompts on the server, and the other way round. The renames have to be planned before.

    MLflow has one name for both, and whoever makes things there is quicker than a declaration.
    """
    for kind, other in OTHER.items():
        for wanted in declared[f"{kind}s"]:
            name = wanted["name"]
            if wanted["state"] == "present" and _is_other(server, kind, name):
                why = (
                    f"{kind}s: '{name}' is a {other} on the server; MLflow has one name for both; remove that one, or "
                    "declare another name"
                )
                server.leave(Resource(kind, name), why, wanted.get("rename_from"))


def _is_other(server: Server, kind: str, name: str) -> bool:
    """Whether something of the other kind has the name."""
    if kind not in OTHER or name in server.directory.things(kind):
        return False
    return name in server.directory.things(OTHER[kind])


def thing_steps(server: Server, declared: Facts) -> list[Step]:
    """Bring about all that is declared by name. Nothing of it is asked about where nothing is declared."""
    client, there, kept = server.client, server.directory, Kept(declared["secrets_file"])
    steps: list[Step] = []

    def add(kind: str, steps_of: t.Callable[[Facts], list[Step]]) -> None:
        for wanted in declared[f"{kind}s"]:
            thing = Resource(kind, wanted["name"])
            if thing in server.unmade:
                continue
            try:
                server.refuse_stuck(thing)
                steps.extend(step._replace(about=thing) for step in steps_of(wanted))
            except InvalidRequest as refusal:
                # Somebody has made or removed something, so that it cannot become what is declared.
                server.refused.append(str(refusal))
                server.unmade.update(_absent(server, kind, wanted))

    def find(kind: str, wanted: Facts) -> Facts | None:
        return there.things(kind).get(wanted["name"])

    add("experiment", lambda it: experiment_steps(client, find("experiment", it), it, there.add_experiment))
    add("registered_model", lambda it: model_steps(client, find("registered_model", it), it))
    add("prompt", lambda it: tagged_prompt_steps(client, find("prompt", it), it))
    add(SECRET, lambda it: secret_steps(client, there, it, kept))
    present = {it["name"] for it in declared[f"{SECRET}s"] if it["state"] == "present"}
    secrets = {name for name in present if Resource(SECRET, name) not in server.unmade}
    add(ENDPOINT, lambda it: endpoint_steps(client, there, it, secrets))
    found = webhooks(client) if declared["webhooks"] else []
    add("webhook", lambda it: webhook_steps(client, find_webhook(found, it["name"]), it, kept))
    return steps


def _absent(server: Server, kind: str, wanted: Facts) -> t.Iterator[Resource]:
    """What of a thing, and of what is made with it, is not on the server."""
    models = wanted_models(wanted) if kind == ENDPOINT else []
    for thing in (Resource(kind, wanted["name"]), *(Resource(DEFINITION, model["name"]) for model in models)):
        # Nobody has grants on webhooks.
        if thing.kind in server.directory.kinds and thing.key not in server.directory.things(thing.kind):
            yield thing


def note_missing(server: Server, declared: Facts) -> None:
    """Note what is granted on and not there. All that is made has to be planned before."""
    there = [(kind, thing) for kind in DECLARED for thing in declared[f"{kind}s"] if thing["state"] == "present"]
    made = {(kind, thing["name"]) for kind, thing in there}
    # An endpoint makes its models.
    made |= {(DEFINITION, model["name"]) for kind, thing in there if kind == ENDPOINT for model in wanted_models(thing)}
    for key in ("users", "groups"):
        for holder in declared[key]:
            for resource in wanted_grants(holder["grants"] or []) if holder["state"] == "present" else ():
                if resource not in made and not server.directory.exists(*resource):
                    problem = f"{key}: {holder['name']}: grants: {spell(resource)} does not exist on the server"
                    server.leave(resource, problem)
