"""Which environment variables a team may give to its server, compared with what each MLflow says that it takes."""

import json
import subprocess

import project
import pytest
from ansible_collections.mlops.mlflow.plugins.plugin_utils.environment import METRICS, OWN_VARIABLES
from unit.plugin_utils.refusals import CANARY, fault_of

# Options of a server that a team may still have: one without a setting of the team, with a check of its own.
ALLOWED = {METRICS}
OTHERS = [*project.OLDER_MLFLOWS, *project.next_mlflows()]
ENVIRONMENTS = [project.MLFLOW, *(project.BUILD / name for name in OTHERS)]
ASK = (
    "import json; from mlflow.cli import cli; print(json.dumps([name for each in cli.commands['server'].params "
    "for name in ([each.envvar] if isinstance(each.envvar, str) else each.envvar or [])]))"
)


@pytest.mark.parametrize("venv", ENVIRONMENTS, ids=lambda path: path.name)
def test_every_option_of_mlflow_server_is_said_in_another_way(venv):
    command = [venv / "bin" / "python", "-B", "-c", ASK]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    options = set(json.loads(done.stdout.splitlines()[-1]))
    assert {"MLFLOW_BACKEND_STORE_URI", "MLFLOW_ARTIFACTS_DESTINATION"} <= options
    for name in sorted(options - ALLOWED):
        said = fault_of(environment={name: CANARY})
        assert said == f"environment: {name} is set by the role; {OWN_VARIABLES[name]}"
