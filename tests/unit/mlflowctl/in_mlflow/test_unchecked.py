"""Whether each route has something that asks who may: MLflow's own where it has that."""

import sys
import types

import pytest
from mlflowctl.in_mlflow import asking, unchecked

METRICS = "/2.0/mlflow/metrics/get-history-bulk-interval"


@pytest.fixture
def auth(monkeypatch):
    """What stands for MLflow's module that knows people, and asks about one of two paths."""
    found = types.ModuleType(asking.AUTH)
    for name in unchecked.ROUTES.values():
        setattr(found, name, name)
    checks = {(f"/ajax-api{METRICS}", "GET"): "its own", (f"/api{METRICS}", "GET"): None}
    setattr(found, unchecked.CHECKS, checks)
    monkeypatch.setitem(sys.modules, asking.AUTH, found)
    return found


def test_what_nobody_asks_about_is_asked_about(auth):
    unchecked.close()
    found = getattr(auth, unchecked.CHECKS)
    assert found[f"/ajax-api{METRICS}", "GET"] == "its own"
    assert found[f"/api{METRICS}", "GET"] == "validate_can_read_metric_history_bulk_interval"
    assert found["/ajax-api/2.0/mlflow/runs/outputs", "POST"] == "validate_can_update_run"
    assert len(found) == 2 * len(unchecked.ROUTES)


def test_what_is_none_of_mlflow_s_is_left_alone(auth, monkeypatch):
    monkeypatch.delitem(sys.modules, asking.AUTH)
    unchecked.close()
    assert len(getattr(auth, unchecked.CHECKS)) == 2
