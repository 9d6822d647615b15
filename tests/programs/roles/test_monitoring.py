"""What each team has and uses is measured without its server, and what fails for one keeps no other's figures out."""

import contextlib
import importlib
import json
import os
import pwd
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import pytest
from mlflowctl import access_state, paths
from mlflowctl import team as teams
from mlflowctl.access_contents import WORK
from mlflowctl.databases import reading, sqlite
from mlflowctl.program import PACKAGE
from unit.mlflowctl import access_schema

ROLES = Path(__file__).resolve().parents[3] / "roles"
SCHEMA = """
CREATE TABLE experiments (experiment_id INTEGER, name TEXT, lifecycle_stage TEXT);
CREATE TABLE runs (run_uuid TEXT, user_id TEXT, lifecycle_stage TEXT, start_time BIGINT, experiment_id INTEGER);
CREATE TABLE registered_models (name TEXT);
CREATE TABLE users (username TEXT, is_admin BOOLEAN);
INSERT INTO experiments VALUES (0, 'Default', 'active'), (1, 'resnet', 'active'), (2, 'old', 'deleted');
INSERT INTO runs VALUES ('a', 'alice', 'active', 1000, 1), ('b', 'alice', 'active', 5000500, 1);
INSERT INTO runs VALUES ('c', NULL, 'deleted', NULL, 2);
INSERT INTO users VALUES ('admin', 1), ('alice', 0);
"""
SAMPLE = re.compile(r'^(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)$')


class Lab:
    """A host with teams; systemd and its journal say what they are told to."""

    def __init__(self, home, module, monkeypatch):
        self.home, self.module = home, module
        self.state, self.entries = {}, []
        for name in ("store", "looking", "figures", "units", "journal", "backups", "reporting", "__main__", "within"):
            setattr(self, name.strip("_"), module(f"monitoring.{name}"))
        monkeypatch.setattr(paths.HERE, "config", home / "etc")
        for function in (self.store.days, self.store.forget, self.store.keep_day, self.store.count_day):
            monkeypatch.setattr(function, "__defaults__", (home / "kept",))
        monkeypatch.setattr(self.store, "HOME", home / "kept")
        monkeypatch.setattr(self.backups, "NOTED", home / "noted")
        monkeypatch.setattr(self.backups, "SETTINGS", home / "backup.json")
        monkeypatch.setattr(self.units, "shown", lambda _names: self.state)
        self.entries_of_the_host = self.journal.entries
        monkeypatch.setattr(self.journal, "entries", lambda *_given: self.entries)
        (home / "text").mkdir()
        self.settings = {
            "textfile_dir": str(home / "text"),
            "read_every": 0,
            "keep_days": 3,
            "nginx": [],
            "certificates": [],
        }
        monkeypatch.setattr(self.store, "settings", lambda: self.settings)

    def add(self, name, schema=SCHEMA):
        """Add a team; its database has this schema."""
        state, config = self.home / "state" / name, self.home / "etc" / name
        (state / "artifacts").mkdir(parents=True)
        config.mkdir(parents=True)
        database = sqlite3.connect(state / "mlflow.db")
        database.executescript(schema)
        database.close()
        known = {
            "name": name,
            "account": pwd.getpwuid(os.geteuid()).pw_name,
            "version": "3.17.2",
            "state_dir": str(state),
            "socket": "",
            "admin_username": "admin",
            "default_permission": "READ",
            "databases": [{"name": "mlflow", "uri": f"sqlite:///{state}/mlflow.db", "file": str(state / "mlflow.db")}],
            "artifacts": str(state / "artifacts"),
            "storage_dirs": [],
        }
        (config / "team.json").write_text(json.dumps(known))
        self.state[f"mlflow-listen@{name}.socket"] = {"ActiveState": "active", "Listen": "127.0.0.1:1 (Stream)"}
        return state

    def look(self):
        """Write the file; return what stands in it, by name and labels."""
        self.main.main("write")
        return self.read()

    def read(self):
        found = {}
        for line in (self.home / "text" / "mlflow.prom").read_text().splitlines():
            if not line.startswith("#"):
                name, labels, value = SAMPLE.fullmatch(line).groups()
                found[name, labels or ""] = float(value)
        return found


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROLES / "mlflow_monitoring" / "files"))
    # With this test's place on the host, and not with that of another.
    for name in [it for it in sys.modules if it.partition(".")[0] == "monitoring"]:
        monkeypatch.delitem(sys.modules, name)
    run = tmp_path / "lib"
    run.mkdir()
    # As on a host, where one stands beside the other.
    shutil.copytree(ROLES / "mlflow_monitoring" / "files" / "monitoring", run / "monitoring")
    (run / "mlflowctl").symlink_to(PACKAGE)
    found = Lab(tmp_path, importlib.import_module, monkeypatch)
    module = importlib.import_module("monitoring.databases_of")
    monkeypatch.setattr(module, "PROGRAM", [*module.PROGRAM[:2], str(run / "monitoring")])
    return found


