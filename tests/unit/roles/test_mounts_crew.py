"""Threads that work for a team: there when they are needed, and not counted where they are not."""

import errno
import threading
import time

import pytest
from mlflow_mounts.fuse import crew


def done_by(team):
    """Have something done; say whether it was."""
    done = threading.Event()
    team.submit(done.set)
    return done.wait(300)


def assert_all_end(team):
    until = time.monotonic() + 300
    while team.threads and time.monotonic() < until:
        time.sleep(0.005)
    assert team.threads == 0


def refused(thread):
    raise RuntimeError(f"can't start {thread}")


def test_a_thread_that_cannot_start_is_not_counted(monkeypatch):
    team = crew.Crew(1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        with pytest.raises(OSError, match="too many threads") as raised:
            team.submit(list)
    assert (raised.value.errno, team.threads) == (errno.EAGAIN, 0)
    assert done_by(team)
    assert team.threads == 1


def test_who_is_there_does_what_another_thread_cannot_be_started_for(monkeypatch):
    team, begun, go_on, done = crew.Crew(2), threading.Event(), threading.Event(), threading.Event()
    team.submit(lambda: (begun.set(), go_on.wait(300)))
    assert begun.wait(300)
    monkeypatch.setattr(threading.Thread, "start", refused)
    team.submit(done.set)
    assert team.threads == 1
    go_on.set()
    assert done.wait(300)


def test_threads_that_nobody_needs_end_and_others_take_their_place(monkeypatch):
    monkeypatch.setattr(crew, "IDLE", 0.01)
    team = crew.Crew(4)
    for _round in range(20):
        assert all(done_by(team) for _number in range(20))
        assert_all_end(team)
    assert done_by(team)


@pytest.mark.parametrize("most", [1, 4])
def test_work_that_waited_leaves_nobody_to_count_on_who_is_gone(monkeypatch, most):
    monkeypatch.setattr(crew, "IDLE", 0.01)
    team = crew.Crew(most)
    for _round in range(5):
        done, go_on = [threading.Event() for _number in range(10 * most)], threading.Event()
        for each in done:
            team.submit(lambda each=each, go_on=go_on: (go_on.wait(300), each.set()))
        assert team.threads == most
        go_on.set()
        assert all(each.wait(300) for each in done)
        assert_all_end(team)
        assert done_by(team)


def test_nothing_is_lost_while_threads_end(monkeypatch):
    monkeypatch.setattr(crew, "IDLE", 0.001)
    team = crew.Crew(3)
    done = [threading.Event() for _number in range(300)]
    for number, each in enumerate(done):
        team.submit(each.set)
        # About as long as a thread waits: some end just now.
        time.sleep(number % 3 * 0.0005)
    assert all(each.wait(300) for each in done)
    assert_all_end(team)
