"""A server in which something cannot be closed does not start, and says what it lacks."""

import functools
import re
import sys
import types

import pytest
from mlflowctl.in_mlflow import (
    asking,
    gateway_traces,
    one_by_one,
    one_reading,
    optimizations,
    pages,
    parts,
    patterns,
    places,
    presigned,
    prompt_marks,
    renames,
    scorer_denials,
    scorer_grants,
    trace_moves,
    trace_places,
    trace_runs,
    traces,
    unchecked,
)

APIS = ("api", "ajax-api")
BEGIN_OR_END = ("deprecated_start_trace_v2", "deprecated_end_trace_v2")
DENIALS = (*scorer_denials.CHECKS, scorer_denials.READS, *scorer_denials.ASKED_BY, *scorer_denials.READS_BY)
SEARCHES = {
    prompt_marks.STORE: ("search_registered_models", "search_model_versions"),
    places.STORE: (
        "search_experiments",
        "search_logged_models",
        "search_mcp_servers",
        "search_mcp_access_endpoints",
    ),
}
NEEDED = [
    (gateway_traces, asking.AUTH, "_get_experiment_permission"),
    (gateway_traces, places.STORE, "SqlAlchemyStore"),
    *(
        (gateway_traces, places.STORE, f"SqlAlchemyStore.{name}")
        for name in (gateway_traces.OWN, *gateway_traces.NAMING)
    ),
    (one_by_one, asking.AUTH, "BEFORE_REQUEST_VALIDATORS"),
    (one_by_one, "mlflow.server", "app.before_request_funcs"),
    (one_by_one, "mlflow.server", "app.teardown_request_funcs"),
    (one_reading, one_reading.HANDLERS, "_get_request_message"),
    (one_reading, one_reading.HANDLERS, "catch_mlflow_exception"),
    (one_reading, one_reading.HANDLERS, "parse_dict"),
    (one_reading, asking.AUTH, one_reading.IS_OPEN),
    (one_reading, "mlflow.server", "app.before_request_funcs"),
    *(
        (optimizations, optimizations.HANDLERS, name)
        for name in (optimizations.MESSAGE, optimizations.TRACKING, optimizations.REGISTRY)
    ),
    (optimizations, places.STORE, f"SqlAlchemyStore.{optimizations.DATASETS}"),
    *((optimizations, asking.AUTH, name) for name in optimizations.ASKED_BY),
    *((pages, asking.AUTH, name) for name in (pages.READS, pages.READS_MODELS)),
    *((pages, module, f"SqlAlchemyStore.{name}") for module, names in SEARCHES.items() for name in names),
    (patterns, prompt_marks.STORE, "SqlAlchemyStore"),
    *(
        (patterns, prompt_marks.STORE, f"SqlAlchemyStore.{name}")
        for name in sorted({*patterns.NAMING, *patterns.ENDING})
    ),
    (patterns, patterns.REQUIREMENTS, "matches"),
    (patterns, patterns.GRANTS, "SqlAlchemyStore"),
    (patterns, patterns.GRANTS, "SqlAlchemyStore.delete_grants_for_resource"),
    (places, places.HANDLERS, "_get_proxied_run_artifact_destination_path"),
    (places, places.STORE, "SqlAlchemyStore"),
    (places, places.STORE, "SqlAlchemyStore.create_experiment"),
    (places, asking.AUTH, "_get_experiment_permission"),
    (presigned, presigned.HANDLERS, "PresignedUploadMixin"),
    (prompt_marks, prompt_marks.STORE, "SqlAlchemyStore"),
    *((prompt_marks, prompt_marks.STORE, f"SqlAlchemyStore.{name}") for name in prompt_marks.CHANGES),
    (renames, asking.AUTH, "BEFORE_REQUEST_VALIDATORS"),
    (renames, asking.AUTH, "_get_request_param"),
    (renames, asking.AUTH, "store.list_roles"),
    (scorer_denials, asking.AUTH, "BEFORE_REQUEST_VALIDATORS"),
    *((scorer_denials, asking.AUTH, name) for name in DENIALS),
    (scorer_grants, asking.AUTH, scorer_grants.HANDLERS),
    (scorer_grants, scorer_grants.STORE_OF, scorer_grants.STORE),
    (scorer_grants, places.STORE, scorer_grants.VERSIONS),
    *((scorer_grants, asking.AUTH, name) for name in (scorer_grants.GIVES, scorer_grants.TAKES)),
    (trace_moves, trace_places.MODELS, "SqlTraceInfo"),
    (trace_moves, trace_places.MODELS, "SqlAssessments"),
    (trace_moves, traces.STORE, "SqlAlchemyStore"),
    (trace_moves, traces.STORE, "SqlAlchemyStore.start_trace"),
    (trace_moves, traces.STORE, "SqlAlchemyStore.log_spans"),
    (trace_places, trace_places.MODELS, "SqlTraceInfo"),
    (trace_places, trace_places.MODELS, "SqlTraceInfo.to_mlflow_entity"),
    (trace_places, trace_places.MODELS, "SqlExperiment"),
    *((trace_runs, asking.AUTH, name) for name in (trace_runs.REQUIREMENT, trace_runs.AUTHORIZE, trace_runs.CHECK)),
    (traces, traces.STORE, "SqlAlchemyStore"),
    (traces, traces.STORE, "SqlAlchemyStore.start_trace"),
    (traces, traces.STORE, "SqlAlchemyStore._get_trace_artifact_location_tag"),
    (traces, traces.STORE, "_validate_trace_tag"),
    (traces, traces.STORE, "get_artifact_repository"),
    (traces, traces.HANDLERS, "_get_trace_archive_repo"),
    (unchecked, asking.AUTH, "BEFORE_REQUEST_VALIDATORS"),
    (unchecked, asking.AUTH, "validate_can_update_run"),
]


