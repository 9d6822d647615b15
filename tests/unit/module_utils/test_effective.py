"""What everybody may do is worked out for as much as a person could read, whatever a server claims to have."""

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._effective import MOST, effective
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import Unsupported
from unit.engine import group, server, user

# How many users, groups that each is in, experiments and models make a server that is too large.
TOO_MANY = {
    "people": (10_000, 0, 1_000, 0),
    "experiments": (100, 0, MOST // 100, 0),
    "models": (100, 0, 0, MOST // 100),
    "groups": (100, 100, 1_000, 0),
}


@pytest.mark.parametrize("name", TOO_MANY)
def test_a_server_that_has_too_much_of_everything_is_refused_at_once(name):
    people, groups, experiments, models = TOO_MANY[name]
    names = [f"g{number}" for number in range(groups)]
    large = server(
        users=[user(f"u{number}", groups=names) for number in range(people)],
        groups=[group(each) for each in names],
        experiments=[f"e{number}" for number in range(experiments)],
        models=[f"m{number}" for number in range(models)],
    )
    with pytest.raises(Unsupported, match=f"{large.client.tracking_uri} has {people + 1} users"):
        effective(large, "READ")


def test_what_somebody_has_is_read_once_for_all_things(monkeypatch):
    people = [user("ann", groups=["readers"], experiment_1="EDIT"), user("bob", groups=["readers"])]
    found = server(people, [group("readers", experiment_all="READ")], [f"e{number}" for number in range(200)])
    read = []
    grants = found.grants
    monkeypatch.setattr(found, "grants", lambda holder: read.append(holder) or grants(holder))
    rows = effective(found, "NO_PERMISSIONS")
    assert len(rows) == 600
    assert next(row for row in rows if (row["user"], row["experiment"]) == ("ann", "e0")) == {
        "user": "ann",
        "experiment": "e0",
        "permission": "EDIT",
        "reasons": ["EDIT: granted", "READ: group readers on all"],
    }
    assert len(read) == len(set(read))
