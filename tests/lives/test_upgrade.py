"""Teams go to a newer MLflow with all they have, or stay where they are, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import demo
import project
import pytest
import servers
import testhosts
from e2e import stage
from e2e.stage import Stage, last_words, stream_during
from unit.mlflowctl.environment_cases import CASES

HERE = Path(__file__).parent
OLD, NEW = "3.15.2", "3.17.2"
PEOPLE = {name: f"{name} of an older server" for name in ("alice", "bob", "carol")}
ALICE, BOB, CAROL = ({"name": name, "password": password} for name, password in PEOPLE.items())
PORTS = {"vintage": 5301, "elder": 5302, "heir22": 5303, "heir312": 5304}
# What MLflow came with before 3.16, and nobody can log in with since.
WELL_KNOWN = "password1234"
SMALL = "/srv/small"
REPOSITORY = "/srv/before"
# The last migration from the old version to the new one wants to make this table.
TAGGED = {"name": "greeting", "key": "a", "value": "b"}
IN_THE_WAY = "CREATE TABLE scheduler_leases (name TEXT)"
# Somebody has studies in the database of a team, in its schema, where the team may not even look.
ON_ELDERS_DATABASE = "runuser -u postgres -- psql --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 elder"
OF_OTHERS = """
CREATE TABLE public.studies (name text PRIMARY KEY);
CREATE TABLE public.trials (study text REFERENCES public.studies);
CREATE VIEW public.seen AS SELECT study FROM public.trials;
CREATE SCHEMA others; CREATE TABLE others.runs AS SELECT 'theirs' AS name;
INSERT INTO public.studies VALUES ('one'); INSERT INTO public.trials VALUES ('one');
"""


def team(name: str, version: str, **changes: Any) -> dict[str, Any]:
    """Return one of the teams, with what is declared of its people."""
    declared = {
        "name": name,
        "port": PORTS[name],
        "version": version,
        "admin_password": f"admin of {name}",
        # Without a denial of his, carol would read everything.
        "default_permission": "READ",
        "access_policy": "additive",
        "users": [ALICE, BOB, CAROL],
        "experiments": [{"name": "heritage", "grants": {"alice": "MANAGE"}}],
    }
    if name == "elder":
        declared["backend_store_uri"] = (
            f"postgresql+psycopg://elder:{PEOPLE['alice'].replace(' ', '%20')}@127.0.0.1/elder"
        )
    if name == "heir22":
        declared["auth_database_uri"] = "sqlite:////var/lib/mlflow/heir22/auth.db"
    if name == "heir312":
        declared["backend_store_uri"] = f"sqlite:///{SMALL}/heir312/mlflow.db"
    return {**declared, **changes}


@dataclass(frozen=True)
class Old:
    """What a server of another version has left."""

    home: Path
    run: str


@pytest.fixture(scope="module")
def left_behind() -> dict[str, Old]:
    """Let people work with servers of two older versions, and keep what is left when those are stopped."""
    found = {}
    for name, venv, password, database in (
        ("heir22", "mlflow-2.22.4", WELL_KNOWN, "auth.db"),
        ("heir312", "mlflow-3.12.0", "admin of heir312", "mlflow.db"),
    ):
        home = stage.WORK / name
        shutil.rmtree(home, ignore_errors=True)
        with servers.serving(project.BUILD / venv, home, password, auth_database=database) as uri:
            command = [project.BUILD / venv / "bin" / "python", HERE / "old_people.py", password, json.dumps(PEOPLE)]
            environment = {"PATH": os.environ["PATH"], "HOME": str(home), "MLFLOW_TRACKING_URI": uri, "NO_PROXY": "*"}
            said = project.run(command, quiet=True, env={**environment, "MLFLOW_DISABLE_TELEMETRY": "true"}).stdout
        found[name] = Old(home, said.split()[-1])
    return found


@pytest.fixture(scope="module")
def before(converged: Stage, left_behind: dict[str, Old]) -> Iterator[Stage]:
    """Serve two teams with the old version, and put in place what two more are to inherit."""
    install = "apt-get update -q && apt-get install -qy --no-install-recommends postgresql"
    converged.sh(f"DEBIAN_FRONTEND=noninteractive sh -c '{install}' >/dev/null")
    sql = f"CREATE ROLE elder LOGIN PASSWORD '{PEOPLE['alice']}'; CREATE DATABASE elder OWNER elder;"
    converged.sh("runuser -u postgres -- psql --quiet --set=ON_ERROR_STOP=1", feed=sql)
    converged.sh(ON_ELDERS_DATABASE, feed=OF_OTHERS)
    converged.sh(f"mkdir -p {SMALL} && mount -t tmpfs -o size=150m tmpfs {SMALL} && chmod 755 {SMALL}")
    heirs = [team(name, NEW, state="stopped") for name in left_behind]
    run = converged.play("site", mlflow_teams=[team("vintage", OLD), team("elder", OLD), *heirs])
    assert run.code == 0, run.output[-5000:]
    for name, old in left_behind.items():
        place = SMALL + "/heir312" if name == "heir312" else f"/var/lib/mlflow/{name}"
        own = f"install -d -o mlflow-{name} -g mlflow-{name} -m 700"
        converged.sh(f"{own} {place} /var/lib/mlflow/{name}")
        for file in (*old.home.glob("*.db"), old.home / "artifacts"):
            target = f"/var/lib/mlflow/{name}" if file.name == "artifacts" else place
            testhosts.podman("cp", file, f"{converged.host.container}:{target}/")
        converged.sh(f"chown -R mlflow-{name}: {place} /var/lib/mlflow/{name}")
    yield converged
    there = converged.again()
    stage.forget_backups(there, REPOSITORY)
    for name in PORTS:
        stage.forget(there, name)


def cut_off(on: Stage, fate: str, step: str, name: str) -> subprocess.CompletedProcess[str]:
    """Let something befall the upgrade of a team at one of its steps."""
    command = [*testhosts.inside(on.host.container), "python3", "-", fate, step, name, NEW]
    code = (HERE / "cut_off.py").read_text()
    return subprocess.run(
        command, input=code, env=project.environment(), text=True, check=False, capture_output=True, timeout=120
    )


def version(on: Stage, name: str) -> str:
    """Return what the team's server says it is."""
    status, said = on.answer(PORTS[name], **ALICE, path="/version")
    assert status == 200
    assert on.sh(f"readlink /etc/mlflow/{name}/venv").strip() == f"/opt/mlflow/{said}"
    return said


