"""A file system that answers nobody: whoever may look at it waits for as long as it is there."""

import contextlib
import ctypes
import os

import pytest

LIBC = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def mounted_by(account, place):
    """Have a file system that an account has mounted, as fusermount does: nobody else may look at it, not even root."""
    place.mkdir()
    if not os.path.exists("/dev/fuse"):
        pytest.skip("this kernel has no FUSE")
    with open("/dev/fuse", "r+b", buffering=0) as device:
        options = f"fd={device.fileno()},rootmode=40000,user_id={account},group_id={account}"
        if LIBC.mount(b"fuse", os.fsencode(place), b"fuse", 0, options.encode()) != 0:
            pytest.skip("nothing can be mounted here")
        try:
            yield
        finally:
            LIBC.umount2(os.fsencode(place), 2)