def test_counts_what_is_in_a_database_and_leaves_nothing_beside_it(lab):
    state = lab.add("vision")
    found = lab.look()
    assert found["mlflow_team_experiments", 'team="vision",stage="active"'] == 2
    assert found["mlflow_team_runs", 'team="vision",stage="deleted"'] == 1
    assert found["mlflow_team_last_run_timestamp_seconds", 'team="vision"'] == 5000.5
    assert found["mlflow_team_users", 'team="vision"'] == 2
    assert found["mlflow_team_admins", 'team="vision"'] == 1
    assert found["mlflow_team_state", 'team="vision",state="asleep"'] == 1
    assert found["mlflow_team_scrape_error", 'team="vision"'] == 0
    # An older MLflow has no such table.
    assert not [name for name, _labels in found if name == "mlflow_team_traces"]
    assert sorted(os.listdir(state)) == ["artifacts", "mlflow.db"]


def test_reads_a_write_ahead_log_and_makes_none(lab):
    state = lab.add("vision")
    writer = sqlite3.connect(state / "mlflow.db")
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("INSERT INTO users VALUES ('bob', 0)")
    writer.commit()
    assert lab.look()["mlflow_team_users", 'team="vision"'] == 3
    writer.close()
    assert sorted(os.listdir(state)) == ["artifacts", "mlflow.db"]
    lab.look()
    assert sorted(os.listdir(state)) == ["artifacts", "mlflow.db"]


def test_a_database_that_cannot_be_read_keeps_no_others_figures_out(lab, capfd):
    lab.add("audio")
    state = lab.add("vision")
    (state / "mlflow.db").write_text("no database at all, postgresql://mlflow:canary@db/x")
    (lab.home / "etc" / "broken").mkdir()
    (lab.home / "etc" / "broken" / "team.json").write_text("{")
    found = lab.look()
    assert found["mlflow_team_scrape_error", 'team="audio"'] == 0
    assert found["mlflow_team_users", 'team="audio"'] == 2
    assert found["mlflow_team_scrape_error", 'team="vision"'] == 1
    assert found["mlflow_team_scrape_error", 'team="broken"'] == 1
    assert "vision: " in capfd.readouterr().err


