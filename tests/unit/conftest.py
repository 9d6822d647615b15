"""What every unit test begins with."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Leave no test with what a program that ran in this process has set for itself."""
    before = os.umask(0o022)
    yield
    os.umask(before)
