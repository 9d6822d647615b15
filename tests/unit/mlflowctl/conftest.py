"""This host's own paths for each test, whatever the one before has put in their place."""

import pytest
from mlflowctl import paths


@pytest.fixture(autouse=True)
def own_paths():
    """Let each test begin with this host's own paths."""
    yield
    paths.HERE = paths.Paths()