def test_a_database_that_somebody_holds_is_waited_for_with_an_end(lab):
    state = lab.add("vision")
    lab.add("audio")
    holder = sqlite3.connect(state / "mlflow.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    found = lab.look()
    holder.close()
    assert found["mlflow_team_scrape_error", 'team="vision"'] == 1
    assert found["mlflow_team_users", 'team="audio"'] == 2
    assert lab.look()["mlflow_team_scrape_error", 'team="vision"'] == 0


def test_whatever_an_account_runs_is_ended(lab, monkeypatch):
    lab.add("vision")
    module = importlib.import_module("monitoring.databases_of")
    (lab.home / "sleeps.py").write_text("import time\ntime.sleep(1000)\n")
    monkeypatch.setattr(module, "PROGRAM", [sys.executable, str(lab.home / "sleeps.py")])
    monkeypatch.setattr(reading, "ASK_SECONDS", 1)
    began = time.monotonic()
    assert lab.look()["mlflow_team_scrape_error", 'team="vision"'] == 1
    assert time.monotonic() - began < 900


def test_a_name_that_takes_days_to_compute_is_not_waited_for(lab, monkeypatch):
    # One step of SQLite's, which asks nobody whether to go on.
    computed = "instr(hex(zeroblob(2000000 + experiment_id)), hex(zeroblob(1000000)) || '1')"
    renamed = "ALTER TABLE experiments RENAME COLUMN lifecycle_stage TO former"
    lab.add("vision", f"{SCHEMA}{renamed}; ALTER TABLE experiments ADD COLUMN lifecycle_stage TEXT AS ({computed})")
    monkeypatch.setattr(reading, "ASK_SECONDS", 1)
    assert lab.look()["mlflow_team_scrape_error", 'team="vision"'] == 1


def test_a_disk_that_hangs_is_one_teams(lab, monkeypatch, capfd):
    lab.add("vision")
    lab.add("audio")
    over = threading.Event()
    looked = lab.looking.figures.samples

    def held(seen):
        if seen.team.name == "audio":
            over.wait(600)
        return looked(seen)

    monkeypatch.setattr(lab.looking.figures, "samples", held)
    # What does not hang may be too slow for the shorter ones, on a busy machine.
    for seconds in (10, 60, 300):
        monkeypatch.setattr(lab.looking, "ALL_SECONDS", seconds)
        found = lab.look()
        assert found["mlflow_team_scrape_error", 'team="audio"'] == 1
        assert f"audio: it was still not looked at after {seconds} s" in capfd.readouterr().err
        if found["mlflow_team_scrape_error", 'team="vision"'] == 0:
            break
    over.set()
    assert found["mlflow_team_users", 'team="vision"'] == 2


def test_a_database_is_read_again_once_it_was_written_to(lab, monkeypatch):
    state = lab.add("vision")
    asked = []
    module = importlib.import_module("monitoring.databases_of")
    monkeypatch.setattr(
        module, "asked", lambda team, which, real=module.asked: asked.append(which) or real(team, which)
    )
    lab.look()
    lab.look()
    assert asked == ["quick"]
    database = sqlite3.connect(state / "mlflow.db")
    database.execute("INSERT INTO users VALUES ('carol', 0)")
    database.commit()
    database.close()
    assert lab.look()["mlflow_team_users", 'team="vision"'] == 3
    assert asked == ["quick", "quick"]


def entry(lab, message, moment, invocation="one", **more):
    module = lab.journal
    return {
        "MESSAGE_ID": getattr(module, message),
        "UNIT": "mlflow@vision.service",
        "INVOCATION_ID": invocation,
        "__MONOTONIC_TIMESTAMP": str(int(moment * 1e6)),
        "__CURSOR": f"c{moment}",
        **more,
    }


def test_tells_starts_from_failed_starts_and_from_what_fails_later(lab):
    lab.add("vision")
    lab.state["mlflow@vision.service"] = {"ActiveState": "activating", "SubState": "auto-restart"}
    lab.entries = [
        entry(lab, "START", 10),
        entry(lab, "STARTED", 14.5),
        entry(lab, "FAILURE", 20, UNIT_RESULT="oom-kill"),
        entry(lab, "RESTART", 25),
        entry(lab, "START", 26, "two"),
    ]
    found = lab.look()
    assert found["mlflow_team_starts_total", 'team="vision"'] == 1
    assert found["mlflow_team_last_start_duration_seconds", 'team="vision"'] == 4.5
    assert found["mlflow_team_failures_total", 'team="vision",cause="oom-kill"'] == 1
    assert found["mlflow_team_failed_starts", 'team="vision"'] == 0
    assert found["mlflow_team_state", 'team="vision",state="starting"'] == 1
    # Only what came since then, and the start from before has failed.
    lab.entries = [entry(lab, "FAILURE", 30, "two", UNIT_RESULT="exit-code"), entry(lab, "RESTART", 35)]
    found = lab.look()
    assert found["mlflow_team_failed_starts", 'team="vision"'] == 1
    assert found["mlflow_team_restarts_total", 'team="vision"'] == 2
    assert found["mlflow_team_state", 'team="vision",state="failing"'] == 1
    assert lab.store.state()["cursor"] == "c35"
    lab.state["mlflow@vision.service"] = {"ActiveState": "active"}
    lab.entries = [entry(lab, "START", 40, "three"), entry(lab, "STARTED", 41, "three")]
    found = lab.look()
    assert found["mlflow_team_failed_starts", 'team="vision"'] == 0
    assert found["mlflow_team_state", 'team="vision",state="awake"'] == 1


def test_what_a_former_version_has_noted_is_gone_on_from(lab):
    lab.add("vision")
    lab.add("nlp")
    lab.store.HOME.mkdir(exist_ok=True)
    noted = {"starts": 3, "start_seconds": 9.0, "failures": {}, "begun": None}
    (lab.store.HOME / "state.json").write_text(json.dumps({"teams": {"vision": {"noted": noted}, "nlp": {}}}))
    found = lab.look()
    assert found["mlflow_team_starts_total", 'team="vision"'] == 3
    assert found["mlflow_team_starts_total", 'team="nlp"'] == 0
    assert found["mlflow_team_connections_refused_total", 'team="vision"'] == 0
    assert lab.look()["mlflow_team_starts_total", 'team="vision"'] == 3


def test_a_line_of_the_team_own_is_no_word_of_systemd(lab):
    lab.add("vision")
    lab.entries = [
        entry(lab, "STARTED", 1, _SYSTEMD_UNIT="mlflow-listen@vision.service", MESSAGE="Hit connection limit, …")
    ]
    found = lab.look()
    assert found["mlflow_team_starts_total", 'team="vision"'] == 0
    assert found["mlflow_team_connections_refused_total", 'team="vision"'] == 1


def refusal(lab, status="401", told='{"status": 401}', **more):
    return entry(lab, "START", 1, _SYSTEMD_UNIT="mlflow@vision.service", MLFLOW_STATUS=status, MESSAGE=told, **more)


def test_counts_who_was_refused_and_once_for_each(lab):
    lab.add("vision")
    assert lab.look()["mlflow_team_requests_refused_total", 'team="vision",status="401"'] == 0
    # As written down by who did not count them yet.
    state = lab.store.state()
    del state["teams"]["vision"]["noted"]["refusals"]
    lab.store.write(lab.store.HOME / "state.json", state)
    told = [
        '{"count": 20}',
        '{"count": "9"}',
        '{"count": -1}',
        '{"count": 1e99}',
        "[1]",
        "no line",
        "[" * 10**5,
        [7],
        None,
    ]
    lab.entries = [refusal(lab), refusal(lab, "403"), refusal(lab, "200"), refusal(lab, None)]
    lab.entries += [refusal(lab, told=each) for each in told]
    found = lab.look()
    assert found["mlflow_team_requests_refused_total", 'team="vision",status="401"'] == 1 + 20 + len(told) - 1
    assert found["mlflow_team_requests_refused_total", 'team="vision",status="403"'] == 1


def test_what_a_server_says_is_of_its_own_team_whatever_it_names(lab):
    for name in ("vision", "nlp"):
        lab.add(name)
    lab.entries = [
        refusal(lab, told="{}", UNIT="mlflow@nlp.service"),
        entry(lab, "STARTED", 2, _SYSTEMD_UNIT="mlflow@vision.service", UNIT="mlflow@nlp.service"),
    ]
    found = lab.look()
    assert found["mlflow_team_requests_refused_total", 'team="nlp",status="401"'] == 0
    assert found["mlflow_team_requests_refused_total", 'team="vision",status="401"'] == 1
    assert found["mlflow_team_starts_total", 'team="nlp"'] == found["mlflow_team_starts_total", 'team="vision"'] == 0


def test_a_host_without_a_journal_has_all_other_figures(lab, monkeypatch):
    lab.add("vision")

    def no_journal(*_given):
        raise lab.journal.JournalError("no journal files were found")

    monkeypatch.setattr(lab.journal, "entries", no_journal)
    assert lab.look()["mlflow_team_users", 'team="vision"'] == 2


FLOOD = """\
import json
told = {"_SYSTEMD_UNIT": "mlflow@vision.service", "MLFLOW_STATUS": "401", "MESSAGE": "x" * 4000, "__CURSOR": "c"}
line = json.dumps(told)
for number in range(NUMBER):
    print(line)
ENDS
"""


@pytest.mark.parametrize(("ends", "told"), [("", "c"), ("import sys; sys.exit('torn')", "")])
def test_a_team_that_floods_the_journal_takes_no_memory(lab, monkeypatch, ends, told):
    program, number = lab.home / "bin" / "journalctl", 10_000
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{FLOOD.replace('NUMBER', str(number)).replace('ENDS', ends)}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setattr(lab.journal, "entries", lab.entries_of_the_host)
    lab.add("vision")
    look = lab.looking.Look(lab.settings, time.time())
    tracemalloc.start()
    look.read_journal()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All of it is forty megabytes.
    assert most < 4 << 20
    assert look.known["vision"]["noted"]["refusals"]["401"] == number
    assert look.state["cursor"] == told


def test_counts_artifacts_by_experiment_and_follows_no_link(lab):
    state = lab.add("vision")
    (state / "artifacts" / "1").mkdir()
    (state / "artifacts" / "1" / "model").write_bytes(b"x" * 1000)
    (state / "artifacts" / "2" / "deep").mkdir(parents=True)
    (state / "artifacts" / "2" / "deep" / "it").write_bytes(b"x" * 50)
    (state / "artifacts" / "1" / "all").symlink_to("/")
    lab.main.main("walk")
    found = lab.look()
    assert found["mlflow_team_artifacts_files", 'team="vision"'] == 2
    assert found["mlflow_team_artifacts_bytes", 'team="vision"'] == 1050
    told = lab.reporting.report()["teams"]["vision"]
    first = told["experiments"][0]
    assert (first["name"], first["bytes"], first["runs"]) == ("resnet", 1000, 2)
    assert told["deleted"] == {"experiments": 1, "runs": 1, "bytes": 50}
    assert told["quiet"] == [["admin", None], ["alice", 5000.5]]


# What no client can write, and the team's own code can.
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE runs SET start_time = 'soon'",
        "UPDATE runs SET start_time = 9e999",
        "UPDATE experiments SET name = x'00ff'",
        "UPDATE users SET username = x'00ff'",
    ],
)
def test_what_a_teams_own_code_writes_into_its_database_keeps_no_other_out(lab, sql):
    lab.add("vision")
    lab.add("nlp")
    lab.look()
    lab.main.main("walk")
    database = sqlite3.connect(lab.home / "state" / "vision" / "mlflow.db")
    database.execute(sql)
    database.commit()
    database.close()
    found = lab.look()
    assert found["mlflow_team_users", 'team="nlp"'] == 2
    lab.main.main("walk")
    told = lab.reporting.report()["teams"]
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert (told["vision"]["error"], told["nlp"]["error"]) == (True, False)
    assert told["nlp"]["experiments"][0]["name"] == "resnet"


