# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and words that MLflow, or the database it keeps them in, would not take."""

from __future__ import annotations

import re
import typing as t

from ..module_utils._registry import PROMPT_TAGS
from .names import quoted

Team = t.Dict[str, t.Any]
Problems = t.Iterator[str]

# MLflow's own limit, and that of the column it is kept in, which SQLite does not mind.
EXPERIMENT_NAME, EXPERIMENT_COLUMN = 500, 256
MODEL_NAME = 256
GROUP_NAME, GROUP_DESCRIPTION = 255, 1024
PROMPT = 100_000
TAG_KEY = 250
TAG_KEY_LETTERS = re.compile(r"[/\w.\- :]+")
LOCATION = 2048
# Of 200 characters that a run has for its artifacts' address, "/ID/artifacts" takes these.
LOCATION_COLUMN = 200 - 32 - len("//artifacts")


def limit_problems(team: Team) -> Problems:
    """What is too long or has letters that end it, each with the number that would do."""
    on_sqlite = team["backend_store_uri"].startswith("sqlite")
    longest = EXPERIMENT_NAME if on_sqlite else EXPERIMENT_COLUMN
    for experiment in team["experiments"]:
        yield from _name_problems("experiments", experiment["name"], longest)
        if experiment["rename_from"] is not None:
            yield from _name_problems("experiments: rename_from", experiment["rename_from"], longest)
        length, most = len(experiment["artifact_location"] or ""), LOCATION if on_sqlite else LOCATION_COLUMN
        if length > most:
            yield f"experiments: {experiment['name']}: artifact_location: has {length} characters; {most} is the most"
        yield from _tag_problems(f"experiments: {experiment['name']}", experiment["tags"])
    for key in ("registered_models", "prompts"):
        for model in team[key]:
            yield from _name_problems(key, model["name"], MODEL_NAME)
            if model["name"].startswith("..") or model["name"] == ".":
                yield f"{key}: {quoted(model['name'])} is read as a path, which MLflow refuses; use another name"
            yield from _tag_problems(f"{key}: {model['name']}", model["tags"])
    for prompt in team["prompts"]:
        yield from _text_problems(f"prompts: {quoted(prompt['name'])}", prompt)
    for group in team["groups"]:
        yield from _name_problems("groups", group["name"], GROUP_NAME)
        if len(group["description"] or "") > GROUP_DESCRIPTION:
            yield f"groups: {group['name']}: description: {GROUP_DESCRIPTION} characters are the most"


def _name_problems(key: str, name: str, longest: int) -> Problems:
    # Odd names are people's own, and a server that has them is to be described as it is.
    if "\0" in name:
        yield f"{key}: {quoted(name)} has a NUL in it, which not every database keeps; leave it out"
    elif len(name) > longest:
        yield f"{key}: {quoted(name)} has {len(name)} characters; {longest} is the most that its database takes"


def _text_problems(where: str, prompt: dict[str, t.Any]) -> Problems:
    text = prompt["template"]
    if text is not None and not 0 < len(text) <= PROMPT:
        yield f"{where}: template: has {len(text)} characters; MLflow takes 1 to {PROMPT}"
    for key in PROMPT_TAGS:
        if key in prompt["tags"]:
            yield f"{where}: tags: '{key}' is MLflow's own; leave it out"


def _tag_problems(where: str, tags: dict[t.Any, t.Any]) -> Problems:
    for key, value in tags.items():
        if not isinstance(key, str) or not TAG_KEY_LETTERS.fullmatch(key) or len(key) > TAG_KEY:
            yield (
                f"{where}: tags: {quoted(str(key))} is no key that MLflow takes; use up to {TAG_KEY} letters, digits, "
                "blanks and _ - . : /"
            )
        if isinstance(value, (dict, list)):
            yield f"{where}: tags: {quoted(str(key))} is no text; write its value as text"
        elif "\0" in str(value):
            yield f"{where}: tags: {quoted(str(key))} has a NUL in its value; leave it out"
