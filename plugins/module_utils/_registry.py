# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server tells of registered models and of prompts, which are registered models with a tag to it."""

from __future__ import annotations

import re

from ._listed import Facts
from ._shapes import Maybe, Misfit, named
from ._text import answerable

MODELS = "/api/2.0/mlflow/registered-models/"
VERSIONS = "/api/2.0/mlflow/model-versions/"

# By this tag MLflow tells prompts from models. The text of a version is in the other, its kind in the third.
IS_PROMPT = "mlflow.prompt.is_prompt"
TEXT = "mlflow.prompt.text"
TEXT_KIND = "_mlflow_prompt_type"
PROMPT_TAGS = (IS_PROMPT, TEXT, TEXT_KIND)
# What a version has to come from; that of a prompt comes from nowhere, and MLflow takes no other word for it.
NOWHERE = "dummy-source"

# Instead of a number: the newest version. No alias can be called so.
LATEST = "latest"
ALIAS = re.compile(r"[\w\-]{1,255}")
RESERVED = re.compile(r"latest|v\d+", re.IGNORECASE)


def _digits(value: object, where: str) -> None:
    """MLflow writes the numbers of versions as text."""
    if not isinstance(value, str) or not re.fullmatch("[0-9]{1,18}", value):
        raise Misfit(f"has {named(value)} as '{where}', which is not a version number")


TAGS = Maybe([{"key": str, "value": Maybe(str)}])
MODEL = {
    "name": str,
    "description": Maybe(str),
    "tags": TAGS,
    "aliases": Maybe([{"alias": str, "version": _digits}]),
    "latest_versions": Maybe([{"version": _digits, "tags": TAGS}]),
    "creation_timestamp": Maybe(int),
}


def tags_of(thing: Facts) -> dict[str, str]:
    return answerable({tag["key"]: tag.get("value") or "" for tag in thing.get("tags") or []})


def is_prompt(model: Facts) -> bool:
    """Whether a registered model is a prompt."""
    return tags_of(model).get(IS_PROMPT, "").lower() == "true"


def model_facts(model: Facts) -> Facts:
    """What the modules return about a registered model."""
    newest = _newest(model)
    return {
        "name": model["name"],
        "description": model.get("description") or "",
        "tags": tags_of(model),
        "aliases": answerable({found["alias"]: int(found["version"]) for found in model.get("aliases") or []}),
        "version": int(newest["version"]) if newest else None,
    }


def prompt_facts(model: Facts) -> Facts:
    """What the modules return about a prompt."""
    facts, newest = model_facts(model), _newest(model)
    tags = {key: value for key, value in facts["tags"].items() if key != IS_PROMPT}
    return {**facts, "tags": tags, "template": tags_of(newest).get(TEXT) if newest else None}


def _newest(model: Facts) -> Facts | None:
    # There is one for each stage that versions are in.
    return max(model.get("latest_versions") or [], key=lambda found: int(found["version"]), default=None)


def alias_problem(alias: object, version: object) -> str | None:
    """Why MLflow would not take an alias, or why it means no version; None as version takes it away."""
    if not isinstance(alias, str) or not ALIAS.fullmatch(alias):
        return f"aliases: {named(alias)} is not a valid alias; use up to 255 letters, digits, _ and -"
    if RESERVED.fullmatch(alias):
        return f"aliases: '{alias}' means a version already; use another word"
    if version in (None, LATEST) or (re.fullmatch("[1-9][0-9]{0,17}", str(version)) and version is not True):
        return None
    return f"aliases: {alias}: {named(str(version))} is not a valid version; give its number, or '{LATEST}'"