# What a team's account prints, which is whatever that account has got to run.
@pytest.mark.parametrize(
    "printed",
    [
        '{"size": 1, "answers": []}',
        '{"size": 1, "answers": {"users": [[["name", []]]]}}',
        '{"files": 1, "bytes": 1, "within": 1}',
        "[]",
        "null",
        "[" * 100_000,
        "",
    ],
)
def test_what_a_teams_account_prints_keeps_no_other_out(lab, monkeypatch, printed):
    lab.add("vision")
    lab.add("nlp")
    databases_of = lab.looking.databases_of
    within = databases_of.within
    odd = {"vision": lambda *_given: printed}
    monkeypatch.setattr(databases_of, "within", lambda team, *words: odd.get(team.name, within)(team, *words))
    found = lab.look()
    assert found["mlflow_team_scrape_error", 'team="vision"'] == 1
    assert found["mlflow_team_users", 'team="nlp"'] == 2
    lab.main.main("walk")
    told = lab.reporting.report()["teams"]
    assert (told["vision"]["error"], told["nlp"]["error"]) == (True, False)


def test_any_number_of_stages_and_names_of_any_length_are_few_and_short_answers(lab):
    state = lab.add("vision")
    database = sqlite3.connect(state / "mlflow.db")
    count = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2000)"
    database.executescript(
        f"{count} INSERT INTO runs SELECT n, printf('%.*c', 5000, 'u'), n || printf('%.*c', 5000, 's'), 1, 1 FROM c;"  # noqa: S608
        "INSERT INTO experiments VALUES (7, printf('%.*c', 500000, 'e'), printf('%.*c', 500000, 's'));"
        "INSERT INTO users VALUES (printf('%.*c', 500000, 'n'), 0)"
    )
    database.close()
    told = {which: lab.within.answers(str(state / "mlflow.db"), which) for which in ("quick", "daily")}
    assert {which: len(json.dumps(it)) < 10_000 for which, it in told.items()} == {"quick": True, "daily": True}
    assert lab.look()["mlflow_team_runs", 'team="vision",stage="active"'] == 2


