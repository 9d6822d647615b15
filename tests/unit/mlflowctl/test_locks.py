"""One holds a lock, others wait for as long as they want to."""

import os
import threading
import time

import pytest
from mlflowctl import locks


@pytest.fixture(params=["file", "directory"])
def path(request, tmp_path):
    return tmp_path if request.param == "directory" else tmp_path / "lock"


def test_one_alone_has_it(path):
    with locks.held(path) as first:
        assert first
        assert locks.take(path, 0) is None
        with locks.held(path, 0.1) as second:
            assert not second
    with locks.held(path, 0) as third:
        assert third


def test_it_is_waited_for_with_patience_or_for_as_long_as_it_takes(path):
    for patience in (None, 30):
        handle = locks.take(path)
        timer = threading.Timer(0.2, os.close, [handle])
        began = time.monotonic()
        timer.start()
        with locks.held(path, patience) as held:
            assert held
            assert time.monotonic() - began >= 0.15
        timer.join()


def test_patience_has_an_end(path):
    with locks.held(path):
        began = time.monotonic()
        assert locks.take(path, 0.3) is None
        assert 0.3 <= time.monotonic() - began < 300


def test_who_fails_lets_go(path):
    with pytest.raises(ValueError, match="it"), locks.held(path):
        raise ValueError("it")
    with locks.held(path, 0) as held:
        assert held


def test_nobody_else_can_read_a_new_one_and_no_program_inherits_it(tmp_path):
    handle = locks.take(tmp_path / "lock")
    assert os.fstat(handle).st_mode & 0o777 == 0o600
    assert not os.get_inheritable(handle)
    os.close(handle)


def test_none_is_left_open(path):
    with locks.held(path):
        before = len(os.listdir("/proc/self/fd"))
        assert locks.take(path, 0) is None
        assert len(os.listdir("/proc/self/fd")) == before
