"""What MLflow's own client asks again where a server cuts it off, or is not there: see docs/servers.md."""

import json
import subprocess
from pathlib import Path

import project
import pytest
import servers

PROGRAM = Path(__file__).with_name("mlflow_repeats.py")
# Makes something, or adds to it what would be there twice.
MAKING = {
    "experiments/create",
    "runs/create",
    "registered-models/create",
    "model-versions/create",
    "logged-models",
    "runs/log-inputs",
}
# Comes to the same however often it is sent.
REPEATABLE = {
    "runs/log-metric",
    "runs/log-batch",
    "runs/log-parameter",
    "runs/set-tag",
    "runs/update",
    "runs/search",
}
CUT_OFF = {"502", "503", "503, with when to come back", "504", "a cut connection", "no answer in time"}


@pytest.mark.parametrize("venv", [project.MLFLOW.name, *project.next_mlflows()])
def test_what_a_client_sends_again(venv):
    version = tuple(int(part) for part in servers.version_of(project.BUILD / venv).split(".")[:2])
    command = [project.BUILD / venv / "bin" / "python", "-W", "ignore", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found.pop("reached late")
    again = {way: {path for path, times in sent.items() if times > 1} for way, sent in found.items()}
    given_up = MAKING if version >= (3, 18) else set()
    assert set(again) == {*CUT_OFF, "429"}
    assert again.pop("429") == MAKING | REPEATABLE
    assert again == dict.fromkeys(CUT_OFF, (MAKING | REPEATABLE) - given_up)
