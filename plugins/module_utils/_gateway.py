# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the difference is between the secrets and endpoints of a server's gateway and those it should have."""

from __future__ import annotations

import typing as t
from functools import partial

from ._client import Client, fitting
from ._dialect import require
from ._errors import InvalidRequest
from ._kept import Kept
from ._kinds import GATEWAY
from ._listed import Facts, mappings_of
from ._resources import Directory
from ._steps import MAKE, TAKE, Step
from ._text import answerable

SECRET, ENDPOINT, DEFINITION = "gateway_secret", "gateway_endpoint", "gateway_model_definition"
MADE = {"secret_id": str, "last_updated_at": int}


def gateway_things(client: Client, directory: Directory, kind: str) -> dict[str, Facts]:
    """All of a kind, by name; an error where the server has no gateway, or it is switched off."""
    require(client, "gateway", f"a {kind}")
    things, found = directory.kinds[kind], directory.things(kind)
    if things.refusal:
        raise InvalidRequest(f"{kind}: the server does not tell which there are: {things.refusal}")
    return found


def secret_facts(secret: Facts) -> Facts:
    """What the modules return about a secret: of its values, what MLflow shows of them."""
    return {
        "name": secret["secret_name"],
        "provider": secret.get("provider") or "",
        "auth_config": answerable(secret.get("auth_config") or {}),
        "masked_values": answerable(secret.get("masked_values") or {}),
    }


def secret_steps(client: Client, directory: Directory, wanted: Facts, kept: Kept) -> list[Step]:
    """Bring a secret about."""
    name = wanted["name"]
    present = gateway_things(client, directory, SECRET).get(name)
    if wanted["state"] == "absent":
        return [Step(TAKE, f"- {SECRET} {name}", partial(_delete_secret, client, present, kept))] if present else []
    if present is None:
        if not wanted["values"]:
            raise InvalidRequest(f"values: {SECRET} '{name}' does not exist yet and needs values")
        return [Step(MAKE, f"+ {SECRET} {name}", partial(_create_secret, client, directory, wanted, kept))]
    if wanted["provider"] not in (None, present.get("provider") or ""):
        raise InvalidRequest(f"provider: MLflow cannot change that of {SECRET} '{name}'; use another name")
    changes: Facts = {}
    if has_other_values(present, wanted, kept):
        changes["secret_value"] = texts_of(wanted["values"])
    if wanted["auth_config"] is not None and texts_of(wanted["auth_config"]) != (present.get("auth_config") or {}):
        changes["auth_config"] = texts_of(wanted["auth_config"])
    if not changes:
        return []
    what = ", ".join({"secret_value": "values"}.get(key, key) for key in sorted(changes))
    return [Step(MAKE, f"~ {SECRET} {name} {what}", partial(_change_secret, client, present, changes, wanted, kept))]


def has_other_values(present: Facts, wanted: Facts, kept: Kept) -> bool:
    """Whether it may have other values than those wanted; without a note, as far as what MLflow shows of them tells."""
    if wanted["values"] is None:
        return False
    values = texts_of(wanted["values"])
    if kept.is_kept:
        return not kept.holds(present["secret_id"], values, present["last_updated_at"])
    return masked(values) != (present.get("masked_values") or {})


def masked(values: dict[str, str]) -> dict[str, str]:
    """What MLflow shows of values."""
    return {key: f"{value[:3]}...{value[-4:]}" if len(value) >= 8 else "***" for key, value in values.items()}


def secret_after(present: Facts | None, wanted: Facts) -> Facts:
    """A secret as it will be shown."""
    here = secret_facts(present or {"secret_name": wanted["name"]})
    if wanted["provider"] is not None:
        here["provider"] = wanted["provider"]
    if wanted["auth_config"] is not None:
        here["auth_config"] = texts_of(wanted["auth_config"])
    if wanted["values"] is not None:
        here["masked_values"] = masked(texts_of(wanted["values"]))
    return here


