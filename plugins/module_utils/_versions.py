# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the difference is between prompts, versions and aliases that a server has and those it should have."""

from __future__ import annotations

import typing as t
from functools import partial

from ._client import Client, fitting
from ._errors import InvalidRequest, RequestRefused
from ._listed import Facts
from ._registry import (
    IS_PROMPT,
    LATEST,
    MODEL,
    MODELS,
    NOWHERE,
    PROMPT_TAGS,
    TEXT,
    TEXT_KIND,
    VERSIONS,
    alias_problem,
    is_prompt,
    model_facts,
    prompt_facts,
)
from ._steps import MAKE, TAKE, Step

NEW_PROMPT: Facts = {"description": "", "tags": {}, "aliases": {}, "version": None, "template": None}


def find_model(client: Client, name: str, others: bool = False) -> Facts | None:
    """The registered model of this name; None where there is none.

    A prompt of that name is an error, unless C(others) are as good as none.
    """
    found = _find(client, name)
    if found and is_prompt(found) and not others:
        raise InvalidRequest(f"name: '{name}' is a prompt, and no registered model can be called so")
    return model_facts(found) if found and not is_prompt(found) else None


def find_prompt(client: Client, name: str, others: bool = False) -> Facts | None:
    """The prompt of this name, likewise."""
    found = _find(client, name)
    if found and not is_prompt(found) and not others:
        raise InvalidRequest(f"name: '{name}' is a registered model, and no prompt can be called so")
    return prompt_facts(found) if found and is_prompt(found) else None


def _find(client: Client, name: str) -> Facts | None:
    answer = client.find(MODELS + "get", name=name)
    return answer and fitting(answer, {"registered_model": MODEL})["registered_model"]


def prompt_steps(client: Client, present: Facts | None, wanted: Facts) -> list[Step]:
    """Bring a prompt about, without its tags: a text that is not that of the newest version is a new version."""
    name, description, text = wanted["name"], wanted["description"], wanted["template"]
    if wanted["state"] == "absent":
        return [Step(TAKE, f"- prompt {name}", partial(delete_registered, client, name))] if present else []
    refuse_prompt(wanted)
    steps = []
    if present is None:
        steps.append(Step(MAKE, f"+ prompt {name}", partial(_create_prompt, client, wanted)))
    elif description not in (None, present["description"]):
        describe = partial(client.write, "PATCH", MODELS + "update", name=name, description=description)
        steps.append(Step(MAKE, f"~ prompt {name} description", describe))
    here = present or NEW_PROMPT
    version = here["version"]
    made: Facts = {}
    if text not in (None, here["template"]):
        version = (version or 0) + 1
        steps.append(Step(MAKE, f"+ prompt {name} version {version}", partial(_create_version, client, wanted, made)))
    return steps + alias_steps(client, "prompt", here, wanted, version, made)


def delete_registered(client: Client, name: str) -> None:
    """Delete a registered model or a prompt with all its versions."""
    try:
        client.write("DELETE", MODELS + "delete", name=name)
    except RequestRefused as refusal:
        # MLflow 2.22 deletes what somebody else has made, and then complains that the account had no grant on it.
        if refusal.status != 404 or client.find(MODELS + "get", name=name) is not None:
            raise


def refuse_prompt(wanted: Facts) -> None:
    """What MLflow keeps for itself cannot be set, and an empty text is not a valid version."""
    for key in wanted["tags"] or {}:
        if key in PROMPT_TAGS:
            raise InvalidRequest(f"tags: prompt '{wanted['name']}': MLflow keeps '{key}' for itself")
    if wanted["template"] == "":
        raise InvalidRequest(f"template: prompt '{wanted['name']}': is empty; leave it out to make no version")


def alias_steps(
    client: Client, kind: str, present: Facts, wanted: Facts, newest: int | None, made: Facts | None = None
) -> list[Step]:
    """Let aliases mean versions. C(newest) will be there by then; C(made) then has the number that it really got."""
    name, steps = wanted["name"], []
    for alias, wish in sorted((wanted["aliases"] or {}).items()):
        problem = alias_problem(alias, wish)
        if problem:
            raise InvalidRequest(f"{problem} ({kind} '{name}')")
        there = present["aliases"].get(alias)
        if wish is None:
            remove = partial(client.write, "DELETE", MODELS + "alias", name=name, alias=alias)
            steps += [Step(MAKE, f"- {kind} {name} alias {alias}", remove)] if there is not None else []
            continue
        version = newest if wish == LATEST else int(wish)
        if there == version and version is not None:
            continue
        if version is None or (version != newest and not _has_version(client, wanted, version)):
            raise InvalidRequest(f"aliases: {alias}: {kind} '{name}' has no version {version or 'yet'}")
        point = partial(_point, client, name, alias, version, made if version == newest else None)
        steps.append(Step(MAKE, f"~ {kind} {name} alias {alias} to version {version}", point))
    return steps


def with_aliases(before: dict[str, int], wanted: dict[str, t.Any] | None, newest: int | None) -> dict[str, int]:
    """The aliases as they will be."""
    found: dict[str, t.Any] = {**before}
    for alias, wish in (wanted or {}).items():
        found[alias] = newest if wish == LATEST else wish if wish is None else int(wish)
    return {alias: version for alias, version in found.items() if version is not None}


def prompt_after(present: Facts | None, wanted: Facts, tags: dict[str, str]) -> Facts:
    """A prompt as it will be; C(tags) are those that are wanted, as text."""
    here = present or {"name": wanted["name"], **NEW_PROMPT}
    version, text = here["version"], here["template"]
    if wanted["template"] not in (None, text):
        version, text = (version or 0) + 1, wanted["template"]
    return {
        **here,
        "description": here["description"] if wanted["description"] is None else wanted["description"],
        "tags": {**here["tags"], **tags},
        "aliases": with_aliases(here["aliases"], wanted["aliases"], version),
        "version": version,
        "template": text,
    }


def _has_version(client: Client, wanted: Facts, version: int) -> bool:
    # What is going to be renamed has its versions under its former name.
    names = [name for name in (wanted["name"], wanted.get("rename_from")) if name]
    return any(client.find(VERSIONS + "get", name=name, version=version) is not None for name in names)


def _create_prompt(client: Client, wanted: Facts) -> None:
    tags = [{"key": key, "value": str(value)} for key, value in (wanted["tags"] or {}).items()]
    tags.append({"key": IS_PROMPT, "value": "true"})
    client.write("POST", MODELS + "create", name=wanted["name"], description=wanted["description"] or "", tags=tags)


def _create_version(client: Client, wanted: Facts, made: Facts) -> None:
    tags = {IS_PROMPT: "true", TEXT: wanted["template"], TEXT_KIND: "text"}
    body = {
        "name": wanted["name"],
        "source": NOWHERE,
        "description": wanted["commit_message"] or "",
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    answer = client.write("POST", VERSIONS + "create", **body)
    made["version"] = fitting(answer, {"model_version": {"version": str}})["model_version"]["version"]


def _point(client: Client, name: str, alias: str, version: int, made: Facts | None) -> None:
    number = str((made or {}).get("version", version))
    client.write("POST", MODELS + "alias", name=name, alias=alias, version=number)
