"""The filters with which roles look at secrets of their own."""

import time

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.restic_environment_problems import restic_environment_problems
from ansible_collections.mlops.mlflow.plugins.filter.secret_problems import secret_problems

NAME = "mlflow_backup_password"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("canary-pass-word\n", "ends with a line break"),
        ("canary\ncanary", "has line breaks in it"),
        ("{{ vault_canary }}", "is still a template"),
        ("$ANSIBLE_VAULT;1.1;AES256\ncanary", "is still encrypted"),
        (123456789012, "is a number"),
        (["canary"], "is a list"),
        (None, "is empty"),
        ("__omit_place_holder__canary0123456789", "is what default(omit) leaves there"),
    ],
)
def test_what_is_no_secret(value, said):
    (line,) = secret_problems(value, NAME)
    assert line.startswith(f"{NAME}: {said}")
    assert "canary" not in line


def test_what_is_one():
    assert secret_problems("pass 'word\" $HOME 50% #1", NAME) == []


def test_an_environment():
    assert restic_environment_problems({"AWS_ACCESS_KEY_ID": "x"}, "e") == []
    (line,) = restic_environment_problems({"RESTIC_PASSWORD": "canary"}, "e")
    assert line == "e: RESTIC_PASSWORD is set by the role; use mlflow_backup_password"
    assert restic_environment_problems(["canary"], "e") == ["e: is not a mapping of names to values"]


@pytest.mark.parametrize("value", ["a" + "{{" * 50_000, "a" + "{%" * 50_000, "a}}{{" * 20_000 + "{%"])
def test_a_long_value_is_read_once(value):
    began = time.process_time()
    secret_problems(value, NAME)
    assert time.process_time() - began < 5
