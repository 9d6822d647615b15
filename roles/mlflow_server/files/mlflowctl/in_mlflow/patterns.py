"""Has a grant be on what it is on: no model is called as all are, and the number of an experiment is one number.

Grants on models and prompts stand with their name, those on all of them with `*`. Whoever makes a model, or gives one
another name, has the grants on it there: up to MLflow 3.17 on all of them, when they call it `*`. With the name of one
that is called so since before, or with it, goes all that users have and are denied on `*`. And `01` is another name
than `1` to grants and the same experiment to all else, so that nobody was denied it who wrote it so, and who deleted a
scorer so kept MANAGE on the next one of its name. Nor was anybody denied it who wrote it as a number in JSON, where
MLflow does not read it into one of its messages.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow import asking, creators, parts, prompt_marks, renames

ALL, OWN_NAMES, OWN_NUMBERS = "*", "_reject_wildcard_model_name", "canonical_resource_id"
NAMING = ("create_registered_model", "rename_registered_model")
ENDING = ("rename_registered_model", "delete_registered_model")
MATCHES, REQUIREMENTS = "matches", "mlflow.server.auth.requirements"
GRANTS, KIND, TAKE = "mlflow.server.auth.sqlalchemy_store", "SqlAlchemyStore", "delete_grants_for_resource"
# By what MLflow up to 3.16 looks grants up. Nothing is denied there, but somebody may have less than all others have.
GET = "get_role_permission_for_resource"
NUMBERED = ("experiment", "scorer")
NAMES_OPEN = "people could have all models by calling one *"
NUMBERS_OPEN = "people could name what they are denied in another way"


def not_as_all(change: Callable[..., Any]) -> Callable[..., Any]:
    """Return what does the same, and gives nothing the name of all."""
    signature = inspect.signature(change)

    @functools.wraps(change)
    def changed(self: Any, *values: Any, **named: Any) -> Any:
        given = signature.bind(self, *values, **named).arguments
        if given.get("new_name", given["name"]) == ALL:
            raise asking.invalid("no model or prompt is called *: to grants, that is all of them")
        return change(self, *values, **named)

    return changed


def not_of_all(change: Callable[..., Any]) -> Callable[..., Any]:
    """Return what does the same, and by admins alone with what is called as all are."""
    signature = inspect.signature(change)

    @functools.wraps(change)
    def changed(self: Any, *values: Any, **named: Any) -> Any:
        request, given = asking.asking.get(), signature.bind(self, *values, **named).arguments
        if given["name"] == ALL and request is not None and not (request.user and creators.is_admin(request.user)):
            raise asking.denied("what is called * stays: what users have and are denied on all would go with it")
        return change(self, *values, **named)

    return changed


def plain(kind: str, name: Any) -> Any:
    """Return what grants call a thing that a request may call otherwise."""
    return numbered(name) if kind in NUMBERED and isinstance(name, str | float | int) else name


# Of one experiment, each grant of who asks is asked.
@functools.lru_cache(maxsize=4096)
def numbered(name: str | float) -> str | float:
    """Return a name with the number that it begins with as it is stored; in JSON, it may be a number itself."""
    number, *rest = name.split("/", 1) if isinstance(name, str) else [name]
    try:
        return "/".join([str(int(number)), *map(str, rest)])
    except (OverflowError, ValueError):
        return name


def of_one_number(matches: Callable[..., bool]) -> Callable[..., bool]:
    """Return what says whether a grant is on a thing, whatever the number of its experiment looks like."""

    @functools.wraps(matches)
    def is_on(pattern: str, kind: str, name: Any) -> bool:
        return matches(pattern, kind, plain(kind, name))

    return is_on


def taken_of_one_number(take: Callable[..., None]) -> Callable[..., None]:
    """Return what takes all that users have on a thing, whatever the number of its experiment looks like."""

    @functools.wraps(take)
    def taken(self: Any, kind: str, name: Any, *others: Any, **options: Any) -> None:
        take(self, kind, plain(kind, name), *others, **options)

    return taken


def got_of_one_number(get: Callable[..., Any]) -> Callable[..., Any]:
    """Return what says what somebody may do with a thing, whatever the number of its experiment looks like."""

    @functools.wraps(get)
    def got(self: Any, user: Any, kind: str, name: Any, *others: Any, **options: Any) -> Any:
        return get(self, user, kind, plain(kind, name), *others, **options)

    return got


def close() -> None:
    """Have MLflow keep to that, where it does not itself."""
    auth = sys.modules.get(asking.AUTH)
    if auth is None:
        # What is served is none of MLflow's.
        return
    if not hasattr(auth, OWN_NAMES):
        models = parts.needed(prompt_marks.STORE, prompt_marks.KIND, NAMES_OPEN)
        for names, kept in ((NAMING, not_as_all), (ENDING, not_of_all)):
            for name in names:
                setattr(models, name, kept(parts.needed(prompt_marks.STORE, f"{prompt_marks.KIND}.{name}", NAMES_OPEN)))
    permissions: Any = importlib.import_module(renames.PERMISSIONS)
    if hasattr(permissions, OWN_NUMBERS) or renames.has_grants_by_kind():
        return
    grants = parts.needed(GRANTS, KIND, NUMBERS_OPEN)
    setattr(grants, TAKE, taken_of_one_number(parts.needed(GRANTS, f"{KIND}.{TAKE}", NUMBERS_OPEN)))
    if hasattr(permissions, renames.DENY):
        requirements: Any = importlib.import_module(REQUIREMENTS)
        setattr(requirements, MATCHES, of_one_number(parts.needed(REQUIREMENTS, MATCHES, NUMBERS_OPEN)))
    else:
        setattr(grants, GET, got_of_one_number(parts.needed(GRANTS, f"{KIND}.{GET}", NUMBERS_OPEN)))
