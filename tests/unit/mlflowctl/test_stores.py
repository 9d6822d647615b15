"""What is moved to other stores is moved by the team's MLflow, past its server and all that this is kept from."""

import os
import pwd

from mlflowctl import paths
from mlflowctl.stores import Move
from mlflowctl.team import Team

# Notes where it would look for what is a user's own.
PYTHON = """#!/bin/sh
echo "{\\"home\\": \\"$HOME\\"}"
"""


def test_nothing_is_read_in_a_home_that_the_server_writes_to(tmp_path):
    paths.HERE.changes = tmp_path / "changes"
    programs = tmp_path / "vision" / "venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").write_text(PYTHON)
    (programs / "python").chmod(0o755)
    account = pwd.getpwuid(os.geteuid()).pw_name
    database = {"name": "mlflow", "uri": "sqlite:////nowhere/mlflow.db", "file": "/nowhere/mlflow.db"}
    team = Team("vision", account, str(tmp_path), "", "admin", "READ", [database], None, [], config_dir=tmp_path)
    declared = {"team": {"databases": [database], "artifacts": None}, "environment": 'TRIED="1"\n'}
    assert Move(team, declared).ask("move_rows", {}) == {"home": str(tmp_path / "changes" / "vision")}