def test_what_was_kept_of_one_team_and_cannot_be_read_keeps_no_other_out_of_a_report(lab):
    lab.add("vision")
    lab.add("nlp")
    lab.main.main("walk")
    walk = lab.home / "kept" / "walks" / "vision.json"
    walk.write_text(json.dumps({"answers": {"weeks": [{"week": "soon", "number": 1}, {"week": 1, "number": 1}]}}))
    (lab.home / "etc" / "vision" / "team.json").write_text("[]")
    told = lab.reporting.report()["teams"]
    assert told["vision"] == {**dict.fromkeys(told["nlp"]), **told["vision"], "error": True, "experiments": []}
    assert told["nlp"]["error"] is False


def test_weeks_that_nobody_lived_in_are_none(lab):
    state = lab.add("vision")
    connection = sqlite3.connect(state / "mlflow.db")
    week, ahead = 7 * 86400 * 1000, int(time.time() * 1000) + 30 * 86400 * 1000
    rows = [(f"x{it}", ahead + it * week) for it in range(70)] + [("y", 2**63 - 1), ("z", -(2**63))]
    connection.executemany("INSERT INTO runs VALUES (?, 'mallory', 'active', ?, 1)", rows)
    connection.commit()
    connection.close()
    lab.main.main("walk")
    # Those of 1970 are what this database had before.
    assert lab.reporting.report()["teams"]["vision"]["weeks"] == [[0, 2]]


