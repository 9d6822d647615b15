"""A host whose journal keeps nothing: what is said of it is true, and nothing depends on it."""

import json

import pytest
from mlflowctl import causes, paths, turns
from mlflowctl.backup import start

INVOCATION = "0123456789abcdef0123456789abcdef"
UNIT = "mlflow-backup@vision.service"
NONE, AUTO = "# /etc/systemd/journald.conf\n[Journal]\nStorage=none\n", "[Journal]\n#Storage=none\n"
TOLD = {"team": "vision", "snapshot": "0a1b2c3d"}
ADVICE = "this host's journal keeps nothing: say Storage=auto in /etc/systemd/journald.conf, restart systemd-journald"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host whose commands print what they are told to."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")

    def prints(**texts):
        for name, text in texts.items():
            program = programs / name.replace("_", "-")
            program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n" if text else "#!/bin/sh\n")
            program.chmod(0o755)

    return prints


@pytest.fixture(autouse=True)
def _turns(tmp_path):
    paths.HERE.turns = tmp_path / "run"


def shown(result):
    return f"Id={UNIT}\nLoadState=loaded\nConditionResult=yes\nResult={result}\nInvocationID={INVOCATION}"


@pytest.mark.parametrize(("configuration", "keeps"), [(NONE, False), (AUTO, True), ("", True)])
def test_where_the_lines_of_a_unit_are(host, configuration, keeps):
    host(systemd_analyze=configuration)
    assert causes.where(UNIT).startswith(f"see journalctl -u {UNIT}" if keeps else ADVICE)
    assert causes.where(UNIT, "more:").startswith(f"more: journalctl -u {UNIT}" if keeps else ADVICE)


def test_a_backup_without_a_journal_says_what_it_came_to(host, monkeypatch):
    host(systemctl=shown("success"), journalctl="")
    monkeypatch.setenv("INVOCATION_ID", INVOCATION)
    turns.tell("vision", TOLD)
    assert start.result("vision") == TOLD
    # That of another one is not taken for it.
    monkeypatch.setenv("INVOCATION_ID", INVOCATION[::-1])
    turns.tell("vision", {**TOLD, "snapshot": "ffffffff"})
    assert "another backup has begun" in start.result("vision")["failure"]


def test_what_a_backup_came_to_is_not_read_from_what_was_cut_off(host, tmp_path):
    host(systemctl=shown("success"), journalctl=json.dumps(TOLD))
    (tmp_path / "run").mkdir()
    for text in (None, "", '{"invocation": "0'):
        if text is not None:
            (tmp_path / "run" / "vision.told").write_text(text)
        assert start.result("vision")["failure"]


@pytest.mark.parametrize(
    ("configuration", "said", "failure"),
    [
        (NONE, "", f"exit-code; {ADVICE}"),
        (AUTO, "no space left", f"no space left; see journalctl -u {UNIT}"),
    ],
)
def test_a_backup_that_failed_says_where_more_is(host, configuration, said, failure):
    host(systemctl=shown("exit-code"), journalctl=said, systemd_analyze=configuration)
    assert start.result("vision")["failure"].startswith(failure)
