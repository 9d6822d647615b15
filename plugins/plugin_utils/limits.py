# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and words that MLflow, or the database it keeps them in, would not take."""

from __future__ import annotations

import re
import typing as t
import unicodedata

from ..module_utils._registry import PROMPT_TAGS
from .names import quoted

Team = t.Dict[str, t.Any]
Problems = t.Iterator[str]

# MLflow's own limit, and that of the column it is kept in, which SQLite does not mind.
EXPERIMENT_NAME, EXPERIMENT_COLUMN = 500, 256
MODEL_NAME = 256
PROMPT = 100_000
GROUP_NAME, GROUP_DESCRIPTION, MODEL_DESCRIPTION = 255, 1024, 5000
# The column that both are kept in, and MLflow's own limits, which are what counts with SQLite.
TAG_COLUMN, EXPERIMENT_TAG, MODEL_TAG = 5000, 20_000, 100_000
# To which names that differ in case, in how an accent is written, or in blanks at the end are one name.
FOLDING = ("mysql", "mssql")
TAG_KEY = 250
TAG_KEY_LETTERS = re.compile(r"[/\w.\- :]+")
LOCATION = 2048
# Of 200 characters that a run has for its artifacts' address, "/ID/artifacts" takes these.
LOCATION_COLUMN = 200 - 32 - len("//artifacts")


def limit_problems(team: Team) -> Problems:
    """What is too long or has letters that end it, each with the number that would do."""
    on_sqlite = team["backend_store_uri"].startswith("sqlite")
    yield from _experiment_problems(team["experiments"], on_sqlite)
    yield from _model_problems(team["registered_models"], on_sqlite)
    yield from _model_problems(team["prompts"], on_sqlite, "prompts")
    for prompt in team["prompts"]:
        yield from _prompt_problems(prompt)
    for group in team["groups"]:
        yield from _name_problems("groups", group["name"], GROUP_NAME)
        yield from _text_problems(f"groups: {group['name']}", group["description"], GROUP_DESCRIPTION)
    yield from _folded_problems(team, "backend_store_uri", ("experiments", "registered_models"))
    yield from _folded_problems(team, "auth_database_uri", ("users", "groups"))
    for name in team["keep_users"]:
        if not name.strip():
            yield "keep_users: a name must not be empty"


def _experiment_problems(experiments: list[dict[str, t.Any]], on_sqlite: bool) -> Problems:
    longest = EXPERIMENT_NAME if on_sqlite else EXPERIMENT_COLUMN
    for experiment in experiments:
        yield from _name_problems("experiments", experiment["name"], longest)
        if experiment["rename_from"] is not None:
            yield from _name_problems("experiments: rename_from", experiment["rename_from"], longest)
        length, most = len(experiment["artifact_location"] or ""), LOCATION if on_sqlite else LOCATION_COLUMN
        if length > most:
            yield f"experiments: {experiment['name']}: artifact_location: has {length} characters; {most} is the most"
        most = EXPERIMENT_TAG if on_sqlite else TAG_COLUMN
        yield from _tag_problems(f"experiments: {experiment['name']}", experiment["tags"], most)


def _model_problems(models: list[dict[str, t.Any]], on_sqlite: bool, key: str = "registered_models") -> Problems:
    most = MODEL_TAG if on_sqlite else TAG_COLUMN
    for model in models:
        yield from _name_problems(key, model["name"], MODEL_NAME)
        if model["name"].startswith("..") or model["name"] == ".":
            yield f"{key}: {quoted(model['name'])} is read as a path, which MLflow refuses; use another name"
        if model.get("rename_from") is not None:
            yield from _name_problems(f"{key}: rename_from", model["rename_from"], MODEL_NAME)
        yield from _text_problems(f"{key}: {model['name']}", model.get("description"), MODEL_DESCRIPTION)
        yield from _tag_problems(f"{key}: {model['name']}", model["tags"], most)


def _folded_problems(team: Team, option: str, keys: tuple[str, ...]) -> Problems:
    kind = re.split(r"[+:]", team[option], maxsplit=1)[0]
    for key in keys if kind in FOLDING else ():
        yield from _alike_problems(key, [thing["name"] for thing in team[key]], kind)


def _alike_problems(key: str, names: list[str], kind: str) -> Problems:
    found: dict[str, str] = {}
    for name in names:
        folded = unicodedata.normalize("NFKD", name).casefold().rstrip(" ")
        first = found.setdefault(folded, name)
        if first != name:
            yield f"{key}: {quoted(first)} and {quoted(name)} are one name to {kind}; give one of them another"


def _text_problems(where: str, text: str | None, most: int) -> Problems:
    if "\0" in (text or ""):
        yield f"{where}: description: has a NUL in it, which not every database keeps; leave it out"
    elif len(text or "") > most:
        yield f"{where}: description: {most} characters are the most"


def _name_problems(key: str, name: str, longest: int) -> Problems:
    # Odd names are people's own, and a server that has them is to be described as it is.
    if not name.strip() and key.endswith("rename_from"):
        yield f"{key}: a name must not be empty; leave it out"
    elif "\0" in name:
        yield f"{key}: {quoted(name)} has a NUL in it, which not every database keeps; leave it out"
    elif len(name) > longest:
        yield f"{key}: {quoted(name)} has {len(name)} characters; {longest} is the most that its database takes"


def _prompt_problems(prompt: dict[str, t.Any]) -> Problems:
    where, text = f"prompts: {quoted(prompt['name'])}", prompt["template"]
    if text is not None and not 0 < len(text) <= PROMPT:
        yield f"{where}: template: has {len(text)} characters; MLflow takes 1 to {PROMPT}"
    for key in PROMPT_TAGS:
        if key in prompt["tags"]:
            yield f"{where}: tags: '{key}' is MLflow's own; leave it out"


def _tag_problems(where: str, tags: dict[t.Any, t.Any], most: int) -> Problems:
    for key, value in tags.items():
        if not isinstance(key, str) or not TAG_KEY_LETTERS.fullmatch(key) or len(key) > TAG_KEY:
            yield (
                f"{where}: tags: {quoted(str(key))} is not a key that MLflow takes; use up to {TAG_KEY} letters, "
                "digits, blanks and _ - . : /"
            )
        if isinstance(value, (dict, list)):
            yield f"{where}: tags: {quoted(str(key))} is not text; write its value as text"
        elif "\0" in str(value):
            yield f"{where}: tags: {quoted(str(key))} has a NUL in its value; leave it out"
        elif len(str(value)) > most:
            yield f"{where}: tags: {quoted(str(key))} has {len(str(value))} characters; {most} is the most"