def test_says_how_much_of_its_disk_a_team_has(lab):
    state = lab.add("vision")
    lab.add("nlp")
    file = lab.home / "etc" / "vision" / "team.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "disk_max": 20_000_000}))
    (state / "artifacts" / "model").write_bytes(b"x" * 1000)
    lab.main.main("walk")
    found = lab.look()
    used = 1000 + os.stat(state / "mlflow.db").st_size
    assert found["mlflow_team_disk_used_bytes", 'team="vision"'] == used
    assert found["mlflow_team_disk_max_bytes", 'team="vision"'] == 20_000_000
    assert ("mlflow_team_disk_max_bytes", 'team="nlp"') not in found
    teams = lab.reporting.report()["teams"]
    assert (teams["vision"]["disk"], teams["nlp"]["disk"]["max"]) == ({"used": used, "max": 20_000_000}, None)


def test_keeps_a_small_record_of_each_day_and_no_more_of_them_than_asked_for(lab, monkeypatch):
    lab.add("vision")
    lab.state["mlflow@vision.service"] = {"ActiveState": "active"}
    now = 1_795_000_000.0
    monkeypatch.setattr(lab.main.time, "time", lambda: now)
    for _look in range(6 * 24 * 5):
        now += 600
        if _look % 36 == 0:
            lab.look()
        else:
            # As a look does, without the rest.
            look = lab.looking.Look(lab.settings, now)
            look.read_journal()
            look.keep()
    days = lab.store.days("vision")
    assert len(days) == 3
    assert days == sorted(days, key=lambda it: it["date"])
    assert {it["runs"] for it in days} == {2}
    assert all(60_000 < it["awake_seconds"] <= 90_000 for it in days)
    monkeypatch.undo()


