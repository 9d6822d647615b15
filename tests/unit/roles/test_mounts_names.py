"""Names of MLflow's as names of files: they lead nowhere, hide nothing, and stay apart."""

import subprocess
import sys

import pytest
from mlflow_mounts import cli, report
from mlflow_mounts.artifacts import login, names, server

LONG = "a" * 500
HOSTILE = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "/",
    "a/b",
    "%2F",
    "\0",
    "\n\x1b[31m",
    "\x85",
    "\u202e",
    "\u061c",
    "\ud800",
    "\udcff",
    ".hidden",
    LONG,
    LONG + "b",
    "ä" * 200,
    "字" * 300,
    "~",
    "@",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_thing_has_a_name_that_leads_nowhere(text):
    name = names.of_thing(text)
    assert name not in ("", ".", "..")
    assert not name.startswith(".")
    assert "/" not in name
    assert name.isprintable()
    assert len(name.encode()) <= names.LONGEST
    with_identity = names.with_identity(text, "0123456789abcdef" * 2)
    assert len(with_identity.encode()) <= names.SYSTEM_LIMIT


def test_other_things_have_other_names():
    assert len({names.of_thing(text) for text in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("resnet", "resnet"),
        ("y/with a slash", "y%2Fwith a slash"),
        ("100%", "100%25"),
        ("a\nb", "a%0Ab"),
        (".git", "%2Egit"),
        ("größe 字", "größe 字"),
    ],
)
def test_names_read_as_they_are(text, name):
    assert names.of_thing(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("MLmodel", "MLmodel"),
        (".gitignore", ".gitignore"),
        ("100%2F.txt", "100%2F.txt"),
        ("a\x1bb", "a%1Bb"),
        ("..", None),
        (".", None),
        ("", None),
        ("a/b", None),
        ("a\0", None),
    ],
)
def test_files_keep_their_names_where_they_can(text, name):
    assert names.of_artifact(text) == name


@pytest.mark.parametrize("text", [LONG, "字" * 300])
def test_files_with_names_that_are_too_long_have_shorter_ones(text):
    assert len(names.of_artifact(text).encode()) <= names.SYSTEM_LIMIT
    assert names.of_artifact(text) != names.of_artifact(text + "b")


def test_things_of_one_name_stay_apart():
    found = names.distinct([("a", "1", "first"), ("a", "2", "second"), ("a", "2", "same again"), ("b", "3", "other")])
    assert found == {"a": "first", "a~2": "second", "b": "other"}


@pytest.mark.parametrize("identity", ["字" * 40, "\U0001f600" * 40, "../" * 40, "\udcff" * 40])
def test_what_has_an_identity_of_any_letters_has_a_name_for_a_file(identity):
    for name in names.distinct([(LONG[:200], "1", "first"), (LONG[:200], identity, "second")]):
        assert "/" not in name
        assert len(name.encode()) <= names.SYSTEM_LIMIT


def test_a_run_is_found_by_identity_and_the_newest_by_name():
    listed = {"base@01234567": "0123456789", "base@89abcdef": "89abcdef01"}
    assert names.by_identity_or_name(listed, "89abcdef01") == "base@89abcdef"
    assert names.by_identity_or_name(listed, "base") == "base@01234567"
    assert names.by_identity_or_name(listed, "bas") is None


def test_a_run_that_is_called_like_another_ones_identity_is_not_that_one():
    victim = "0123456789abcdef0123456789abcdef"
    listed = {f"{victim}@fedcba98": "fedcba9876543210", "base@01234567": victim}
    assert names.by_identity_or_name(listed, victim) == "base@01234567"


@pytest.mark.parametrize(
    "long", ["n" * 300, "\u00e4" * 150, "\U0001f600" * 80, "a" + "\U0001f600" * 80], ids=["n", "two", "four", "odd"]
)
def test_what_is_called_like_a_long_name_is_shown_does_not_take_its_place(long):
    shown = names.of_thing(long)
    assert names.of_thing(shown) != shown
    assert len(names.of_thing(shown).encode()) <= names.LONGEST
    # Most names that end so are what they are.
    assert names.of_thing("model~0123abcd") == "model~0123abcd"


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("mlflow-artifacts:/1/abc/artifacts", "1/abc/artifacts"),
        ("mlflow-artifacts:///1", "1"),
        ("mlflow-artifacts://other/1/abc", ""),
        ("mlflow-artifacts:/1/../2", ""),
        ("mlflow-artifacts:/1//2", ""),
        ("mlflow-artifacts:/1/a?b", ""),
        ("s3://bucket/1/abc", ""),
        ("file:///etc", ""),
        ("", ""),
    ],
)
def test_only_plain_places_of_the_server_are_asked_for_directly(place, path):
    assert server.proxied(place) == path


def test_a_log_in_is_read_as_a_shell_would():
    text = "# x\nMLFLOW_TRACKING_URI=https://v.example.org:8443/vision/\nMLFLOW_TRACKING_USERNAME=alice\n"
    found = login.parse(text + "MLFLOW_TRACKING_PASSWORD='a \"b\" $c'\n")
    assert (found.secure, found.host, found.port, found.prefix) == (True, "v.example.org", 8443, "/vision")
    assert found.authorization == "Basic YWxpY2U6YSAiYiIgJGM="


@pytest.mark.parametrize(
    "change",
    [
        ("https://v", "ftp://v"),
        ("https://v", "https://"),
        ("https://v", "https://v:port"),
        ("MLFLOW_TRACKING_PASSWORD", "OTHER"),
        ("'secret'", "'secret"),
    ],
)
def test_what_says_no_log_in_is_an_error_without_its_secret(change):
    text = "MLFLOW_TRACKING_URI=https://v\nMLFLOW_TRACKING_USERNAME=alice\nMLFLOW_TRACKING_PASSWORD='secret'\n"
    with pytest.raises(OSError, match=r"team\.env") as raised:
        login.parse(text.replace(*change), "team.env")
    assert "secret" not in str(raised.value)


def test_only_teams_have_files(tmp_path):
    for name in ("vision.env", "nlp-2.env", "default.env", "Other.env", "a b.env", ".env", "x.txt", "-.env"):
        (tmp_path / name).touch()
    assert login.names(str(tmp_path)) == ["nlp-2", "vision"]
    assert login.names(str(tmp_path / "nothing")) == []


def test_what_is_printed_moves_no_cursor_and_turns_nothing_around(capsys):
    # Anybody may mount something of this kind, at a place of their choice.
    report.say("a\x1b[2J\u202eb\u200b\n\u2028\ud800c")
    assert capsys.readouterr().out == "a?[2J?b????c\n"


def test_systemd_is_not_waited_for_without_end(monkeypatch, capsys):
    def late(*_command, timeout, **_options):
        raise subprocess.TimeoutExpired("systemctl", timeout)

    monkeypatch.setattr(report.subprocess, "run", late)
    for command in ("status", "doctor"):
        monkeypatch.setattr(sys, "argv", ["mlflow-mounts", command])
        assert cli.main() == 1
        assert capsys.readouterr().err.startswith("systemd does not answer")
