"""Read a declaration of one team, or of several, and what is wrong with it."""

import copy

from ansible_collections.mlops.mlflow.plugins.lookup.teams import DEFAULTS, DOCUMENTATION
from ansible_collections.mlops.mlflow.plugins.plugin_utils.declaration import read_teams, team_schema

SCHEMA = team_schema(DOCUMENTATION)
CANARY = "canary-pass-word"


def team(name="vision", port=5001, **settings):
    return {"name": name, "port": port, "admin_password": CANARY, **settings}


def faults(*teams, packages=None):
    """Every fault, after making sure that each is one line, and that none shows a secret."""
    declared = copy.deepcopy(list(teams))
    more = [] if packages is None else [packages]
    found = read_teams(
        [(f"mlflow_teams: number {n}", each) for n, each in enumerate(declared, 1)], SCHEMA, DEFAULTS, *more
    )
    assert declared == list(teams), "the declaration itself was changed"
    for line in found[1]:
        assert line.isprintable(), line
        assert "canary" not in line
    return found[1]


def fault_of(**settings):
    """The only fault of one team, without its name."""
    (line,) = faults(team(**settings))
    assert line.startswith("mlflow_teams: vision: "), line
    return line.removeprefix("mlflow_teams: vision: ")