def test_says_when_a_backup_was_made_and_that_one_is_expected(lab):
    lab.add("vision")
    lab.state["mlflow-backup@vision.timer"] = {"UnitFileState": "enabled"}
    (lab.home / "backup.json").write_text(json.dumps({"max_age": 100, "exclude": [], "environment": {"K": "canary"}}))
    (lab.home / "noted").mkdir()
    (lab.home / "noted" / "vision.backup.json").write_text(json.dumps({"began": 7.5, "bytes": 12, "files": 3}))
    (lab.home / "noted" / "vision.drill.json").write_text(json.dumps({"at": 9, "differences": 0}))
    found = lab.look()
    names = ("backup_expected", "backup_max_age_seconds", "backup_last_success_timestamp_seconds", "backup_bytes")
    assert [found[f"mlflow_team_{name}", 'team="vision"'] for name in names] == [1, 100, 7.5, 12]
    assert found["mlflow_team_drill_differences", 'team="vision"'] == 0
    assert "canary" not in (lab.home / "text" / "mlflow.prom").read_text()


def test_watches_the_certificates_that_nginx_shows(lab):
    key = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "5", "-subj", "/CN=x"]
    path = lab.home / "of the proxy.crt"
    subprocess.run([*key, "-keyout", "/dev/null", "-out", str(path)], check=True, capture_output=True)
    (lab.home / "nginx.conf").write_text(f'    ssl_certificate "{path}";\n    ssl_certificate_key /no;\n')
    lab.settings.update(nginx=[str(lab.home / "nginx.conf"), "/is/not/there"], certificates=['/gone/a"b\\c'])
    found = lab.look()
    end = found["mlflow_certificate_expiry_timestamp_seconds", f'path="{path}"']
    assert abs(end - time.time() - 5 * 86400) < 3600
    # Labels are what the operator writes.
    assert found["mlflow_certificate_error", 'path="/gone/a\\"b\\\\c"'] == 1


def test_the_file_is_for_all_to_read_and_replaced_in_one_piece(lab):
    lab.add("vision")
    lab.look()
    path = lab.home / "text" / "mlflow.prom"
    (lab.home / "text" / ".mlflow.prom.new").symlink_to(lab.home / "elsewhere")
    handle = os.open(path, os.O_RDONLY)
    former = path.read_bytes()
    lab.look()
    assert os.read(handle, 1 << 20) == former
    os.close(handle)
    assert path.stat().st_mode & 0o777 == 0o644
    assert not (lab.home / "elsewhere").exists()
    assert os.listdir(lab.home / "text") == ["mlflow.prom"]


