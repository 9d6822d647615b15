"""Has nobody but admins make a prompt of a model or a model of a prompt, or a version of the one kind in the other.

To MLflow a prompt is a model with a tag that whoever may edit it could set or remove. From 3.13 on grants on the two
are of two kinds, so that none on it would be any longer, of those that deny it neither; and one on all of the other
kind would be, also for who changed it. A version that has the tag is found as one of a prompt by whoever reads these.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable
from typing import Any

from mlflowctl.in_mlflow import asking, creators, parts

STORE, KIND = "mlflow.store.model_registry.sqlalchemy_store", "SqlAlchemyStore"
CHANGES = (
    "set_registered_model_tag",
    "delete_registered_model_tag",
    "set_model_version_tag",
    "delete_model_version_tag",
    "create_model_version",
)
TAG = "mlflow.prompt.is_prompt"
OPEN = "people could make a prompt of a model that somebody is denied"


def says_prompt(tags: Iterable[Any]) -> bool:
    """Say whether these tags are a prompt's; of two of one key, the last counts."""
    return {tag.key: tag.value for tag in tags}.get(TAG, "").lower() == "true"


def is_wanted(
    tag: Any = None, key: str | None = None, tags: Iterable[Any] | None = None, **_others: Any
) -> bool | None:
    """Say whether a change wants a prompt; None where it leaves that."""
    if tag is not None or key is not None:
        return says_prompt([] if tag is None else [tag]) if TAG in (key, getattr(tag, "key", None)) else None
    return says_prompt(tags or [])


def of_its_kind(change: Callable[..., Any]) -> Callable[..., Any]:
    """Return what does the same, and for admins alone what makes a thing or its version one of the other kind."""
    signature = inspect.signature(change)

    @functools.wraps(change)
    def changed(self: Any, *values: Any, **named: Any) -> Any:
        request, given = asking.asking.get(), signature.bind(self, *values, **named).arguments
        wanted = is_wanted(**given) if request is not None else None
        if wanted is not None:
            is_prompt = says_prompt(self.get_registered_model(given["name"]).to_proto().tags)
            if wanted != is_prompt and not (request.user and creators.is_admin(request.user)):
                refuse(is_prompt)
        return change(self, *values, **named)

    return changed


def refuse(is_prompt: bool) -> None:
    """Say that it stays what it is."""
    message = f"the tag {TAG}: this is a {'prompt' if is_prompt else 'model'}, and only an admin makes it another thing"
    raise asking.denied(message)


def close() -> None:
    """Have MLflow keep to that."""
    if asking.AUTH not in sys.modules:
        # What is served is none of MLflow's.
        return
    kind = parts.needed(STORE, KIND, OPEN)
    for name in CHANGES:
        setattr(kind, name, of_its_kind(parts.needed(STORE, f"{KIND}.{name}", OPEN)))
