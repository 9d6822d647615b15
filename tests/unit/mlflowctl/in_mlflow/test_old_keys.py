"""Unit tests of what is said of keys that cannot read what an adopted server has encrypted."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflowctl import redaction
from mlflowctl.in_mlflow import old_keys

KEYS = dict.fromkeys(old_keys.NEEDED, "0123456789")


@pytest.mark.parametrize(
    ("known", "found", "said"),
    [
        ({}, {}, f"{old_keys.SESSIONS}, {old_keys.PASSPHRASE}, {old_keys.WEBHOOKS} are not in "),
        ({**KEYS, old_keys.PASSPHRASE: ""}, {}, f"{old_keys.PASSPHRASE} is not in "),
        (KEYS, {old_keys.PASSPHRASE: {"count": 2, "versions": [1]}}, "reads none of the 2 gateway secrets"),
        (KEYS, {old_keys.PASSPHRASE: {"count": 2, "versions": [1, 2]}}, f"as {old_keys.VERSION}"),
        (KEYS, {old_keys.WEBHOOKS: {"count": 3}}, "reads none of the 3 secrets of webhooks"),
    ],
)
def test_a_problem_is_named_and_no_word_of_it_is_taken_for_a_secret(known, found, said):
    line = old_keys.problem(Path("/etc/mlflow/vision"), known, found)
    assert line
    assert said in line
    assert "/etc/mlflow/vision/secrets.env" in line
    assert redaction.hidden(line) == line


def test_nothing_is_said_where_nothing_is_wrong():
    assert old_keys.problem(Path("/etc/mlflow/vision"), KEYS, {}) is None