def veiled_secret(before: Facts | None, after: Facts | None) -> tuple[Facts | None, Facts | None]:
    """Both as a diff shows them: of eight characters MLflow itself shows seven."""
    first, second = (
        {**facts, "masked_values": dict.fromkeys(facts["masked_values"], "***")} if facts else facts
        for facts in (before, after)
    )
    return first, second


def texts_of(values: dict[str, t.Any]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items()}


def _create_secret(client: Client, directory: Directory, wanted: Facts, kept: Kept) -> None:
    body: Facts = {"secret_name": wanted["name"], "secret_value": texts_of(wanted["values"])}
    if wanted["provider"]:
        body["provider"] = wanted["provider"]
    if wanted["auth_config"]:
        body["auth_config"] = texts_of(wanted["auth_config"])
    answer = client.write("POST", GATEWAY + "secrets/create", **body)
    made = fitting(answer, {"secret": MADE})["secret"]
    # By the name that was asked for: a server that is anybody's may say that it has made another.
    directory.kinds[SECRET].add({"secret_id": made["secret_id"], "secret_name": wanted["name"]})
    kept.note(made["secret_id"], body["secret_value"], made["last_updated_at"])


def _change_secret(client: Client, present: Facts, changes: Facts, wanted: Facts, kept: Kept) -> None:
    answer = client.write("POST", GATEWAY + "secrets/update", secret_id=present["secret_id"], **changes)
    made = fitting(answer, {"secret": MADE})["secret"]
    if "secret_value" in changes:
        kept.note(made["secret_id"], changes["secret_value"], made["last_updated_at"])
    else:
        kept.touch(made["secret_id"], made["last_updated_at"])


def _delete_secret(client: Client, present: Facts, kept: Kept) -> None:
    client.write("DELETE", GATEWAY + "secrets/delete", secret_id=present["secret_id"])
    kept.forget(present["secret_id"])


def endpoint_facts(endpoint: Facts) -> Facts:
    """What the modules return about an endpoint: the model that answers, then those that do when it fails."""
    mappings = sorted(
        mappings_of(endpoint),
        key=lambda found: (found.get("linkage_type") == "FALLBACK", found.get("fallback_order") or 0),
    )
    return {
        "name": endpoint["name"],
        "models": [
            {
                "name": found["model_definition"]["name"],
                "provider": found["model_definition"].get("provider") or "",
                "model": found["model_definition"].get("model_name") or "",
                "secret": found["model_definition"].get("secret_name") or "",
                "fallback": found.get("linkage_type") == "FALLBACK",
            }
            for found in mappings
        ],
    }


def wanted_models(wanted: Facts) -> list[Facts]:
    """The models as they are declared: the first answers, the others do when it fails."""
    return [
        {
            "name": model["name"] or (wanted["name"] if not number else f"{wanted['name']}-{number + 1}"),
            "provider": model["provider"],
            "model": model["model"],
            "secret": model["secret"],
            "fallback": number > 0,
        }
        for number, model in enumerate(wanted["models"] or [])
    ]


