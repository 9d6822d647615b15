"""What is removed at its own place: all of it, nothing that a link leads to, in stores of each kind."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import typing as t
from collections.abc import Iterator
from pathlib import Path

import loopback
import mlflow_proxy
import project
import pytest
import servers
from garbage import Team
from lab import Lab


@pytest.fixture
def team(newest: Lab, tmp_path: Path) -> Team:
    return Team(newest, tmp_path)


def old(team: Team, experiment: str) -> None:
    """Have an experiment deleted long ago."""
    team.post("experiments/delete", experiment_id=experiment)
    team.age(experiment=experiment)


def old_run(team: Team, experiment: str) -> str:
    """Make a run that was deleted long ago."""
    run = team.run(experiment)
    team.post("runs/delete", run_id=run)
    team.age(run=run)
    return run


def swap(path: Path, target: Path) -> None:
    """Put a link in the place of a directory."""
    shutil.rmtree(path)
    path.symlink_to(target)


def make_deep(path: Path, levels: int) -> None:
    """Make a directory in a directory, more often than any path may be long."""
    handle = os.open(path, os.O_RDONLY)
    for _level in range(levels):
        os.mkdir("d", dir_fd=handle)
        inner = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(os.open("note.txt", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
    os.close(handle)


# What becomes a link: the place of an experiment, of a run, of its artifacts, or something in these.
LINKS = ("{e}", "{e}/{r}", "{e}/{r}/artifacts", "{e}/{r}/artifacts/inner")


def test_links_lead_nowhere_and_depth_is_no_shelter(newest: Lab, team: Team, some: t.Callable[[str], str]) -> None:
    victim = newest.reader.create_experiment(some("victim"))
    run = team.run(victim)
    note = team.artifacts / victim / run / "artifacts" / "note.txt"
    # So that the way through the link is there.
    targets = {"{e}": victim, "{e}/{r}": f"{victim}/{run}"}
    linked = {}
    for link in LINKS:
        experiment = newest.reader.create_experiment(some(link))
        gone = old_run(team, experiment)
        (team.artifacts / experiment / gone / "artifacts" / "inner").mkdir()
        place = team.artifacts / link.format(e=experiment, r=gone)
        swap(place, team.artifacts / targets.get(link, f"{victim}/{run}/artifacts"))
        if link == "{e}":
            # In the victim's directory, what the run would have.
            shutil.copytree(team.artifacts / victim / run, team.artifacts / victim / gone)
        old(team, experiment)
        linked[link] = (experiment, gone)
    deep = newest.reader.create_experiment(some("deep"))
    deep_run = old_run(team, deep)
    make_deep(team.artifacts / deep / deep_run / "artifacts", 3000)

    said = team.collect()
    assert note.read_text() == "hello"
    experiment, gone = linked["{e}"]
    assert (team.artifacts / victim / gone / "artifacts" / "note.txt").exists()
    for link in LINKS[:-1]:
        experiment, gone = linked[link]
        assert f"left run {gone}: " in said
        assert " is a link, or no directory" in said
        assert f"Experiment with ID {experiment} " not in said
        assert gone in team.runs()
    experiment, gone = linked[LINKS[-1]]
    assert f"Experiment with ID {experiment} has been permanently deleted." in said
    assert not (team.artifacts / experiment).exists()
    assert f"Run with ID {deep_run} has been permanently deleted." in said
    assert not (team.artifacts / deep / deep_run / "artifacts").exists()
    assert not (team.home / ".gc-unfinished").exists()
    for experiment, gone in list(linked.values())[:-1]:
        team.post("experiments/restore", experiment_id=experiment)
        team.post("runs/restore", run_id=gone)


def test_an_experiment_goes_with_all_that_is_in_it_or_not_at_all(
    newest: Lab, team: Team, some: t.Callable[[str], str], secret: t.Callable[[], str]
) -> None:
    user = some("eva")
    newest.reader.create_user(user, secret())
    words = ("whole", "restored", "again", "strange run", "strange model")
    numbers = {word: newest.reader.create_experiment(some(word)) for word in words}
    for number in numbers.values():
        newest.reader.grant(user, "experiment", number, "EDIT")
    runs = {word: team.run(number) for word, number in numbers.items()}
    models = {word: team.model(number) for word, number in numbers.items()}
    traces = {odd: trace(newest, numbers["whole"], some(odd)) for odd in ("own", "odd")}
    # As whoever may write here could say up to 3.17.
    elsewhere = "UPDATE trace_tags SET value = ? WHERE key = 'mlflow.artifactLocation' AND request_id = ?"
    team.sql(elsewhere, "http://127.0.0.1:9/\x1b[2K", traces["odd"])
    for number in numbers.values():
        old(team, number)
    team.post("runs/restore", run_id=runs["restored"])
    team.post("runs/restore", run_id=runs["again"])
    team.post("runs/delete", run_id=runs["again"])
    team.sql("UPDATE runs SET artifact_uri = 's3://former/x' WHERE run_uuid = ?", runs["strange run"])
    former = "UPDATE logged_models SET artifact_location = 's3://former/y' WHERE model_id = ?"
    team.sql(former, models["strange model"])

    said = team.collect()
    assert f"Experiment with ID {numbers['whole']} has been permanently deleted." in said
    assert said.count("Experiment with ID") == 1
    assert f"left the artifacts of trace {traces['odd']}: 'http://127.0.0.1:9/\\x1b[2K' is not its own place" in said
    assert traces["own"] not in said
    found = {str(number) for (number,) in team.sql("SELECT experiment_id FROM experiments")}
    assert found & set(numbers.values()) == set(numbers.values()) - {numbers["whole"]}
    for word in ("restored", "again"):
        assert f"left experiment {numbers[word]}: it has runs that are not deleted, or not for long enough" in said
        assert (team.artifacts / numbers[word] / runs[word] / "artifacts" / "note.txt").exists()
    for word in ("strange run", "strange model"):
        assert f"left experiment {numbers[word]}: it has runs or logged models whose artifacts" in said
        assert ("experiment", numbers[word]) in newest.reader.user(user)["grants"]
    assert runs["strange run"] in team.runs()
    for word in words[1:]:
        team.post("experiments/restore", experiment_id=numbers[word])
    team.post("runs/restore", run_id=runs["strange run"])


def test_what_the_database_does_not_let_go_keeps_nothing_else(
    newest: Lab, team: Team, some: t.Callable[[str], str], secret: t.Callable[[], str]
) -> None:
    """Something refers to it, or another has removed it at this moment."""
    user, password = some("fay"), secret()
    newest.reader.create_user(user, password)
    numbers = [newest.reader.create_experiment(some("held" + word)) for word in ("", "after", "in which")]
    for number in numbers:
        newest.reader.grant(user, "experiment", number, "EDIT")
    runs = [old_run(team, numbers[2]) for _run in range(2)]
    for number in numbers[:2]:
        old(team, number)
    for table, key, ident in (("runs", "run_uuid", f"'{min(runs)}'"), ("experiments", "experiment_id", numbers[0])):
        team.sql(
            f"CREATE TRIGGER keep_{table} BEFORE DELETE ON {table} WHEN old.{key} = {ident} "
            "BEGIN SELECT RAISE(ABORT, 'somebody needs it'); END"
        )
    try:
        done = team.start()
    finally:
        for table in ("runs", "experiments"):
            team.sql(f"DROP TRIGGER keep_{table}")
    assert done.returncode == 1
    assert f"run {min(runs)}: " in done.stderr
    assert f"experiment {numbers[0]}: " in done.stderr
    assert done.stderr.count("somebody needs it") == 2
    assert f"Run with ID {max(runs)} has been permanently deleted." in done.stdout
    assert f"Experiment with ID {numbers[1]} has been permanently deleted." in done.stdout
    assert "removed 4 grants" in done.stdout
    assert (team.home / ".gc-unfinished").exists()
    assert f"Experiment with ID {numbers[0]} has been permanently deleted." in team.collect()
    assert team.runs() & set(runs) == set()


def test_a_place_that_another_experiment_is_at_too_is_left(
    newest: Lab, team: Team, some: t.Callable[[str], str]
) -> None:
    """As where somebody went on under a new name with what was there."""
    former = {end: newest.reader.create_experiment(some(f"former {len(end)}")) for end in ("", "/", "/inner")}
    for end, number in former.items():
        values = {"name": some(f"goes on {len(end)}"), "artifact_location": f"mlflow-artifacts:/{number}{end}"}
        team.post("experiments/create", **values)
        team.put(f"{number}{end.rstrip('/')}/run/artifacts/note.txt")
        old(team, number)

    said = team.collect()
    for end, number in former.items():
        assert f"left experiment {number}: other experiments have their artifacts there" in said
        note = team.artifacts / f"{number}{end.rstrip('/')}" / "run" / "artifacts" / "note.txt"
        assert note.read_text() == "hello"
        team.post("experiments/restore", experiment_id=number)


def trace(newest: Lab, experiment: str, ident: str) -> str:
    """Have the server make a trace, and choose the place of its artifacts."""
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    info = {"trace_id": ident, "trace_location": location, "request_time": "2026-01-01T00:00:00Z", "state": "OK"}
    newest.reader.ask("POST", "/api/3.0/mlflow/traces", trace={"trace_info": info})
    return ident


@contextlib.contextmanager
def store(home: Path) -> Iterator[str]:
    """Run an MLflow that only keeps artifacts, and takes them from anybody; give its address."""
    home.mkdir()
    port = servers.free_port()
    command = [str(project.MLFLOW / "bin" / "python"), "-m", "mlflow", "server", "--artifacts-only", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--artifacts-destination", str(home / "kept")]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "MLFLOW_DISABLE_TELEMETRY": "true", "LC_ALL": "C.UTF-8"}
    # As wherever the role starts one: else eight processes more import MLflow, and wait for jobs.
    environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=home, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        servers.wait_until_healthy(process, f"http://127.0.0.1:{port}", home / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        servers.stop(process)


def test_a_store_elsewhere_is_asked_for_what_was_computed_without_a_log_in(
    newest: Lab, team: Team, some: t.Callable[[str], str]
) -> None:
    kept, whole = newest.reader.create_experiment(some("kept")), newest.reader.create_experiment(some("whole"))
    gone, inside, other = old_run(team, kept), team.run(whole), team.run(kept)
    old(team, whole)
    team.know(artifacts=None)
    with (
        store(team.home / "store") as uri,
        loopback.listening(mlflow_proxy.Proxy(uri)) as proxy,
    ):
        for path in (f"{kept}/{gone}/artifacts", f"{kept}/{other}/artifacts", f"{whole}/{inside}", f"{whole}0/x"):
            place = team.home / "store" / "kept" / "root" / path
            place.mkdir(parents=True)
            (place / "note.txt").write_text("hello")
        root = team.home / "store" / "kept" / "root"
        team.environment = {
            "MLFLOW_ARTIFACTS_DESTINATION": f"{proxy.uri}/api/2.0/mlflow-artifacts/artifacts/root",
            "MLFLOW_TRACKING_USERNAME": "me",
            "MLFLOW_TRACKING_PASSWORD": "mine",
        }
        said = team.collect()
    assert f"Experiment with ID {whole} has been permanently deleted." in said
    assert not (root / kept / gone / "artifacts").exists()
    assert (root / kept / other / "artifacts" / "note.txt").exists()
    assert not (root / whole / inside).exists()
    assert (root / f"{whole}0" / "x" / "note.txt").exists()
    # To a bucket, the number alone would be the beginning of others.
    removed = [path.partition("/artifacts/root/")[2] for method, path in proxy.requests if method == "DELETE"]
    assert sorted(removed) == sorted([f"{kept}/{gone}/artifacts", f"{whole}/{inside}/artifacts", f"{whole}/{inside}"])
    assert proxy.logins == {""}


@pytest.mark.parametrize("form", ["{root}", "file://{root}"])
def test_where_clients_go_to_the_artifacts_themselves_only_what_is_below_that_root_goes(
    newest: Lab, team: Team, some: t.Callable[[str], str], form: str
) -> None:
    own, served = newest.reader.create_experiment(some("own")), newest.reader.create_experiment(some("served"))
    beside = newest.reader.create_experiment(some("beside"))
    root = team.home / "shared"
    for number in (own, beside, served):
        (root / number / "models").mkdir(parents=True)
    (team.home / "shared2" / beside).mkdir(parents=True)
    team.sql("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", form.format(root=root / own), own)
    place = form.format(root=team.home / "shared2" / beside)
    team.sql("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", place, beside)
    for number in (own, served, beside):
        old(team, number)
    team.know(artifacts=None)
    team.environment = {"MLFLOW_SERVE_ARTIFACTS": "false", "MLFLOW_DEFAULT_ARTIFACT_ROOT": form.format(root=root)}
    said = team.collect()
    assert f"Experiment with ID {own} has been permanently deleted." in said
    assert sorted(os.listdir(root)) == sorted([served, beside])
    assert (team.home / "shared2" / beside).exists()
    assert f"left experiment {served}: 'mlflow-artifacts:/{served}' is not its own place" in said
    assert f"left experiment {beside}: {place!a} is not its own place" in said
    for number in (served, beside):
        team.post("experiments/restore", experiment_id=number)


def test_what_cannot_be_removed_is_named_and_keeps_its_row(
    newest: Lab, team: Team, some: t.Callable[[str], str]
) -> None:
    experiment = newest.reader.create_experiment(some("kept"))
    run = old_run(team, experiment)
    with loopback.nobody() as uri:
        address = f"{uri}/api/2.0/mlflow-artifacts/artifacts"
        team.environment = {"MLFLOW_ARTIFACTS_DESTINATION": address, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
        done = team.start()
    assert done.returncode == 1
    assert "these could not be removed; the next run tries again:" in done.stderr
    assert f"run {run}: " in done.stderr
    assert "Traceback" not in done.stderr
    assert run in team.runs()
    team.environment = {}
    assert f"Run with ID {run} has been permanently deleted." in team.collect()
    assert not (team.home / ".gc-unfinished").exists()


def test_what_is_never_removed_does_not_keep_the_others_for_good(
    newest: Lab, team: Team, some: t.Callable[[str], str]
) -> None:
    experiment = newest.reader.create_experiment(some("kept"))
    # One more than are tried once a store refuses all.
    runs = {old_run(team, experiment) for _number in range(11)}
    refused = set(runs)
    team.know(artifacts=None)
    with store(team.home / "store") as uri, loopback.listening(mlflow_proxy.Proxy(uri)) as proxy:
        team.environment = {
            "MLFLOW_ARTIFACTS_DESTINATION": f"{proxy.uri}/api/2.0/mlflow-artifacts/artifacts/root",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        }

        def decide(method: str, path: str, _writes: int) -> str:
            locked = method == "DELETE" and any(run in path for run in refused)
            return mlflow_proxy.CUT if locked else mlflow_proxy.PASS

        with proxy.deciding(decide):
            said = team.start().stderr
            assert "no more were tried" in said
            (last,) = (run for run in runs if f"run {run}: " not in said)
            refused -= {last}
            # It is not among the ten that are tried first in one run of eleven.
            for _attempt in range(20):
                team.start()
                if last not in team.runs():
                    break
    assert not {last} & set(team.runs())
    assert refused <= set(team.runs())
