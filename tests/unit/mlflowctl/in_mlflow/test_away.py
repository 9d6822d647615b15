"""Who cannot be looked up is told to ask again, and not that the log-in is wrong."""

import asyncio
import json
import sys
import types

import pytest
from mlflowctl.in_mlflow import asking, away


class NotFoundError(Exception):
    """As MLflow says that nobody has a name, or that its database is away."""

    def __init__(self, error_code):
        super().__init__(error_code)
        self.error_code = error_code


class Store:
    """Of people, as MLflow has it."""

    def __init__(self):
        self.errors = []

    def authenticate_user(self, name, password):
        return self.get_user(name) == password

    def get_user(self, name):
        for error in self.errors:
            raise error
        return name


@pytest.fixture
def store(monkeypatch):
    it = Store()
    monkeypatch.setitem(sys.modules, asking.AUTH, types.SimpleNamespace(store=it))
    return it


async def mlflow(scope, _receive, send):
    """Let in whom it finds, as MLflow's newer routes do: whatever comes of the look."""

    def look():
        store = sys.modules[asking.AUTH].store
        try:
            return store.authenticate_user(scope["name"], scope["password"]) and store.get_user(scope["name"])
        except Exception:  # noqa: BLE001 - as there
            return None

    # Older routes look in a thread.
    person = await asyncio.to_thread(look)
    await send({"type": "http.response.start", "status": 200 if person else 401, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def answered(app, password="alice", name="alice"):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": "http", "name": name, "password": password}, None, send))
    assert [it["type"] for it in sent] == ["http.response.start", "http.response.body"]
    return sent[0]["status"], sent[1]["body"]


def test_who_is_found_is_let_in_and_a_wrong_password_is_refused(store):
    app = away.around(mlflow)
    assert answered(app)[0] == 200
    assert answered(app, "wrong")[0] == 401


@pytest.mark.parametrize("error", [NotFoundError("TEMPORARILY_UNAVAILABLE"), NotFoundError("BAD_REQUEST"), OSError()])
def test_who_cannot_be_looked_up_asks_again(store, error):
    app = away.around(mlflow)
    store.errors = [error]
    status, body = answered(app)
    assert (status, json.loads(body)["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    # One request says nothing about the next.
    store.errors = []
    assert answered(app, "wrong")[0] == 401


def test_a_name_that_nobody_can_have_is_no_sign_of_it(store):
    app = away.around(mlflow)
    store.errors = [NotFoundError("BAD_REQUEST")]
    assert answered(app, name="a\0lice")[0] == 401


def test_who_is_not_there_is_refused(store):
    app = away.around(mlflow)
    store.errors = [NotFoundError("RESOURCE_DOES_NOT_EXIST")]
    assert answered(app)[0] == 401


def test_where_mlflow_knows_nobody_nothing_is_changed(monkeypatch):
    monkeypatch.delitem(sys.modules, asking.AUTH, raising=False)
    assert away.around(mlflow) is mlflow
