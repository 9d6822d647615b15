"""Within which experiment a place is, however it is spelt."""

from __future__ import annotations

import posixpath
import sys
import types
import typing as t
from pathlib import Path

import pytest
from mlflowctl.in_mlflow import places


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("{root}/7", ["7"]),
        ("{root}/7/run/artifacts/x", ["7"]),
        ("file://{root}/7", ["7"]),
        ("file:{root}/7", ["7"]),
        ("file://localhost{root}/7", ["7"]),
        ("FILE://{root}/7", ["7"]),
        ("file://{root}/%37/x", ["7"]),
        ("file://{root}%252F7/x", ["7"]),
        ("file://{root}/x/../7?y=z", ["7"]),
        ("{root}/./7//x?y", ["7"]),
        ("{link}/7/x", ["7"]),
        ("{root}/007", ["7"]),
        ("mlflow-artifacts:/7", ["7"]),
        ("mlflow-artifacts:7/x", ["7"]),
        ("mlflow-artifacts://host:80/7/x", ["7"]),
        ("mlflow-artifacts:/%2537", ["7"]),
        ("http://host/api/2.0/mlflow-artifacts/artifacts/7/x", ["7"]),
        ("{root}", []),
        ("{root}/x/7", []),
        ("{root}-else/7", []),
        ("{root}/../7", []),
        ("mlflow-artifacts:/", []),
        ("mlflow-artifacts:/x/7", []),
        ("mlflow-artifacts:/7x", []),
        ("s3://bucket/7", []),
        ("file:///\0/7", []),
        ("", []),
    ],
)
def test_where_the_store_is_a_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str, found: list[str]
) -> None:
    root, link = tmp_path / "artifacts", tmp_path / "link"
    root.mkdir()
    link.symlink_to(root)
    for spelt in (str(root), f"file://{root}", str(link)):
        monkeypatch.setenv("MLFLOW_ARTIFACTS_DESTINATION", spelt)
        assert places.experiments_at(place.format(root=root, link=link)) == found, spelt


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("s3://bucket/nlp/7", ["7"]),
        ("S3://bucket/nlp//7/x", ["7"]),
        ("s3://bucket/nlp/%37", ["7"]),
        ("s3://bucket/x/../nlp/7", ["7"]),
        ("mlflow-artifacts:/7", ["7"]),
        ("s3://bucket/7", []),
        ("s3://else/nlp/7", []),
        ("/nlp/7", []),
    ],
)
def test_where_it_is_a_bucket(monkeypatch: pytest.MonkeyPatch, place: str, found: list[t.Any]) -> None:
    monkeypatch.setenv("MLFLOW_ARTIFACTS_DESTINATION", "s3://bucket/nlp")
    assert places.experiments_at(place) == found


class Refused(Exception):
    """What stands for MLflow's exception."""

    @classmethod
    def invalid_parameter_value(cls, message: str) -> Refused:
        return cls(message)


@pytest.mark.parametrize("more", ["", "x", "1/run/artifacts", "1/api/2.0/mlflow-artifacts/artifacts"])
@pytest.mark.parametrize("scheme", ["http://x", "https://x:80", "HTTP://", "mlflow-artifacts:"])
def test_what_has_two_routes_is_nowhere(monkeypatch: pytest.MonkeyPatch, scheme: str, more: str) -> None:
    """MLflow, of which this is the line, takes what is between them."""
    monkeypatch.setitem(sys.modules, "mlflow.exceptions", types.SimpleNamespace(MlflowException=Refused))

    def destination(proxied_artifact_root: str, relative_path: str | None = None) -> str:
        return posixpath.join(proxied_artifact_root.split(places.ROUTE)[1].lstrip("/"), relative_path or "")

    found = places.of_one_route(destination)
    assert found(f"{scheme}{places.ROUTE}{more}", "x") == posixpath.join(more, "x")
    for between in ("", "1", "1/.."):
        with pytest.raises(Refused, match="twice"):
            found(proxied_artifact_root=f"{scheme}{places.ROUTE}{between}{places.ROUTE}{more}", relative_path="1")