def something(*_given, **given):
    """What stands for a function of MLflow's; it returns the tags that it is given."""
    return given.get("tags")


@pytest.fixture
def mlflow(monkeypatch):
    """As much of MLflow as is changed, by the names of its modules."""
    methods = ("create_experiment", "start_trace", "log_spans", "_get_trace_artifact_location_tag", *BEGIN_OR_END)
    methods += (
        "list_scorer_versions",
        optimizations.DATASETS,
        *gateway_traces.CHANGES,
        gateway_traces.OWN,
        "rename_experiment",
        *SEARCHES[places.STORE],
    )
    kind = type("SqlAlchemyStore", (), dict.fromkeys(methods, something))
    names = {
        places.STORE: {"SqlAlchemyStore": kind, "_validate_trace_tag": something, "get_artifact_repository": something},
        prompt_marks.STORE: {
            "SqlAlchemyStore": type(
                "SqlAlchemyStore",
                (),
                dict.fromkeys(
                    (*prompt_marks.CHANGES, *patterns.NAMING, *patterns.ENDING, *SEARCHES[prompt_marks.STORE]),
                    something,
                ),
            )
        },
        "flask": {},
        one_reading.SETTINGS: {},
        "mlflow.server": {"app": types.SimpleNamespace(before_request_funcs={}, teardown_request_funcs={})},
        patterns.REQUIREMENTS: {"matches": something},
        patterns.GRANTS: {"SqlAlchemyStore": type("SqlAlchemyStore", (), {patterns.TAKE: something})},
        trace_runs.ROUTES: {trace_runs.NAME: trace_runs.HEADER},
        places.HANDLERS: {
            places.DESTINATION: something,
            "_get_trace_archive_repo": something,
            one_reading.READ: something,
            one_reading.ANSWER: something,
            one_reading.PARSE: something,
            scorer_grants.STORE: something,
            optimizations.MESSAGE: something,
            optimizations.REGISTRY: something,
            **dict.fromkeys(presigned.KINDS, kind),
        },
        asking.AUTH: {
            places.MAY: something,
            **dict.fromkeys((one_reading.IS_OPEN, scorer_grants.GIVES, scorer_grants.TAKES), something),
            scorer_grants.HANDLERS: {},
            unchecked.CHECKS: {
                (f"/{api}/{route}", "POST"): something
                for api in APIS
                for route in ("2.0/mlflow/registered-models/rename", optimizations.ROUTE)
            },
            renames.PARAMETER: something,
            **dict.fromkeys(optimizations.ASKED_BY, something),
            **dict.fromkeys((name for name in DENIALS if "." not in name), something),
            **dict.fromkeys((pages.READS, pages.READS_MODELS, pages.EXPERIMENTS, pages.LOGGED_MODELS), something),
            **dict.fromkeys((pages.MCP_SERVERS, pages.MCP_ENDPOINTS), something),
            **dict.fromkeys((trace_runs.REQUIREMENT, trace_runs.CHECK), something),
            "store": types.SimpleNamespace(
                list_roles=something, _is_synthetic_role_name=something, _scorer_pattern=something
            ),
            **dict.fromkeys(unchecked.ROUTES.values(), something),
        },
        "mlflow.exceptions": {},
        renames.PERMISSIONS: {"DENY": something},
        renames.TABLES: {},
        trace_places.MODELS: {
            "SqlTraceInfo": type("SqlTraceInfo", (), {"to_mlflow_entity": something}),
            "SqlExperiment": something,
            "SqlAssessments": something,
        },
        "sqlalchemy.orm": {},
        traces.OF_ARCHIVES: {},
    }
    monkeypatch.setenv(one_by_one.SETTING, "/nowhere")
    modules = {}
    for name, found in names.items():
        modules[name] = types.ModuleType(name)
        modules[name].__dict__.update(found)
        monkeypatch.setitem(sys.modules, name, modules[name])
    return modules


@pytest.mark.parametrize("closing", list(dict.fromkeys(module for module, *_names in NEEDED)))
def test_where_all_is_there_it_is_closed(mlflow, closing):
    closing.close()


@pytest.mark.parametrize(("closing", "module", "name"), NEEDED)
def test_without_something_no_server_starts(mlflow, closing, module, name):
    *within, last = name.split(".")
    delattr(functools.reduce(getattr, within, mlflow[module]), last)
    with pytest.raises(RuntimeError, match=rf"this MLflow has no {name} in {module}, so that \w+ could .+"):
        closing.close()


