"""A host for the program that stands on each, and nothing of it left behind for the next test."""

import pytest
from programs.mlflowctl.backup_lab import PASSWORD, Lab
from programs.mlflowctl.quick_key import replace_keys
from unit.mlflowctl.conftest import own_paths

__all__ = ["empty", "own_paths", "own_systemd"]


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """An empty repository: making one takes as long as all the rest."""
    lab = Lab(tmp_path_factory.mktemp("empty"))
    assert lab.repo().make() is True
    replace_keys(lab.home / "repository", PASSWORD)
    return lab.home / "repository"


@pytest.fixture(autouse=True)
def own_systemd():
    """Let each test begin with systemd's own answers."""
    yield
    Lab.leave()