# -- What other servers have left is taken over --


@pytest.fixture(scope="module")
def inherited(before: Stage) -> Stage:
    """Take over what is there, first with too little room."""
    teams = [team("vintage", OLD), team("elder", OLD), team("heir22", NEW), team("heir312", NEW)]
    before.sh(f"head -c 120M /dev/zero > {SMALL}/filler")
    run = before.play("site", mlflow_teams=teams)
    assert run.code == 2
    assert (
        f"heir312: upgrade to {NEW} failed at step 'check', so nothing was changed: {SMALL}/heir312 has" in run.output
    )
    assert "MiB free, and" in run.output
    before.sh(f"rm {SMALL}/filler")
    full = cut_off(before, f"head -c 150M /dev/zero 2>/dev/null > {SMALL}/filler", "migrate", "heir312")
    assert full.returncode == 1, full.stdout
    assert "failed at step 'migrate', and was undone" in full.stderr
    assert "database or disk is full" in full.stderr
    assert len(full.stderr.splitlines()) == 1
    before.sh(f"rm {SMALL}/filler; test ! -e {SMALL}/heir312/mlflow.db.upgrading")
    again = before.play("site", mlflow_teams=teams)
    assert again.code == 0, again.output[-5000:]
    return before


@pytest.mark.parametrize("name", ["heir22", "heir312"])
def test_all_that_people_had_is_there_for_the_same_people(
    inherited: Stage, left_behind: dict[str, Old], name: str
) -> None:
    url, run = inherited.url(PORTS[name]), left_behind[name].run
    for who in (ALICE, BOB):
        assert demo.person(url, who, "see", "heritage", "--run", run) == {"seen": True}
    assert demo.person(url, CAROL, "see", "heritage", "--run", run) == {"refused": 403}
    assert demo.person(url, BOB, "write", "heritage") == {"refused": 403}
    assert demo.person(url, ALICE, "write", "heritage").keys() == {"run"}
    assert demo.person(url, BOB, "model", "veteran") == {"versions": ["1"], "runs": [run]}
    assert demo.person(url, CAROL, "model", "veteran") == {"refused": 403}
    # Which heir22 has its grants of in another database.
    assert [prompt_asked_for(inherited, name, **who) for who in (ALICE, BOB, CAROL)] == [200, 200, 403]
    assert [prompt_asked_for(inherited, name, **who, body=TAGGED) for who in (ALICE, BOB)] == [200, 403]


def prompt_asked_for(on: Stage, team: str, name: str, password: str, body: dict[str, str] | None = None) -> int:
    """Return the status with which somebody gets a prompt, or sets a tag of it."""
    path = "get?name=greeting" if body is None else "set-tag"
    return on.ask(PORTS[team], name, password, f"/api/2.0/mlflow/registered-models/{path}", body)