@pytest.mark.parametrize("api", APIS)
def test_nor_where_a_route_has_moved(mlflow, api):
    route = f"/{api}/2.0/mlflow/registered-models/rename", "POST"
    del mlflow[asking.AUTH].BEFORE_REQUEST_VALIDATORS[route]
    missing = f"this MLflow has no {route[1]} {route[0]} in BEFORE_REQUEST_VALIDATORS of {asking.AUTH}, so that "
    with pytest.raises(RuntimeError, match=re.escape(missing + renames.OPEN)):
        renames.close()


def test_where_there_are_no_archives_nothing_is_missing(mlflow, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", types.ModuleType("mlflow"))
    monkeypatch.delitem(sys.modules, traces.OF_ARCHIVES)
    for module, name in traces.ARCHIVES:
        delattr(mlflow[module], name)
    traces.close()


def test_nor_without_a_whole_module(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", types.ModuleType("mlflow"))
    with pytest.raises(RuntimeError, match=r"no one in mlflow\.gone, so that nobody knows"):
        parts.needed("mlflow.gone", "one", "nobody knows")


def test_what_mlflow_asks_itself_needs_nothing(mlflow):
    auth = mlflow[asking.AUTH]
    auth.BEFORE_REQUEST_VALIDATORS = {
        (f"/{api}/2.0/mlflow/{route}", method): "its own" for route, method in unchecked.ROUTES for api in APIS
    }
    for name in set(unchecked.ROUTES.values()):
        delattr(auth, name)
    unchecked.close()
    assert set(auth.BEFORE_REQUEST_VALIDATORS.values()) == {"its own"}


@pytest.mark.parametrize("closing", [renames, scorer_denials])
@pytest.mark.parametrize("why", ["asks itself", "denies nothing"])
def test_an_mlflow_that_has_nothing_to_ask_for_is_left_alone(mlflow, closing, why):
    auth = mlflow[asking.AUTH]
    auth.BEFORE_REQUEST_VALIDATORS["a route of scorers", "PUT"] = auth.validate_can_update_online_scoring_config
    if why == "asks itself":
        setattr(auth, closing.OWN, something)
    else:
        del mlflow[renames.PERMISSIONS].DENY
    before = dict(auth.BEFORE_REQUEST_VALIDATORS)
    closing.close()
    # Without denials there is still what would leave grants with a former name.
    left_alone = why == "asks itself" or closing is scorer_denials
    assert (before == auth.BEFORE_REQUEST_VALIDATORS) == left_alone


def test_an_mlflow_that_links_no_trace_so_is_left_alone(mlflow):
    delattr(mlflow[trace_runs.ROUTES], trace_runs.NAME)
    trace_runs.close()
    assert getattr(mlflow[asking.AUTH], trace_runs.CHECK) is something


def refuses_all(_store, trace):
    """As MLflow 3.18 begins a trace."""
    if trace:
        raise ValueError(f"Trace with ID '{trace}' already exists in another experiment.")
    raise ValueError(f"Assessment with ID '{trace}' belongs to another trace.")


def refuses_traces(_store, location):
    """As it logs spans."""
    raise ValueError(f"Trace with ID '{location}' already exists in another experiment.")


@pytest.mark.parametrize(
    ("how", "asked"),
    [
        ({"_start_trace_once": refuses_all, "_log_spans_once": refuses_traces}, []),
        ({"start_trace": refuses_all, "log_spans": refuses_traces}, []),
        ({"_start_trace_once": refuses_traces, "_log_spans_once": refuses_traces}, ["start_trace"]),
        ({"_start_trace_once": refuses_all, "_log_spans_once": something}, ["log_spans"]),
        ({"_start_trace_once": functools.partial(refuses_all)}, ["start_trace", "log_spans"]),
        ({}, ["start_trace", "log_spans"]),
    ],
)
def test_only_what_mlflow_does_not_refuse_itself_is_asked_of_the_database(mlflow, how, asked):
    kind = mlflow[traces.STORE].SqlAlchemyStore
    for name, function in how.items():
        setattr(kind, name, function)
    # It may be changed by others of these before.
    traces.close()
    before = {name: getattr(kind, name) for name in ("start_trace", "log_spans")}
    trace_moves.close()
    assert [name for name, it in before.items() if getattr(kind, name) is not it] == asked


@pytest.mark.parametrize("gone", BEGIN_OR_END)
def test_a_former_way_to_begin_or_end_a_trace_is_closed_where_it_is_there(mlflow, gone):
    kind = mlflow[traces.STORE].SqlAlchemyStore
    delattr(kind, gone)
    traces.close()
    assert not hasattr(kind, gone)
    (there,) = {*BEGIN_OR_END} - {gone}
    tags = {"mlflow.artifactLocation": "file:///evil", "colour": "blue"}
    assert getattr(kind(), there)(tags=tags) == {"colour": "blue"}
