"""Notes of secrets that a server never tells, and what they have webhooks do."""

import json
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import InvalidRequest, Unsupported
from ansible_collections.mlops.mlflow.plugins.module_utils._kept import Kept
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import lines
from ansible_collections.mlops.mlflow.plugins.module_utils._webhooks import webhook_steps
from unit.engine import RecordingClient

SECRET = {"secret": 'hook\'s 密 "secret"'}
PRESENT = {"name": "hook", "webhook_id": "w1", "url": "https://a", "events": ["prompt.created"]}
PRESENT |= {"description": "", "status": "active", "changed": 5}
WANTED = {"name": "hook", "url": None, "events": None, "description": None, "secret": None, "status": None}


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "kept.json")


def test_a_secret_is_known_again_and_cannot_be_read(path):
    Kept(path).note("w1", SECRET, 5)
    assert Kept(path).holds("w1", SECRET, 5)
    noted = json.loads(Path(path).read_text())["secrets"]["w1"]
    assert set(noted) == {"salt", "fingerprint", "changed"}
    assert "hook" not in str(noted)


@pytest.mark.parametrize(
    ("key", "secret", "changed"), [("w2", SECRET, 5), ("w1", {"secret": "x"}, 5), ("w1", SECRET, 6)]
)
def test_another_one_is_not(path, key, secret, changed):
    Kept(path).note("w1", SECRET, 5)
    assert not Kept(path).holds(key, secret, changed)


def test_what_else_was_changed_and_what_is_gone(path):
    kept = Kept(path)
    kept.note("w1", SECRET, 5)
    kept.touch("w1", 7)
    kept.touch("w2", 7)
    assert Kept(path).holds("w1", SECRET, 7)
    assert not Kept(path).holds("w2", SECRET, 7)
    kept.forget("w1")
    assert not Kept(path).holds("w1", SECRET, 7)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "x", '{"format": 2, "secrets": {}}', '{"format": 1, "secrets": []}']
    + [json.dumps({"format": 1, "secrets": {"w1": noted}}) for noted in (1, {}, {"changed": 5, "salt": 1})],
)
def test_a_note_that_is_none_knows_nothing(tmp_path, text):
    (tmp_path / "kept.json").write_text(text)
    (tmp_path / "kept.json").chmod(0o600)
    kept = Kept(str(tmp_path / "kept.json"))
    assert not kept.holds("w1", SECRET, 5)
    kept.note("w1", SECRET, 5)
    assert Kept(kept._path).holds("w1", SECRET, 5)


def test_a_note_that_others_may_write_knows_nothing(path, tmp_path):
    Kept(path).note("w1", SECRET, 5)
    (tmp_path / "kept.json").chmod(0o666)
    assert not Kept(path).holds("w1", SECRET, 5)


def test_a_note_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(InvalidRequest, match=r"secrets_file: .*will be given it again"):
        Kept(f"{tmp_path}/none/kept.json").note("w1", SECRET, 5)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, []),
        ({"url": "https://a", "events": ["prompt.created"] * 2, "status": "active"}, []),
        ({"events": ["prompt.created", "prompt_tag.set"]}, ["~ webhook hook events"]),
        ({"url": "https://b", "status": "disabled"}, ["~ webhook hook status, url"]),
        ({"secret": "any"}, []),
        ({"state": "absent"}, ["- webhook hook"]),
    ],
)
def test_what_is_planned_without_a_note(wanted, expected):
    wanted = {**WANTED, "state": "present", **wanted}
    assert lines(webhook_steps(RecordingClient(), PRESENT, wanted, Kept(None))) == expected


def test_what_is_planned_with_one(path):
    wanted = {**WANTED, "state": "present", **SECRET}
    assert lines(webhook_steps(RecordingClient(), PRESENT, wanted, Kept(path))) == ["~ webhook hook secret"]
    Kept(path).note("w1", SECRET, 5)
    assert webhook_steps(RecordingClient(), PRESENT, wanted, Kept(path)) == []
    assert lines(webhook_steps(RecordingClient(), {**PRESENT, "changed": 6}, wanted, Kept(path))) == [
        "~ webhook hook secret"
    ]


@pytest.mark.parametrize("key", ["description", "secret"])
def test_what_an_old_server_cannot_empty_is_an_error(path, key):
    present, wanted = {**PRESENT, "description": "for all"}, {**WANTED, "state": "present", key: ""}
    with pytest.raises(Unsupported, match=r"3\.17 or later"):
        webhook_steps(RecordingClient("3.12.0"), present, wanted, Kept(path))
    assert webhook_steps(RecordingClient("3.17.2"), present, wanted, Kept(path))
