"""What a program in a team's MLflow has loaded stays, and nobody looks through it for what could go."""

from __future__ import annotations

import gc
import importlib
import sys
import types
from collections.abc import Iterator

import pytest
from mlflowctl.in_mlflow import __main__ as begun


@pytest.fixture
def looks() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)
    gc.unfreeze()


def begin(monkeypatch: pytest.MonkeyPatch, name: str, fails: bool = False) -> list[tuple[int, int, int]]:
    seen = []

    def main() -> None:
        seen.append(gc.get_threshold())
        if fails:
            sys.exit("it is not there")

    monkeypatch.setattr(sys, "argv", ["in_mlflow", name])
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(importlib, "import_module", lambda _name: types.SimpleNamespace(main=main))
    begun.main()
    return seen


def test_nobody_looks_for_what_could_go(monkeypatch: pytest.MonkeyPatch, looks: tuple[int, int, int]) -> None:
    (seen,) = begin(monkeypatch, "migrate")
    assert seen[0] == begun.ALLOCATIONS_BETWEEN_LOOKS > looks[0]
    assert gc.get_freeze_count() > 0


def test_nor_where_it_fails(monkeypatch: pytest.MonkeyPatch, looks: tuple[int, int, int]) -> None:
    with pytest.raises(SystemExit, match="it is not there"):
        begin(monkeypatch, "migrate", fails=True)
    assert gc.get_freeze_count() > 0


def test_a_server_sees_to_that_itself(monkeypatch: pytest.MonkeyPatch, looks: tuple[int, int, int]) -> None:
    assert begin(monkeypatch, "serve") == [looks]
