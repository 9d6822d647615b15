"""Has nobody optimize a prompt that they may not edit, or by a dataset that they may not read.

MLflow asks for EDIT on the experiment in which that is noted, and from 3.17 on whether they are denied the prompt. The
rest is done by a job of its own, which asks nobody: it reads both, notes what is in them where who asked for it reads
it, and registers what comes out as a version of the prompt. What a dataset has for columns is noted at once, also where
no job follows. What names a prompt in another way than MLflow's pages do is refused, since it could be another one.
"""

from __future__ import annotations

import functools
import importlib
import re
import sys
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow import asking, parts, places, renames, unchecked

HANDLERS, MESSAGE, READ = "mlflow.server.handlers", "CreatePromptOptimizationJob", "_get_request_message"
TRACKING, REGISTRY, DATASETS = "_get_tracking_store", "_get_model_registry_store", "get_dataset_experiment_ids"
ASKED_BY = ("authenticate_request", "_get_role_permission_or_default", "_role_permission_for_known_workspace")
ROUTE = "3.0/mlflow/prompt-optimization/jobs"
# The letters are those that MLflow's client allows in the name of a prompt.
PROMPT = re.compile(r"prompts:/([\w.-]+)/\d+|prompts:/([\w.-]+)@[\w.-]+|([\w.-]+)", re.ASCII)
NOT_THERE = "RESOURCE_DOES_NOT_EXIST"
OPEN = "people could have it read prompts and datasets of others for them"


def may_edit(name: str, who: str) -> bool:
    """Say whether somebody may edit a prompt."""
    auth, handlers = asking.auth_of_mlflow(), importlib.import_module(HANDLERS)
    found = getattr(handlers, REGISTRY)().get_registered_model(name)
    kind = "prompt" if found._is_prompt() else "registered_model"
    level = auth._role_permission_for_known_workspace(who, kind, name, getattr(found, "workspace", None))
    return bool(auth._get_role_permission_or_default(level).can_update)


def may_read(dataset: str, who: str) -> bool:
    """Say whether somebody may read a dataset: all experiments that it is in."""
    store, level = getattr(importlib.import_module(HANDLERS), TRACKING)(), getattr(asking.auth_of_mlflow(), places.MAY)
    numbers = getattr(store, DATASETS)(dataset)
    return bool(numbers) and all(level(number, who).can_read for number in numbers)


def may_optimize(message: Any, who: str) -> bool:
    """Say whether somebody may have this done; what is not there nobody may."""
    exceptions: Any = importlib.import_module("mlflow.exceptions")
    named = PROMPT.fullmatch(message.source_prompt_uri)
    if named is None:
        raise asking.invalid("the prompt to optimize is named as prompts:/NAME/VERSION")
    dataset = message.config.dataset_id
    try:
        return may_edit(named[named.lastindex or 0], who) and (not dataset or may_read(dataset, who))
    except exceptions.MlflowException as error:
        if error.error_code != NOT_THERE:
            raise
        return False


def of_own(check: Callable[[], bool]) -> Callable[[], bool]:
    """Return what asks the same, and for what is read."""

    @functools.wraps(check)
    def may() -> bool:
        if not check():
            return False
        handlers: Any = importlib.import_module(HANDLERS)
        message = getattr(handlers, READ)(getattr(handlers, MESSAGE)())
        return may_optimize(message, asking.auth_of_mlflow().authenticate_request().username)

    return may


def close() -> None:
    """Have MLflow ask, where it optimizes prompts."""
    auth = sys.modules.get(asking.AUTH)
    if auth is None or renames.has_grants_by_kind():
        # What is served is none of MLflow's, or one that is not deployed any more.
        return
    for name in (MESSAGE, READ, TRACKING, REGISTRY):
        parts.needed(HANDLERS, name, OPEN)
    parts.needed(places.STORE, f"{places.KIND}.{DATASETS}", OPEN)
    for name in (*ASKED_BY, places.MAY):
        parts.needed(asking.AUTH, name, OPEN)
    unchecked.ask_more(ROUTE, "POST", of_own, OPEN)
