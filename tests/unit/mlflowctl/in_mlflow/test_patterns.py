"""Whatever the number of an experiment looks like, a grant on it is looked up by the one that it is stored with."""

import pytest
from mlflowctl.in_mlflow import patterns


@pytest.mark.parametrize(
    ("kind", "name", "wanted"),
    [
        ("experiment", "01", "1"),
        ("experiment", " +1", "1"),
        ("experiment", "\uff11", "1"),
        ("experiment", "1", "1"),
        ("experiment", "one", "one"),
        ("experiment", None, None),
        ("experiment", 1, "1"),
        ("experiment", 1.9, "1"),
        ("experiment", True, "1"),
        ("experiment", float("inf"), float("inf")),
        ("registered_model", 1, 1),
        ("scorer", "01/judge/2", "1/judge/2"),
        ("registered_model", "01", "01"),
        ("workspace", "*", "*"),
    ],
)
def test_it_is_one_number(kind, name, wanted):
    looked_up = patterns.got_of_one_number(lambda _self, _user, _kind, name, _workspace: name)
    taken = []
    patterns.taken_of_one_number(lambda _self, _kind, name: taken.append(name))(None, kind, name)
    assert looked_up(None, 7, kind, name, "default") == wanted
    assert patterns.of_one_number(lambda pattern, _kind, name: pattern == name)(wanted, kind, name)
    assert taken == [wanted]
