"""Work in processes: every item has a result, whatever becomes of its process."""

import os
import signal
import time

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._parallel import Died, in_parallel


def double(number):
    return 2 * number


def test_nothing_to_do():
    assert list(in_parallel(double, [], 4)) == []


@pytest.mark.parametrize("at_most", [1, 2, 40])
def test_every_item_has_its_result(at_most):
    assert sorted(in_parallel(double, list(range(20)), at_most)) == [(number, 2 * number) for number in range(20)]


def test_a_large_result_comes_whole():
    assert [len(found) for _number, found in in_parallel(lambda size: "x" * size, [5_000_000] * 2, 2)] == [
        5_000_000
    ] * 2


@pytest.mark.parametrize("at_most", [1, 3])
def test_no_more_than_allowed_at_the_same_time(tmp_path, at_most):
    def count(number):
        mark = tmp_path / str(number)
        mark.touch()
        time.sleep(0.05)
        found = len(list(tmp_path.iterdir()))
        mark.unlink()
        return found

    assert max(found for _number, found in in_parallel(count, list(range(9)), at_most)) <= at_most


def die(number):
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 3:
        os._exit(3)
    return number


@pytest.mark.parametrize("at_most", [1, 2, 4])
def test_who_dies_does_not_keep_the_others_waiting(at_most):
    results = dict(in_parallel(die, [0, 1, 2, 3], at_most))
    assert [results[0], results[2]] == [0, 2]
    assert isinstance(results[1], Died)
    assert "code -9" in str(results[1])
    assert "code 3" in str(results[3])
