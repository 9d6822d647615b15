"""What the command line takes, and what it ends with."""

import io
import json
import subprocess
import sys

import pytest
from mlflowctl import cli, errors, former, paths, transaction
from mlflowctl.program import PACKAGE, PROGRAM, lasting
from mlflowctl.retirement import here
from mlflowctl.retirement.find import Places


def run(*words, **options):
    return subprocess.run([*PROGRAM, *words], capture_output=True, text=True, check=False, **options)


def test_each_command_is_there_and_says_what_it_takes():
    for name, (module, about) in cli.COMMANDS.items():
        part, _colon, function = module.partition(":")
        found = getattr(__import__(f"mlflowctl.{part}", fromlist=["x"]), function or "main")
        assert callable(found), name
        assert about
    said = run("--help")
    assert said.returncode == 0
    assert set(cli.COMMANDS) <= {line.split()[0] for line in said.stdout.splitlines() if line.startswith("  ")}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "usage: mlflowctl COMMAND"),
        (("no-such",), 2, "usage: mlflowctl COMMAND"),
        (("backup",), 2, "usage: mlflowctl backup: back teams up now"),
        (("drain", "one", "two"), 2, "usage: mlflowctl drain"),
        (("restore", "one", "--no-such"), 2, "usage: mlflowctl restore"),
        (("upgrade", "nobody-here", "1.0"), 1, "team: this host has no team 'nobody-here'"),
        (("before", "server", "nobody-here"), 1, "nobody-here: team: this host has no team 'nobody-here'"),
        (("reinstate", "nobody-here"), 1, "nobody-here was not retired from this host"),
        (("mounts", "look"), 2, "usage: mlflowctl mounts"),
        (("mounts", "status"), 1, "nobody's artifacts are mounted on this host"),
    ],
)
def test_what_it_ends_with(words, code, said, tmp_path):
    done = run(*words, cwd=tmp_path)
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("ended", "code"), [(0, 0), (1, 1), (3, 1)])
def test_what_mounts_is_asked_where_it_is(tmp_path, capfd, ended, code):
    paths.HERE.mounts = tmp_path / "mlflow-mounts"
    paths.HERE.mounts.write_text(f'#!/bin/sh\necho "asked: $*"; exit {ended}\n')
    paths.HERE.mounts.chmod(0o755)
    assert cli.main(["mounts", "doctor"]) == code
    assert capfd.readouterr().out == "asked: doctor\n"


def test_what_is_noted_on_disk_leads_to_whatever_version_there_is_by_then(tmp_path, monkeypatch):
    assert lasting() == PROGRAM
    library = tmp_path / "lib"
    (library / "mlflowctl-0123456789abcdef").mkdir(parents=True)
    (library / "mlflowctl-0123456789abcdef" / "mlflowctl").symlink_to(PACKAGE)
    (library / "mlflowctl").symlink_to("mlflowctl-0123456789abcdef/mlflowctl")
    monkeypatch.setattr("mlflowctl.program.PACKAGE", library / "mlflowctl-0123456789abcdef" / "mlflowctl")
    assert lasting()[-1] == str(library / "mlflowctl")


OLD = "/usr/local/lib/mlflow"


@pytest.mark.parametrize(
    ("noted", "today"),
    [
        (["py", "-Es", f"{OLD}/databases.py", "put_back", "a", "b"], [*PROGRAM, "database", "put_back", "a", "b"]),
        (
            ["systemd-run", "--pipe", "py", "-Es", f"{OLD}/places.py", "p"],
            ["systemd-run", "--pipe", *PROGRAM, "put-back", "p"],
        ),
        (["ln", "-sfnT", f"{OLD}/x.py", "/etc/mlflow/a/venv"], ["ln", "-sfnT", f"{OLD}/x.py", "/etc/mlflow/a/venv"]),
        ([*PROGRAM, "database", "remove", "a"], [*PROGRAM, "database", "remove", "a"]),
    ],
)
def test_journals_of_before_are_understood(noted, today):
    assert transaction.understood(noted) == today


def test_a_change_that_programs_of_before_have_begun_is_undone(tmp_path):
    """The files that its journal names are gone."""
    for name, text in (("mlflow.db", "new"), ("mlflow.db.before_upgrade", "old")):
        (tmp_path / name).write_text(text)
    paths.HERE.changes = tmp_path / "changes"
    command = ["/usr/bin/python3", "-Es", f"{OLD}/databases.py", "put_back"]
    command += [str(tmp_path / name) for name in ("mlflow.db.before_upgrade", "mlflow.db")]
    step = {"as_account": False, "command": command}
    transaction.write_journal("vision", {"what": "upgrade to 2", "trying": False, "undo": [step]})

    class Vision:
        name, databases = "vision", ()

    transaction.undo(Vision(), transaction.read_journal("vision"))
    assert (tmp_path / "mlflow.db").read_text() == "old"
    assert transaction.read_journal("vision") is None


def test_the_look_that_is_sent_as_a_text_knows_the_same_places():
    assert here() == Places()


@pytest.fixture
def library(tmp_path):
    """A host with some programs of before."""
    paths.HERE.library, paths.HERE.units = tmp_path / "lib", tmp_path / "units"
    for name in ("lib", "units"):
        (tmp_path / name).mkdir()
    for name in ("run.py", "team.py", "mine.py"):
        (tmp_path / "lib" / name).write_text("import time; print(flush=True); time.sleep(600)")
    return paths.HERE.library


def test_programs_of_before_go_and_nothing_else(library, capsys):
    former.main()
    assert [path.name for path in library.iterdir()] == ["mine.py"]
    assert capsys.readouterr().out == f"{library / 'run.py'}\n{library / 'team.py'}\n"


def test_programs_of_before_stay_while_a_unit_calls_them(library):
    unit = paths.HERE.units / "mlflow-backup@.service"
    unit.write_text(f"ExecStart=/usr/bin/python3 -I {library}/run.py backup.py %i\n")
    former.main()
    assert (library / "team.py").exists()


def test_programs_of_before_stay_while_one_runs(library):
    with subprocess.Popen([PROGRAM[0], library / "run.py"], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        former.main()
        assert (library / "run.py").exists()
        process.kill()
    former.main()
    assert not (library / "run.py").exists()


def test_the_answer_for_programs_is_json():
    done = run("list", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
def test_whatever_a_terminal_can_show_is_shown(tmp_path, monkeypatch, encoding):
    paths.HERE = paths.Paths(tmp_path)
    (paths.HERE.config / "torn").mkdir(parents=True)
    (paths.HERE.config / "torn" / "team.json").write_text(json.dumps({"…é\ud800": 1}))
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    assert cli.main(["status"]) == 0
    sys.stdout.flush()
    assert rb"\u2026" in written.getvalue()


def test_nothing_of_a_name_reaches_a_terminal():
    done = run("upgrade", "evil\x1b[2K\u202e\u2028\u0085", "1.0")
    assert "no team 'evil\\x1b[2K\\u202e\\u2028\\x85'" in done.stderr
    assert errors.shown("one\ntwo\tthree\r") == "one\ntwo\\tthree\\r"
    assert errors.named("one\ntwo") == "one\\ntwo"
