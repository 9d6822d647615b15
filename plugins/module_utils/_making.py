# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the difference is between the things that a whole server has and those that are declared."""

from __future__ import annotations

import typing as t

from ._arguments import wanted_grants
from ._dialect import Resource
from ._errors import InvalidRequest
from ._gateway import endpoint_steps, secret_steps
from ._kept import Kept
from ._listed import Facts
from ._server import Server
from ._steps import Step
from ._things import experiment_steps, model_steps, tagged_prompt_steps
from ._webhooks import find_webhook, webhook_steps, webhooks

# Of two kinds that MLflow keeps as one, the other.
OTHER = {"registered_model": "prompt", "prompt": "registered_model"}


def thing_steps(server: Server, declared: Facts) -> list[Step]:
    """Bring about all that is declared by name. Nothing of it is asked about where nothing is declared."""
    steps: list[Step] = []
    there = server.directory
    for wanted in declared["experiments"]:
        present = there.experiments.get(wanted["name"])
        steps += _possible(server, experiment_steps, present, wanted, there.add_experiment)
    for wanted in declared["registered_models"]:
        steps += _possible(server, model_steps, there.things("registered_model").get(wanted["name"]), wanted)
    for wanted in declared["prompts"]:
        steps += _possible(server, tagged_prompt_steps, there.things("prompt").get(wanted["name"]), wanted)
    kept = Kept(declared["secrets_file"])
    for wanted in declared["gateway_secrets"]:
        steps += secret_steps(server.client, server.directory, wanted, kept)
    secrets = {secret["name"] for secret in declared["gateway_secrets"] if secret["state"] == "present"}
    for wanted in declared["gateway_endpoints"]:
        steps += endpoint_steps(server.client, server.directory, wanted, secrets)
    if declared["webhooks"]:
        found = webhooks(server.client)
        for wanted in declared["webhooks"]:
            steps += webhook_steps(server.client, find_webhook(found, wanted["name"]), wanted, kept)
    return steps


def _possible(server: Server, steps: t.Callable[..., list[Step]], *about: t.Any) -> list[Step]:
    """The steps for one thing; none where it is there in a way that cannot be changed, as somebody has made it so."""
    try:
        return steps(server.client, *about)
    except InvalidRequest as refusal:
        server.refused.append(str(refusal))
        return []


def without_taken(server: Server, declared: Facts) -> Facts:
    """The declaration without models that are prompts on the server, the other way round, and grants on them.

    MLflow has one name for both, and whoever makes things there is quicker than a declaration.
    """
    taken = set()
    for kind, other in OTHER.items():
        for wanted in declared[f"{kind}s"]:
            name = wanted["name"]
            if wanted["state"] == "absent" or name in server.directory.things(kind):
                continue
            if name in server.directory.things(other):
                taken.add(Resource(kind, name))
                server.refused.append(
                    f"{kind}s: '{name}' is a {other} on the server; MLflow has one name for both; remove that one, or "
                    "declare another name"
                )
    left = without_grants(declared, taken)
    for kind in OTHER:
        left[f"{kind}s"] = [it for it in declared[f"{kind}s"] if Resource(kind, it["name"]) not in taken]
    return left


def without_grants(declared: Facts, things: set[Resource]) -> Facts:
    """The declaration without the grants of users and groups on these."""

    def kept(grants: list[Facts] | None) -> list[Facts] | None:
        return grants and [each for each in grants if not things & set(wanted_grants([each]))]

    holders = {key: [{**it, "grants": kept(it["grants"])} for it in declared[key]] for key in ("users", "groups")}
    return {**declared, **holders}
