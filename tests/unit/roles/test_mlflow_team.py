"""What mlflow-team sets for a command."""

import os
import subprocess

import project
import pytest

PROGRAM = project.ROOT / "roles" / "mlflow_client" / "files" / "mlflow-team"


def in_team(home, uri, **environment):
    """Run a command in a team; return its environment."""
    directory = home / ".config" / "mlflow"
    directory.mkdir(parents=True)
    (directory / "vision.env").write_text(f"MLFLOW_TRACKING_URI='{uri}'\n")
    given = {"PATH": os.environ["PATH"], "HOME": str(home), **environment}
    command = ["sh", "-eu", PROGRAM, "vision", "env", "-0"]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.split("\0") if line)


@pytest.mark.parametrize(
    ("uri", "before", "after"),
    [
        ("https://vision.mlflow.example.org", {}, "vision.mlflow.example.org"),
        ("https://mlflow.example.org:8443/vision", {}, "mlflow.example.org"),
        ("http://10.0.0.5:5001", {"no_proxy": "a,b", "NO_PROXY": "a,b"}, "10.0.0.5,a,b"),
        ("http://10.0.0.5:5001", {"NO_PROXY": "a,b"}, "10.0.0.5,a,b"),
        ("http://mlflow1:5001", {"no_proxy": "*", "NO_PROXY": "*"}, "*"),
    ],
)
def test_the_server_of_a_team_is_never_asked_through_a_proxy(tmp_path, uri, before, after):
    found = in_team(tmp_path, uri, http_proxy="http://proxy.example.org:3128", **before)
    assert (found["no_proxy"], found["NO_PROXY"]) == (after, after)
    assert found["MLFLOW_TRACKING_URI"] == uri
    assert {"host", "others", "team"} & set(found) == set()
    assert found["http_proxy"] == "http://proxy.example.org:3128"
