"""Whether a server's routes find a store that signs addresses: where that is wanted, and each way for itself."""

import sys
import types

import pytest
from mlflowctl.in_mlflow import asking, presigned

SIGNS = type("Signs", (), {})


@pytest.fixture
def handlers(monkeypatch):
    """What stands for MLflow's routes."""
    found = types.ModuleType(presigned.HANDLERS)
    found.__dict__.update(dict.fromkeys(presigned.KINDS, SIGNS))
    for name, module in {"mlflow": None, "mlflow.server": None, presigned.HANDLERS: found, asking.AUTH: found}.items():
        monkeypatch.setitem(sys.modules, name, module or types.ModuleType(name))
    for setting in (presigned.UPLOADS, presigned.DOWNLOADS):
        monkeypatch.delenv(setting, raising=False)
    return found


@pytest.mark.parametrize(
    ("settings", "signed"),
    [
        ({}, []),
        ({presigned.UPLOADS: "false", presigned.DOWNLOADS: ""}, []),
        ({presigned.UPLOADS: "true"}, ["MultipartUploadMixin", "PresignedUploadMixin"]),
        ({presigned.DOWNLOADS: "True"}, ["MultipartDownloadMixin"]),
        ({presigned.UPLOADS: "1", presigned.DOWNLOADS: "true"}, list(presigned.KINDS)),
    ],
)
def test_each_way_is_closed_unless_it_is_wanted(handlers, monkeypatch, settings, signed):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    presigned.close()
    assert [kind for kind in presigned.KINDS if isinstance(SIGNS(), getattr(handlers, kind))] == signed


def test_a_version_that_calls_them_otherwise_is_not_served(handlers):
    del handlers.MultipartDownloadMixin
    with pytest.raises(RuntimeError, match=r"no MultipartDownloadMixin in mlflow\.server\.handlers"):
        presigned.close()


def test_what_is_none_of_mlflow_s_is_left_alone(handlers, monkeypatch):
    monkeypatch.delitem(sys.modules, asking.AUTH)
    presigned.close()
    assert handlers.PresignedUploadMixin is SIGNS