def endpoint_steps(client: Client, directory: Directory, wanted: Facts, secrets: t.Container[str] = ()) -> list[Step]:
    """Bring an endpoint and its models about; C(secrets) are going to be there by then."""
    name = wanted["name"]
    present = gateway_things(client, directory, ENDPOINT).get(name)
    if wanted["state"] == "absent":
        return _deletion(client, directory, present) if present else []
    models = wanted_models(wanted)
    if not models:
        if present is None or wanted["models"] is not None:
            raise InvalidRequest(f"models: {ENDPOINT} '{name}' needs one at least")
        return []
    if present and endpoint_facts(present)["models"] == models:
        return []
    steps = []
    definitions = gateway_things(client, directory, DEFINITION)
    for model in models:
        if model["secret"] not in secrets and not directory.kinds[SECRET].exists(model["secret"]):
            raise InvalidRequest(f"models: {ENDPOINT} '{name}': there is no {SECRET} '{model['secret']}'")
        found = definitions.get(model["name"])
        there = found and [found.get(key) for key in ("provider", "model_name", "secret_name")]
        if there != [model["provider"], model["model"], model["secret"]]:
            line = f"{'~' if found else '+'} {DEFINITION} {model['name']}"
            steps.append(Step(MAKE, line, partial(_define, client, directory, found, model)))
    linked = present and [(model["name"], model["fallback"]) for model in endpoint_facts(present)["models"]]
    if linked != [(model["name"], model["fallback"]) for model in models]:
        line = f"~ {ENDPOINT} {name} models" if present else f"+ {ENDPOINT} {name}"
        steps.append(Step(MAKE, line, partial(_link, client, directory, present, name, models)))
    return steps


def endpoint_after(present: Facts | None, wanted: Facts) -> Facts:
    """An endpoint as it will be shown."""
    here = endpoint_facts(present or {"name": wanted["name"]})
    return {**here, "models": here["models"] if wanted["models"] is None else wanted_models(wanted)}


def _define(client: Client, directory: Directory, found: Facts | None, model: Facts) -> None:
    # Only now does a secret that an earlier step made have its id.
    secret = directory.kinds[SECRET].key(model["secret"])
    body = {"name": model["name"], "secret_id": secret, "provider": model["provider"], "model_name": model["model"]}
    if found:
        body["model_definition_id"] = found["model_definition_id"]
    answer = client.write("POST", f"{GATEWAY}model-definitions/{'update' if found else 'create'}", **body)
    made = fitting(answer, {"model_definition": {"model_definition_id": str}})["model_definition"]
    directory.kinds[DEFINITION].add({"model_definition_id": made["model_definition_id"], "name": model["name"]})


def _link(client: Client, directory: Directory, present: Facts | None, name: str, models: list[Facts]) -> None:
    configs: list[Facts] = [
        {
            "model_definition_id": directory.kinds[DEFINITION].key(model["name"]),
            "linkage_type": "FALLBACK" if model["fallback"] else "PRIMARY",
            "weight": 1.0,
            **({"fallback_order": number} if model["fallback"] else {}),
        }
        for number, model in enumerate(models)
    ]
    body: Facts = {"name": name, "model_configs": configs}
    if len(models) > 1:
        body["fallback_config"] = {"strategy": "SEQUENTIAL", "max_attempts": len(models)}
    if present:
        client.write("POST", GATEWAY + "endpoints/update", endpoint_id=present["endpoint_id"], **body)
        return
    answer = client.write("POST", GATEWAY + "endpoints/create", **body)
    made = fitting(answer, {"endpoint": {"endpoint_id": str}})["endpoint"]
    directory.kinds[ENDPOINT].add({"endpoint_id": made["endpoint_id"], "name": name})


def _deletion(client: Client, directory: Directory, present: Facts) -> list[Step]:
    """Delete an endpoint with those of its models that no other has."""

    def models_of(endpoint: Facts) -> dict[str, str]:
        found = [mapping["model_definition"] for mapping in mappings_of(endpoint)]
        return {model["model_definition_id"]: model["name"] for model in found}

    others = [found for found in directory.things(ENDPOINT).values() if found["endpoint_id"] != present["endpoint_id"]]
    used = {number for endpoint in others for number in models_of(endpoint)}
    delete = partial(client.write, "DELETE", GATEWAY + "endpoints/delete", endpoint_id=present["endpoint_id"])
    steps = [Step(TAKE, f"- {ENDPOINT} {present['name']}", delete)]
    for number, name in models_of(present).items():
        if number not in used:
            undefine = partial(client.write, "DELETE", GATEWAY + "model-definitions/delete", model_definition_id=number)
            steps.append(Step(TAKE, f"- {DEFINITION} {name}", undefine))
    return steps