def test_an_admin_with_the_well_known_password_gets_the_declared_one(inherited: Stage) -> None:
    assert inherited.login(PORTS["heir22"], "admin", "admin of heir22") == 200
    assert inherited.login(PORTS["heir22"], "admin", WELL_KNOWN) == 401


# -- Emptied --


def gone_and_back(name: str) -> tuple[str, str]:
    """Return what takes a team's people away, and what brings them back."""
    if name == "elder":
        psql = "runuser -u postgres -- psql --quiet elder --command"
        return f"{psql} 'ALTER TABLE users RENAME TO away'", f"{psql} 'ALTER TABLE away RENAME TO users'"
    file = f"/var/lib/mlflow/{name}/mlflow.db"
    return f"mv {file} {file}.away", f"test ! -e {file} && mv {file}.away {file}"


@pytest.mark.parametrize("name", ["vintage", "elder"])
def test_a_team_whose_people_are_gone_does_not_begin_anew(inherited: Stage, name: str) -> None:
    gone, back = gone_and_back(name)
    inherited.sh(f"systemctl stop mlflow-listen@{name}.socket mlflow-listen@{name}.service mlflow@{name}.service")
    inherited.sh(gone)
    try:
        inherited.sh(f"! systemctl start mlflow@{name}.service 2>/dev/null; systemctl stop mlflow@{name}.service")
        said = inherited.sh(f"journalctl --no-pager --output=cat --unit=mlflow@{name}.service --lines=20")
        assert "The server is not started: the user store" in said
        assert f"remove /etc/mlflow/{name}/admin_password" in said
    finally:
        inherited.sh(back)
        inherited.sh(f"systemctl start mlflow-listen@{name}.socket")
    assert version(inherited, name) == OLD
    assert inherited.login(PORTS[name], **ALICE) == 200


def test_settings_are_read_as_this_systemd_reads_them(inherited: Stage) -> None:
    code = (HERE / "environment.py").read_text()
    cases = {name: text for name, (text, _expected) in CASES.items()}
    command = [*testhosts.inside(inherited.host.container), "python3", "-c", code]
    done = subprocess.run(
        command, input=json.dumps(cases), env=project.environment(), text=True, check=True, capture_output=True
    )
    assert json.loads(done.stdout) == {name: expected for name, (_text, expected) in CASES.items()}


# -- Cut off --


@pytest.fixture(scope="module")
def logged(inherited: Stage) -> dict[str, str]:
    """Let a member of each team log something; return the runs."""
    return {
        name: demo.person(inherited.url(PORTS[name]), ALICE, "log", "heritage")["run"] for name in ("vintage", "elder")
    }


def statuses_while(on: Stage, name: str, what: Callable[[], object]) -> set[int]:
    """Return what clients are answered that never try again, one after the other, while something happens."""
    ended, found = threading.Event(), set()

    def come() -> None:
        while not ended.is_set():
            found.add(on.answer(PORTS[name], **ALICE, path="/version")[0])

    clients = [threading.Thread(target=come) for _number in range(4)]
    for client in clients:
        client.start()
    try:
        what()
        # Until somebody is answered by the server that came after.
        found.add(on.answer(PORTS[name], **ALICE, path="/version")[0])
    finally:
        ended.set()
        for client in clients:
            client.join()
    return found


def others_have_theirs(on: Stage) -> None:
    look = "SELECT study, others.runs.name FROM seen, others.runs, studies WHERE study = studies.name"
    assert on.sh(ON_ELDERS_DATABASE, feed=look) == "one|theirs\n"


def is_as_it_was(on: Stage, name: str, run: str) -> None:
    assert version(on, name) == OLD
    assert demo.person(on.url(PORTS[name]), ALICE, "see", "heritage", "--run", run) == {"seen": True}
    if name == "elder":
        others_have_theirs(on)
    assert on.sh(f"ls /var/lib/mlflow-changes/{name}.json /var/lib/mlflow/{name}/*.upgrading", check=False) == ""


@pytest.mark.parametrize("step", ["snapshot", "migrate", "switch", "start", "starting", "commit"])
def test_a_killed_upgrade_leaves_the_old_version_with_its_data(
    inherited: Stage, logged: dict[str, str], step: str
) -> None:
    killed = cut_off(inherited, "kill", step, "vintage")
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    is_as_it_was(inherited, "vintage", logged["vintage"])


