"""A host for the program that stands on each, and nothing of it left behind for the next test."""

import pytest
from mlflowctl import paths
from unit.mlflowctl.backup_lab import PASSWORD, Lab
from unit.mlflowctl.quick_key import replace_keys


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """An empty repository: making one takes as long as all the rest."""
    lab = Lab(tmp_path_factory.mktemp("empty"))
    assert lab.repo().make() is True
    replace_keys(lab.home / "repository", PASSWORD)
    return lab.home / "repository"


@pytest.fixture(autouse=True)
def _this_host():
    """Let each test begin with this host's own paths, and with systemd's own answers."""
    yield
    paths.HERE = paths.Paths()
    Lab.leave()
