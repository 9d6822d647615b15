"""What works as an account has the passwords of others in its memory, which the account is not to see."""

import ctypes
import os
import pwd

from ansible_collections.mlops.mlflow.plugins.module_utils._as_account import work_as

GET_DUMPABLE = 3


def test_no_picture_of_its_memory_is_made_when_its_account_ends_it():
    """Whatever the host does with such pictures: some programs that keep them let the account read them."""

    def work():
        yield ctypes.CDLL(None).prctl(GET_DUMPABLE, 0, 0, 0, 0)

    (helper,) = work_as([(pwd.getpwuid(os.geteuid()), work)], 10)
    assert (helper.error, helper.items) == (None, [0])
