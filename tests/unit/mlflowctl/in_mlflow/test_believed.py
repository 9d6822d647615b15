"""A clock that jumps ahead is believed a piece at a time, where something goes for good."""

import time

import pytest
from mlflowctl.in_mlflow import believed

DAY = 86400


@pytest.fixture
def at(tmp_path, monkeypatch):
    """Return a function that runs it on a day by the clock, with an age of so many; it returns what it believes."""

    def run(day, age=30):
        monkeypatch.setattr(time, "time", lambda: day * DAY)
        return believed.now(tmp_path, age * DAY) / DAY

    return run


def test_time_that_goes_on_is_believed(at, capsys):
    assert [at(day) for day in (20000, 20001, 20001.2, 20003, 20010)] == [20000, 20001, 20001.2, 20003, 20010]
    assert capsys.readouterr().out == ""


def test_a_jump_counts_for_a_quarter_of_the_age_at_each_run(at, capsys, tmp_path):
    assert [at(day) for day in (20000, 20400, 20401)] == [20000, 20007.5, 20015]
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("the clock is 400.0 days on since the last run, and only 7.5 of them count in this one")
    assert len(said) == 2
    # It was put right, or was right.
    assert at(20002) == 20002
    assert at(20400) == 20015
    (tmp_path / ".gc-time").unlink()
    assert at(20400) == 20400


def test_a_clock_that_is_far_behind_for_a_run_stops_nothing(at):
    assert [at(day) for day in (20000, 1, 20001, 20002)] == [20000, 1, 20000, 20002]


def test_a_short_age_and_a_weekend_are_no_jump(at):
    assert [at(day, 0.1) for day in (20000, 20001, 20003)] == [20000, 20001, 20003]


@pytest.mark.parametrize("text", ["", "nan", "inf", "soon", "\u00e9"])
def test_what_is_no_time_is_none(at, tmp_path, text):
    (tmp_path / ".gc-time").write_text(text, encoding="utf-8")
    assert at(20000) == 20000


def test_a_place_that_takes_no_note_keeps_nothing_from_going(at, tmp_path):
    (tmp_path / ".gc-time.new").mkdir()
    assert at(20000) == 20000
