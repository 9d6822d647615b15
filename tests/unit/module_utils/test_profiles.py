"""Files with credentials say to their readers what was meant, and keep what somebody else wrote into them."""

import configparser
import subprocess

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._profiles import (
    account,
    environment,
    kept_account,
    with_account,
)

ALICE = ("alice", "p%41 '$x`\"\\#;=:end")
PASSWORDS = ["plain-enough", ALICE[1], "a b  c", "$(id)", "'", "%%s", "[mlflow]"]


def as_mlflow_reads(text):
    """Like mlflow.utils.credentials."""
    parser = configparser.ConfigParser()
    parser.read_string(text)
    if "mlflow" not in parser:
        return None, None
    return parser["mlflow"].get("mlflow_tracking_username"), parser["mlflow"].get("mlflow_tracking_password")


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_shell_reads_the_variables_back(password, tmp_path):
    file = tmp_path / "team.env"
    file.write_text(environment("https://x", "alice", password, "/ca bundle.crt"))
    show = 'set -a; . "$1"; exec env -0'
    shown = subprocess.run(["sh", "-c", show, "sh", file], capture_output=True, text=True, check=True).stdout
    found = dict(line.partition("=")[::2] for line in shown.split("\0") if line.startswith("MLFLOW_"))
    assert found == {
        "MLFLOW_TRACKING_URI": "https://x",
        "MLFLOW_TRACKING_USERNAME": "alice",
        "MLFLOW_TRACKING_PASSWORD": password,
        "MLFLOW_TRACKING_SERVER_CERT_PATH": "/ca bundle.crt",
    }
    assert account(file.read_text()) == ("alice", password)


def test_without_a_ca_nothing_is_said_of_one():
    assert "CERT" not in environment("https://x", "alice", "password", None)


def test_a_file_that_somebody_else_wrote_is_not_ours():
    assert account("MLFLOW_TRACKING_USERNAME=alice\nMLFLOW_TRACKING_PASSWORD=x\n") is None


@pytest.mark.parametrize("password", PASSWORDS)
def test_mlflow_reads_the_account_back(password):
    text = with_account("", ("alice", password))
    assert as_mlflow_reads(text) == ("alice", password)
    assert kept_account(text) == ("alice", password)
    assert with_account(text, ("alice", password)) == text
    assert with_account(text, None) == ""


OTHERS = "# mine\n[databricks]\nhost = x\n\n[mlflow]\n; a note\nmlflow_extra = y\n[last]\nk: v"


def test_what_others_wrote_stays():
    text = with_account(OTHERS, ALICE)
    assert as_mlflow_reads(text) == ALICE
    lines = text.splitlines()
    assert [line for line in lines if not line.startswith("mlflow_tracking_")] == OTHERS.splitlines()
    assert with_account(text, None) == OTHERS


@pytest.mark.parametrize(
    "former",
    [
        "[mlflow]\nmlflow_tracking_username=bob\nmlflow_tracking_password : x\n   goes on\nmlflow_extra = y\n",
        "[mlflow]\nMLFLOW_TRACKING_PASSWORD = x\nmlflow_extra = y\n",
        "[mlflow]\nmlflow_extra = y",
        "[mlflow]",
        "[other]\nmlflow_tracking_username = theirs",
    ],
)
def test_a_former_account_is_replaced(former):
    text = with_account(former, ALICE)
    assert as_mlflow_reads(text) == ALICE
    assert ("mlflow_extra = y" in text) == ("mlflow_extra = y" in former)
    assert ("theirs" in text) == ("theirs" in former)
    assert kept_account(former) in (None, ("bob", "x"))
