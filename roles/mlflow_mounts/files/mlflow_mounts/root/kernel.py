"""The few calls to the kernel that need root: mount, unmount, and give up root for good."""

from __future__ import annotations

import ctypes
import fcntl
import os
import pwd

from mlflow_mounts.fuse import wire

KIND = "fuse.mlflow"
DEVICE = "/dev/fuse"
# Descriptors below are for the processes of users, which have two.
FIRST_DESCRIPTOR = 64
RDONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8
DETACH, NOFOLLOW = 2, 8
SET_DUMPABLE, SET_NO_NEW_PRIVS = 4, 38

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def out_of_the_way(descriptor: int) -> int:
    """Return the same file under a number that is not a user's process's; a second copy would hide its end."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR)
    os.close(descriptor)
    return moved


def mount(where: str, user: pwd.struct_passwd) -> int:
    """Mount a directory that the kernel lets this user into and nobody else, root included; return its other end."""
    descriptor = out_of_the_way(os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC))
    try:
        options = f"fd={descriptor},rootmode=40000,user_id={user.pw_uid},group_id={user.pw_gid}"
        flags = RDONLY | NOSUID | NODEV | NOEXEC
        _call("mount", b"mlflow", os.fsencode(where), KIND.encode(), ctypes.c_ulong(flags), options.encode())
        try:
            asked = wire.request(os.read(descriptor, wire.REQUEST_SIZE))
            os.writev(descriptor, wire.answer(asked.unique, 0, wire.agreed(asked)))
        except (OSError, wire.ProtocolError):
            unmount(where)
            raise
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def unmount(where: str) -> None:
    """Unmount all that is mounted there, also where somebody is in it."""
    while True:
        try:
            _call("umount2", os.fsencode(where), DETACH | NOFOLLOW)
        except OSError:
            return


def become(user: pwd.struct_passwd, *descriptors: int) -> None:
    """Have a user's rights and no others, for good, and these descriptors as 3 and up; all others are closed first."""
    for number, descriptor in enumerate(descriptors, 3):
        os.dup2(descriptor, number)
    # Before any right is given up: nobody else's mount is ever in a process of this user's.
    os.closerange(3 + len(descriptors), 1 << 16)
    os.setgroups(os.getgrouplist(user.pw_name, user.pw_gid))
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    _call("prctl", SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # The user cannot look into it either: it was root's.
    _call("prctl", SET_DUMPABLE, 0, 0, 0, 0)
    os.chdir("/")
    os.environ.clear()
