"""A team's settings are read as systemd gives them to its server."""

import pytest
from mlflowctl import environment_file
from unit.mlflowctl.environment_cases import CASES


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_is_read_as_by_systemd(text, expected):
    assert environment_file.parse(text) == expected
