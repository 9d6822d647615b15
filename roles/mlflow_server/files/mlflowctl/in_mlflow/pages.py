"""Has a page of what somebody searches for be one of what they may read, and the next begin after these.

MLflow takes out of a page what they may not, and then says where the next one begins among all that was found, or that
there is one: so they learn how many others there are that fit what they search for, and by searching for its beginning
what any model, prompt or experiment is called and what its tags say, a prompt's text among these, letter by letter.

From MLflow 3.18 on it searches for experiments, logged models and MCP servers among those alone that somebody may read.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any

from mlflowctl.in_mlflow import asking, creators, parts, places, prompt_marks, renames

# By what MLflow takes things out of a page, where it does.
EXPERIMENTS, LOGGED_MODELS = "filter_search_experiments", "filter_search_logged_models"
MCP_SERVERS, MCP_ENDPOINTS = "_filter_search_mcp_servers", "_filter_search_mcp_endpoints"
# By what it says what somebody may read; the last, where versions of models are denied otherwise than these.
READS, READS_MODELS, READS_VERSIONS = (
    "_role_based_read_predicate",
    "_rm_or_prompt_read_predicate",
    "_rm_or_prompt_version_read_predicate",
)
MAY_MCP = "_get_mcp_server_permission"
# Looks, as whoever asks, for what others have made of it already, and would make versions of their prompts.
DEMO = "/mlflow/demo/generate"
# How many are looked at in one go, at most, where those that were asked for are not all readable.
AT_ONCE = 1000
OPEN = "people could learn by searches what they may not read"
# Gives for somebody what says whether they may read one.
Reads = Callable[[str], Callable[[Any], bool]]
# Finds it, by a search of MLflow's and what was asked of that.
Find = Callable[[Callable[..., Any], inspect.BoundArguments, str], Any]


def asks() -> str | None:
    """Return who asks, where that is somebody who may not read everything and is told what is found."""
    flask: Any = importlib.import_module("flask")
    request = asking.asking.get()
    who = request.user if request is not None else None
    if flask.has_request_context() and flask.request.path.endswith(DEMO):
        return None
    return who if who is not None and not creators.is_admin(who) else None


def page_of(entities: list[Any], token: Any) -> Any:
    """Return these as MLflow returns what is found."""
    return importlib.import_module("mlflow.store.entities").PagedList(entities, token)


def for_members(search: Callable[..., Any], find: Find) -> Callable[..., Any]:
    """Return what finds the same, and in this way for who may not read everything."""
    signature = inspect.signature(search)

    @functools.wraps(search)
    def searched(*values: Any, **named: Any) -> Any:
        who = asks()
        if who is None:
            return search(*values, **named)
        call = signature.bind(*values, **named)
        call.apply_defaults()
        return find(search, call, who)

    return searched


def of_readable(reads: Reads) -> Find:
    """Find what somebody may read, and begin each page after so many of these."""

    def find(search: Callable[..., Any], call: inspect.BoundArguments, who: str) -> Any:
        utils, asked = importlib.import_module("mlflow.utils.search_utils").SearchUtils, call.arguments
        wanted, start = asked["max_results"], max(utils.parse_start_offset_from_page_token(asked["page_token"]), 0)
        if wanted < 1:
            # Of models and prompts, MLflow takes it, and tells that there are any, or all but so many of the last ones.
            raise asking.invalid(f"max_results is 1 or more, and not {wanted}")
        asked["page_token"], may_read, seen, found = None, reads(who), 0, []
        while True:
            page = search(*call.args, **call.kwargs)
            for entity in filter(may_read, page):
                seen += 1
                if seen > start:
                    found.append(entity)
            # One more tells whether there is another page.
            if not page.token or len(found) > wanted:
                break
            more = max(2 * asked["max_results"], start + wanted + 1 - seen)
            asked["page_token"], asked["max_results"] = page.token, min(more, max(wanted, AT_ONCE))
        return page_of(found[:wanted], utils.create_page_token(start + wanted) if len(found) > wanted else None)

    return find


def in_readable(reads: Reads) -> Find:
    """Find what is in the experiments that somebody may read."""

    def find(search: Callable[..., Any], call: inspect.BoundArguments, who: str) -> Any:
        numbers = call.arguments["experiment_ids"] = list(filter(reads(who), call.arguments["experiment_ids"]))
        if call.arguments["page_token"]:
            # What looks for more to fill a page begins it in all that were asked for, and so did MLflow alone.
            utils = importlib.import_module("mlflow.utils.search_utils")
            token = utils.SearchLoggedModelsPaginationToken.decode(call.arguments["page_token"])
            token.experiment_ids = numbers
            call.arguments["page_token"] = token.encode()
        return search(*call.args, **call.kwargs) if numbers else page_of([], None)

    return find


def by(name: str, *kind: str, of: Callable[[Any], Any] = lambda entity: entity) -> Reads:
    """Return what says what somebody may read, as MLflow says it of a part of each."""

    def reads(who: str) -> Callable[[Any], bool]:
        may_read = getattr(asking.auth_of_mlflow(), name)(who, *kind)
        return lambda entity: bool(may_read(of(entity)))

    return reads


def mcp_servers(who: str) -> Callable[[Any], bool]:
    """Say which MCP servers somebody may read."""
    return lambda server: bool(getattr(asking.auth_of_mlflow(), MAY_MCP)(server.name, who).can_read)


def close() -> None:
    """Have MLflow search so."""
    auth = sys.modules.get(asking.AUTH)
    if auth is None or renames.has_grants_by_kind():
        # What is served is none of MLflow's, or one that is not deployed any more.
        return
    for name in (READS, READS_MODELS):
        parts.needed(asking.AUTH, name, OPEN)
    versions = READS_VERSIONS if hasattr(auth, READS_VERSIONS) else READS_MODELS
    tracking, models = (places.STORE, places.KIND), (prompt_marks.STORE, prompt_marks.KIND)
    experiments = by(READS, "experiment", of=lambda experiment: experiment.experiment_id)
    endpoints = by(READS, "mcp_server", of=lambda endpoint: endpoint.server_name)
    for where, name, find, until in (
        (models, "search_registered_models", of_readable(by(READS_MODELS)), None),
        (models, "search_model_versions", of_readable(by(versions)), None),
        (tracking, "search_experiments", of_readable(experiments), EXPERIMENTS),
        (tracking, "search_logged_models", in_readable(by(READS, "experiment")), LOGGED_MODELS),
        (tracking, "search_mcp_servers", of_readable(mcp_servers), MCP_SERVERS),
        (tracking, "search_mcp_access_endpoints", of_readable(endpoints), MCP_ENDPOINTS),
    ):
        if until is None or hasattr(auth, until):
            search = parts.needed(where[0], f"{where[1]}.{name}", OPEN)
            setattr(parts.needed(*where, OPEN), name, for_members(search, find))
