"""Each MLflow says by its own files which tables are its own: all that it makes, and no others."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import project
from lab import Lab
from mlflowctl.databases.own_tables import known_to

# What studies of Optuna are kept in, beside the table of alembic's that it shares with MLflow.
OPTUNA = {"studies", "study_directions", "trials", "trial_params", "trial_values", "version_info"}


def made_in(*files: str) -> set[str]:
    found: set[str] = set()
    for file in files:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            found |= {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {name for name in found if not name.startswith("sqlite_")}


def test_each_table_of_a_server_is_known(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "opt").mkdir()
    name = Path(lab.databases[0]).parent.name
    (tmp_path / "opt" / name).symlink_to(project.BUILD / name)
    auth, tracking = known_to(tmp_path / "opt", "auth"), known_to(tmp_path / "opt", "tracking")
    made = made_in(*lab.databases)
    assert len(made) > 20
    assert made <= auth | tracking
    assert auth & made == {name for name in made if name.startswith(("user", "alembic_version_auth", "role"))} | {
        name for name in made if name.endswith("_permissions")
    }
    assert not auth & tracking
    assert not OPTUNA & (auth | tracking)
