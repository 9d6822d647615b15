"""Who may make things: those who are declared to, as it stands at that moment, and admins."""

import asyncio
import json
import sys
import types

import pytest
from mlflowctl.in_mlflow import asking, creators


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "creators.json"
    file.write_text(json.dumps(["alice", "bob o'b"]))
    return file


@pytest.mark.parametrize(
    ("name", "may"),
    [("alice", True), ("bob o'b", True), ("Alice", False), ("ali", False), ("root", True), ("", False), (None, False)],
)
def test_those_who_are_declared_and_admins(path, name, may):
    assert creators.may_create(str(path), name, lambda who: who == "root") is may


def test_who_is_not_known_is_not_even_asked_about(path):
    def is_admin(_name):
        raise AssertionError

    assert not creators.may_create(str(path), None, is_admin)
    assert creators.may_create(str(path), "alice", is_admin)


def test_it_is_read_anew_each_time_and_without_it_nobody_may(path):
    path.write_text("[]")
    assert not creators.may_create(str(path), "alice", lambda _name: False)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        creators.may_create(str(path), "alice", lambda _name: True)


class Refused(Exception):
    def __init__(self, message, error_code):
        super().__init__(message)
        self.error_code = error_code


@pytest.fixture
def mlflow(monkeypatch):
    """As much of MLflow and of SQLAlchemy as is asked; what is listened to is in its `heard`."""
    heard = {}
    tables = {name: type(name, (), {}) for name in ("SqlExperiment", "SqlRegisteredModel", "SqlMCPServer")}
    store = types.SimpleNamespace(get_user=lambda name: types.SimpleNamespace(is_admin=name == "root"))
    modules = {
        "mlflow.exceptions": types.SimpleNamespace(MlflowException=Refused),
        "mlflow.protos.databricks_pb2": types.SimpleNamespace(PERMISSION_DENIED=3),
        "mlflow.server.auth": types.SimpleNamespace(store=store),
        "mlflow.store.tracking.dbmodels.models": types.SimpleNamespace(**tables),
        "mlflow.store.model_registry.dbmodels.models": types.SimpleNamespace(**tables),
        "sqlalchemy.event": types.SimpleNamespace(
            listen=lambda table, _when, what, propagate: heard.update({table.__name__: what})
        ),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return types.SimpleNamespace(heard=heard, modules=modules)


def served(app, mlflow, table, user):
    """Answer a request of somebody's that writes a row; return what is raised."""
    wanted = {"type": "http"}

    async def inner(_scope, _receive, _send):
        asking.learns(lambda: types.SimpleNamespace(username=user))()
        mlflow.heard[table](None, None, None)

    app.app = inner
    asyncio.run(app(wanted, None, None))


@pytest.mark.parametrize("user", ["alice", "root"])
@pytest.mark.parametrize("table", ["SqlExperiment", "SqlRegisteredModel", "SqlMCPServer"])
def test_rows_of_those_who_may_are_written(path, mlflow, monkeypatch, table, user):
    monkeypatch.setenv(creators.SETTING, str(path))
    served(creators.around(None), mlflow, table, user)


@pytest.mark.parametrize(("user", "who"), [("mallory", "'mallory'"), (None, "who is not logged in")])
def test_no_row_of_others_is_written(path, mlflow, monkeypatch, user, who):
    monkeypatch.setenv(creators.SETTING, str(path))
    app = creators.around(None)
    with pytest.raises(Refused, match=f"{who} may not make experiments on this server") as refused:
        served(app, mlflow, "SqlExperiment", user)
    assert refused.value.error_code == 3
    # Nor what nobody has asked for.
    with pytest.raises(Refused):
        mlflow.heard["SqlRegisteredModel"](None, None, None)


def test_an_mlflow_that_keeps_them_elsewhere_does_not_start(path, mlflow, monkeypatch):
    monkeypatch.setenv(creators.SETTING, str(path))
    del mlflow.modules["mlflow.store.tracking.dbmodels.models"].SqlMCPServer
    creators.around(None)
    assert set(mlflow.heard) == {"SqlExperiment", "SqlRegisteredModel"}
    del mlflow.modules["mlflow.store.tracking.dbmodels.models"].SqlExperiment
    with pytest.raises(RuntimeError, match="no SqlExperiment"):
        creators.around(None)


def test_where_nobody_is_declared_nothing_is_changed(mlflow, monkeypatch):
    monkeypatch.delenv(creators.SETTING, raising=False)
    app = object()
    assert creators.around(app) is app
    assert mlflow.heard == {}
