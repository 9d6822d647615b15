"""What was deleted long ago goes for good, with its files and the grants on it; nothing younger does."""

import json
import os
import time
import uuid

import pytest
from garbage import Team


@pytest.fixture
def team(newest, tmp_path):
    return Team(newest, tmp_path, by_itself=True)


def test_a_team_with_nothing_to_remove_is_not_asked(newest, team, some):
    number = newest.reader.create_experiment(some("young"))
    team.post("experiments/delete", experiment_id=number)
    assert team.collect() == "nothing to remove\n"
    assert newest.proxy.requests == []
    assert newest.reader.experiments()


def test_what_is_old_goes_with_all_that_is_its_own(newest, team, some, secret):
    user, group = some("ann"), some("group")
    newest.reader.create_user(user, secret())
    names = {word: some(word) for word in ("kept", "young", "old")}
    numbers = {word: newest.reader.create_experiment(name) for word, name in names.items()}
    runs = {word: team.run(number) for word, number in numbers.items()}
    gone, young = team.run(numbers["kept"]), team.run(numbers["kept"])
    # Of an experiment, and of no run.
    team.put(f"{numbers['old']}/models/m-1/artifacts/weights.bin")
    for number in numbers.values():
        newest.reader.grant(user, "experiment", number, "MANAGE")
    granted = [{"experiment": name, "permission": "EDIT"} for name in names.values()]
    newest.ok("group", name=group, grants=granted)
    for run in (gone, young):
        team.post("runs/delete", run_id=run)
    for word in ("young", "old"):
        team.post("experiments/delete", experiment_id=numbers[word])
    team.age(experiment=numbers["old"], run=gone)

    said = team.collect()
    assert f"Run with ID {gone} has been permanently deleted." in said
    assert f"Experiment with ID {numbers['old']} has been permanently deleted." in said
    # With that of who has made it.
    assert "removed 3 grants" in said
    assert {run for run in team.runs() if run in (*runs.values(), gone, young)} == {runs["kept"], runs["young"], young}
    assert team.sql("SELECT count(*) FROM metrics WHERE run_uuid IN (?, ?)", gone, runs["old"]) == [(0,)]
    assert not (team.artifacts / numbers["old"]).exists()
    assert not (team.artifacts / numbers["kept"] / gone / "artifacts" / "note.txt").exists()
    for word, run in (("kept", runs["kept"]), ("kept", young), ("young", runs["young"])):
        assert (team.artifacts / numbers[word] / run / "artifacts" / "note.txt").read_text() == "hello"
    left = {("experiment", numbers[word]) for word in ("kept", "young")}
    assert set(newest.reader.user(user)["grants"]) == left
    assert set(newest.reader.role(group)["grants"]) == left
    assert not (team.home / ".gc-unfinished").exists()
    # SQLite gives the number away again, and nobody has anything on it but who has made it.
    again = newest.reader.create_experiment(names["old"])
    assert again == numbers["old"]
    assert ("experiment", again) not in newest.reader.user(user)["grants"]
    assert team.collect() == "nothing to remove\n"


def test_a_dataset_is_not_of_the_next_experiment_of_the_number(newest, team, some, secret):
    ann, dataset = (some("ann"), secret()), some("dataset")
    newest.reader.create_user(*ann)
    kept, number = (newest.reader.create_experiment(some(word)) for word in ("kept", "old"))
    route = "/api/3.0/mlflow/datasets/"
    made = newest.reader.ask("POST", route + "create", name=dataset, experiment_ids=[number, kept])["dataset"]
    alone = newest.reader.ask("POST", route + "create", name=some("alone"), experiment_ids=[number])["dataset"]
    team.post("experiments/delete", experiment_id=number)
    team.age(experiment=number)
    assert f"Experiment with ID {number} has been permanently deleted." in team.collect()
    again = newest.reader.ask("POST", "/api/2.0/mlflow/experiments/create", ann, name=some("new"))["experiment_id"]
    assert again == number
    for each in (made, alone):
        for method, what in (("GET", ""), ("GET", "/records"), ("DELETE", "")):
            assert newest.reader.status(method, f"{route}{each['dataset_id']}{what}", ann) == 403
    found = newest.reader.ask("GET", f"{route}{made['dataset_id']}/experiment-ids")
    assert found == {"experiment_ids": [kept]}


def test_what_was_worked_out_for_an_experiment_is_not_told_to_the_next_of_the_number(newest, team, some, secret):
    ann = (some("ann"), secret())
    newest.reader.create_user(*ann)
    kept, number = (newest.reader.create_experiment(some(word)) for word in ("kept", "old"))
    # As MLflow notes what it does beside requests, such as the optimization of a prompt.
    jobs = {uuid.uuid4().hex: experiment for experiment in (number, kept, f"{number}0", None)}
    for job, experiment in jobs.items():
        params = json.dumps({"experiment_id": experiment, "prompt_uri": "prompts:/secret/1"} if experiment else {})
        team.sql(
            "INSERT INTO jobs (id, creation_time, job_name, params, workspace, status, retry_count, last_update_time)"
            " VALUES (?, 1, 'optimize_prompts', ?, 'default', 3, 0, 1)",
            job,
            params,
        )
    team.post("experiments/delete", experiment_id=number)
    team.age(experiment=number)
    assert f"Experiment with ID {number} has been permanently deleted." in team.collect()
    again = newest.reader.ask("POST", "/api/2.0/mlflow/experiments/create", ann, name=some("new"))["experiment_id"]
    assert again == number
    route = "/api/3.0/mlflow/prompt-optimization/jobs/search"
    assert newest.reader.ask("POST", route, ann, experiment_id=again) == {}
    left = {job for (job,) in team.sql("SELECT id FROM jobs") if job in jobs}
    assert left == {job for job, experiment in jobs.items() if experiment != number}
    assert [job["job_id"] for job in newest.reader.ask("POST", route, experiment_id=kept)["jobs"]] == [
        job for job, experiment in jobs.items() if experiment == kept
    ]


def test_grants_that_a_run_cut_off_has_left_go_with_the_next(newest, team, some, secret):
    user = some("ben")
    newest.reader.create_user(user, secret())
    newest.reader.grant(user, "experiment", "987654", "MANAGE")
    (team.home / ".gc-unfinished").touch()
    assert "removed 1 grants" in team.collect()
    assert newest.reader.user(user)["grants"] == {}
    assert os.listdir(team.home).count(".gc-unfinished") == 0


def test_a_clock_that_has_jumped_takes_nothing_with_it(newest, team, some):
    experiment = newest.reader.create_experiment(some("kept"))
    run = team.run(experiment)
    team.post("runs/delete", run_id=run)
    team.age(run=run)
    note = team.home / ".gc-time"
    note.write_text(str(time.time() - 60 * 86400))
    said = team.collect()
    assert said.startswith("the clock is 60.0 days on since the last run, and only 7.5 of them count in this one")
    assert run in team.runs()
    # Somebody has seen that it is right.
    note.unlink()
    assert f"Run with ID {run} has been permanently deleted." in team.collect()
    assert note.exists()