def test_access_is_as_declared_until_somebody_changes_it(lab, monkeypatch):
    monkeypatch.setattr(sqlite, "SETTLED", 0)
    # What its runs look like matters to other questions.
    made = [it for it in access_schema.SCHEMA if not it.startswith("CREATE") or it.split()[2] not in WORK]
    file = lab.add("vision", ";".join(made))
    config = lab.home / "etc" / "vision"
    (config / "venv").symlink_to("/opt/mlflow/3.17.2")
    figure = "mlflow_team_access_as_declared", 'team="vision"'
    grants = "mlflow_team_grants_as_declared", 'team="vision"'
    assert {figure, grants} & set(lab.look()) == set()

    def do(statement):
        with contextlib.closing(sqlite3.connect(file / "mlflow.db")) as connection:
            connection.execute(statement)
            connection.commit()

    state = access_state.Look(teams.load("vision"), access_schema.DECLARED).state
    assert state["files"]
    assert state["digest"]
    (config / "access_receipt.json").write_text(json.dumps({"state": state}))
    os.utime(config / "access_receipt.json", (7, 7))
    found = lab.look()
    assert found[figure] == 1
    assert found["mlflow_team_access_verified_timestamp_seconds", 'team="vision"'] == 7
    do("INSERT INTO model_versions VALUES ('churn', 2, 'None', 2)")
    assert lab.look()[figure] == 1
    do("INSERT INTO experiments VALUES (9, 'of ann', 'active', 1)")
    found = lab.look()
    assert (found[figure], found[grants]) == (0, 1)
    do("UPDATE role_permissions SET permission = 'MANAGE', resource_pattern = '*'")
    found = lab.look()
    assert (found[figure], found[grants]) == (0, 0)
    # Of a note from after the last look, only another look can tell.
    lab.settings["read_every"] = 3600
    later = {**access_state.Look(teams.load("vision"), access_schema.DECLARED).state, "files": None}
    (config / "access_receipt.json").write_text(json.dumps({"state": later}))
    assert lab.look()[figure] == 0
    lab.settings["read_every"] = 0
    assert lab.look()[figure] == 1
    (file / "mlflow.db").write_text("no database")
    found = lab.look()
    assert found[figure] == 0
    assert grants not in found


def test_a_note_by_a_clock_that_was_ahead_hides_no_grant(lab, monkeypatch):
    monkeypatch.setattr(sqlite, "SETTLED", 0)
    made = [it for it in access_schema.SCHEMA if not it.startswith("CREATE") or it.split()[2] not in WORK]
    file, config = lab.add("vision", ";".join(made)), lab.home / "etc" / "vision"
    (config / "venv").symlink_to("/opt/mlflow/3.17.2")
    state = access_state.Look(teams.load("vision"), access_schema.DECLARED).state
    (config / "access_receipt.json").write_text(json.dumps({"state": state}))
    os.utime(config / "access_receipt.json", (time.time() + 1e7,) * 2)
    lab.look()
    with contextlib.closing(sqlite3.connect(file / "mlflow.db")) as connection:
        connection.execute("UPDATE role_permissions SET permission = 'MANAGE', resource_pattern = '*'")
        connection.commit()
    assert lab.look()["mlflow_team_grants_as_declared", 'team="vision"'] == 0


@pytest.mark.parametrize("without", ["verified", "users"])
def test_what_a_former_release_has_not_read_is_read_after_an_upgrade(lab, monkeypatch, without):
    monkeypatch.setattr(sqlite, "SETTLED", 0)
    lab.add("vision")
    config = lab.home / "etc" / "vision"
    (config / "venv").symlink_to("/opt/mlflow/3.17.2")
    state = access_state.Look(teams.load("vision"), access_schema.DECLARED).state
    (config / "access_receipt.json").write_text(json.dumps({"state": {**state, "files": None}}))
    lab.look()
    path = lab.home / "kept" / "databases" / "vision.json"
    found = json.loads(path.read_text())
    asked = [it for it in found.pop("asked", []) if it != without]
    (found if without in found else found["answers"]).pop(without)
    path.write_text(json.dumps({**found, **({"asked": asked} if without == "users" else {})}))
    lab.settings["read_every"] = 3600
    lab.look()
    found = json.loads(path.read_text())
    assert without in (found if without == "verified" else found["answers"])
