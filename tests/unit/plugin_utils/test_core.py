"""Versions of ansible-core that nothing is begun with."""

import pytest
from ansible_collections.mlops.mlflow.plugins.plugin_utils.core import core_problems


@pytest.mark.parametrize("version", ["2.9.27", "2.16.14", "2.16.0rc1"])
def test_too_old(version):
    (line,) = core_problems(version)
    assert line == f"ansible-core: this is {version}, and mlops.mlflow needs 2.17 or later; upgrade it"


@pytest.mark.parametrize("version", ["2.17.0b1", "2.17.5", "2.19.14", "2.20.0", "3.0.0", ""])
def test_new_enough(version):
    assert list(core_problems(version)) == []