def test_who_comes_while_it_is_killed_or_restarted_waits(inherited: Stage) -> None:
    assert version(inherited, "vintage") == OLD
    assert statuses_while(inherited, "vintage", lambda: cut_off(inherited, "kill", "snapshot", "vintage")) == {200}
    restart = "systemctl restart mlflow@vintage.service"
    assert statuses_while(inherited, "vintage", lambda: inherited.sh(restart)) == {200}


@pytest.mark.parametrize("step", ["switch", "commit"])
def test_a_database_server_gets_its_former_tables_back(inherited: Stage, logged: dict[str, str], step: str) -> None:
    killed = cut_off(inherited, "kill", step, "elder")
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    is_as_it_was(inherited, "elder", logged["elder"])


@pytest.fixture
def rebooted(inherited: Stage, request: pytest.FixtureRequest) -> Stage:
    """Switch the host off in the middle of an upgrade of both teams, and on again."""
    command = [*testhosts.inside(inherited.host.container), "python3", "-"]
    going = []
    for name, step in zip(("vintage", "elder"), request.param, strict=True):
        process = subprocess.Popen(
            [*command, "wait", step, name, NEW],
            env=project.environment(),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin
        assert process.stdout
        process.stdin.write((HERE / "cut_off.py").read_text())
        process.stdin.close()
        assert process.stdout.readline() == "there\n"
        going.append(process)
    testhosts.podman("kill", inherited.host.container)
    for process in going:
        process.wait(timeout=30)
        if process.stdout:
            process.stdout.close()
    testhosts.podman("start", inherited.host.container)
    testhosts.wait_until_booted(inherited.host.name)
    return inherited.again()


# At "starting" nobody waits: it comes last.
@pytest.mark.parametrize(
    "rebooted", [("snapshot", "migrate"), ("switch", "start"), ("commit", "starting")], indirect=True, ids="-".join
)
def test_a_host_that_is_switched_off_in_the_middle_comes_back_as_it_was(
    rebooted: Stage, logged: dict[str, str]
) -> None:
    for name in ("vintage", "elder"):
        is_as_it_was(rebooted, name, logged[name])


# -- Failed, and done --


@pytest.fixture(scope="module")
def here(inherited: Stage) -> Stage:
    return inherited.again()


@pytest.fixture(scope="module")
def backed_up(here: Stage, logged: dict[str, str]) -> dict[str, str]:
    """Back one of the teams up before it is upgraded; return what is declared for that."""
    backups = {"mlflow_backup_repository": REPOSITORY, "mlflow_backup_password": "of the repository"}
    for name in ("site", "backup_team"):
        only = ("-e", "team=vintage") if name == "backup_team" else ()
        run = here.play(name, *only, mlflow_teams=[team("vintage", OLD), team("elder", OLD)], **backups)
        assert run.code == 0, run.output[-5000:]
    return backups


def upgraded(here: Stage, **more: Any) -> demo.Play:
    return here.play("site", mlflow_teams=[team("vintage", NEW), team("elder", NEW)], **more)


def on_database(here: Stage, statement: str) -> None:
    """Do something to vintage's database by hand."""
    code = f"import sqlite3; sqlite3.connect('/var/lib/mlflow/vintage/mlflow.db').execute('{statement}')"
    here.sh("runuser -u mlflow-vintage -- python3 -", feed=code)


def test_a_migration_that_fails_is_undone_and_nobody_notices(here: Stage, logged: dict[str, str]) -> None:
    on_database(here, IN_THE_WAY)
    runs: list[demo.Play] = []
    answer = stream_during(
        here,
        lambda: runs.append(upgraded(here)),
        "--repeat",
        port=PORTS["vintage"],
        who=ALICE,
        experiment="heritage",
    )
    assert answer["sent"] == answer["kept"] > 20
    said = last_words(runs[0])
    assert f"vintage: upgrade to {NEW} failed at step 'migrate', and was undone:" in said
    assert "scheduler_leases" in said
    assert f"elder: its upgrade to {NEW} was not begun, since that of another team failed" in said
    assert PEOPLE["alice"] not in runs[0].output
    is_as_it_was(here, "vintage", logged["vintage"])
    is_as_it_was(here, "elder", logged["elder"])
    on_database(here, "DROP TABLE scheduler_leases")


def test_a_server_that_does_not_start_is_undone(here: Stage, logged: dict[str, str]) -> None:
    packages = f"/opt/mlflow/{NEW}/lib/python3*/site-packages"
    here.sh(f"mv {packages}/uvicorn /opt/uvicorn.away")
    try:
        run = upgraded(here)
    finally:
        here.sh(f"mv /opt/uvicorn.away $(echo {packages})/uvicorn")
    said = last_words(run)
    assert f"vintage: upgrade to {NEW} failed at step 'start', and was undone: the server did not start:" in said
    assert "uvicorn" in said
    is_as_it_was(here, "vintage", logged["vintage"])
    is_as_it_was(here, "elder", logged["elder"])


def test_a_view_of_others_on_a_table_is_named_before_anything_is_changed(here: Stage, logged: dict[str, str]) -> None:
    here.sh(ON_ELDERS_DATABASE, feed="CREATE VIEW others.board AS SELECT status FROM public.runs")
    refused = cut_off(here, "true", "stop", "elder")
    here.sh(ON_ELDERS_DATABASE, feed="DROP VIEW others.board")
    assert refused.returncode == 1, refused.stdout
    begins = f"upgrade to {NEW} failed at step 'check', so nothing was changed: "
    assert refused.stderr.startswith(f"{begins}view others.board: hangs on tables of MLflow's")
    is_as_it_was(here, "elder", logged["elder"])


def test_a_dry_run_says_what_would_be_upgraded(here: Stage, backed_up: dict[str, str]) -> None:
    run = here.play("site", "--check", mlflow_teams=[team("vintage", NEW), team("elder", NEW)])
    assert run.code == 0, run.output[-3000:]
    assert f"vintage would be upgraded: {OLD} -> {NEW}" in run.output


def test_the_next_run_finishes_the_job_while_people_work(here: Stage, logged: dict[str, str]) -> None:
    runs: list[demo.Play] = []
    answer = stream_during(
        here,
        lambda: runs.append(upgraded(here, mlflow_server_upgrade_batch=2)),
        "--repeat",
        port=PORTS["vintage"],
        who=ALICE,
        experiment="heritage",
    )
    assert runs[0].code == 0, runs[0].output[-5000:]
    assert answer["sent"] == answer["kept"] > 20
    for name in ("vintage", "elder"):
        assert version(here, name) == NEW
        assert demo.person(here.url(PORTS[name]), ALICE, "see", "heritage", "--run", logged[name]) == {"seen": True}
    others_have_theirs(here)


def test_after_it_there_is_nothing_to_do(here: Stage) -> None:
    # The first run sees what was logged meanwhile.
    run = upgraded(here)
    assert (run.code, run.changed) == (0, 0), run.output[-3000:]


def test_a_backup_from_before_is_the_way_back(here: Stage, backed_up: dict[str, str], logged: dict[str, str]) -> None:
    run = here.play("restore_team", "-e", "team=vintage", mlflow_teams=[team("vintage", OLD)], **backed_up)
    assert run.code == 0, run.output[-5000:]
    is_as_it_was(here, "vintage", logged["vintage"])
    again = here.play("upgrade_team", "-e", "team=vintage", mlflow_teams=[team("vintage", NEW)])
    assert again.code == 0, again.output[-5000:]
    assert version(here, "vintage") == NEW
    seen = demo.person(here.url(PORTS["vintage"]), ALICE, "see", "heritage", "--run", logged["vintage"])
    assert seen == {"seen": True}


def test_a_team_in_postgresql_goes_with_a_dump_and_comes_back(here: Stage, logged: dict[str, str]) -> None:
    gone = here.play("site", mlflow_teams=[team("vintage", NEW), team("elder", NEW, state="absent")])
    assert gone.code == 0, gone.output[-5000:]
    assert "the database mlflow (postgresql+psycopg://127.0.0.1/elder) stays where it is" in gone.output
    assert here.login(PORTS["elder"], **ALICE) == 0
    (archive,) = here.sh("ls /var/backups/mlflow/elder-*").split()
    listed = here.sh(f"tar -xzOf {archive} databases/mlflow.dump | pg_restore --list")
    assert "TABLE DATA public runs" in listed
    assert "studies" not in listed
    back = here.play("site", mlflow_teams=[team("vintage", NEW), team("elder", NEW)])
    assert back.code == 0, back.output[-5000:]
    seen = demo.person(here.url(PORTS["elder"]), ALICE, "see", "heritage", "--run", logged["elder"])
    assert seen == {"seen": True}
    others_have_theirs(here)


def test_a_downgrade_is_refused(here: Stage) -> None:
    run = here.play("site", "--check", mlflow_teams=[team("vintage", OLD), team("elder", NEW)])
    assert run.code == 2
    assert f"vintage: version: {OLD} would be a downgrade from {NEW}" in last_words(run)


def test_no_password_was_to_be_seen(here: Stage) -> None:
    assert here.leaks(*PEOPLE.values(), "admin of vintage", "admin of elder") == []
