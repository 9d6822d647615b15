# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the difference is between the things that a whole server has and those that are declared."""

from __future__ import annotations

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
    for wanted in declared["experiments"]:
        present = server.directory.experiments.get(wanted["name"])
        steps += experiment_steps(server.client, present, wanted, server.directory.add_experiment)
    for wanted in declared["registered_models"]:
        steps += model_steps(server.client, _registered(server, "registered_model", wanted), wanted)
    for wanted in declared["prompts"]:
        steps += tagged_prompt_steps(server.client, _registered(server, "prompt", wanted), wanted)
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


def _registered(server: Server, kind: str, wanted: Facts) -> Facts | None:
    """The model or prompt that is there. MLflow takes a name for one of the two."""
    name = wanted["name"]
    present = server.directory.things(kind).get(name)
    if present is None and wanted["state"] == "present" and name in server.directory.things(OTHER[kind]):
        raise InvalidRequest(f"{kind}s: '{name}' is a {OTHER[kind]} on the server; MLflow has one name for both")
    return present
