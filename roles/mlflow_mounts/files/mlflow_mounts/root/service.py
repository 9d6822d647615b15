"""The service: mounts a directory for each user, and starts a process whenever somebody looks into one without."""

from __future__ import annotations

import json
import os
import pwd
import re
import select
import signal
import socket
import time

from mlflow_mounts.root import mounts, systemd
from mlflow_mounts.root.mounts import Mount, Serve, say

# A name that is one of a directory, and of a descriptor to systemd.
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\$?\Z")
# Seconds that the processes of users have to end.
LAST_SECONDS = 14.0


class Settings:
    """What Ansible has written: names and numbers, no secrets."""

    def __init__(self, path: str) -> None:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        self.directory = str(found["directory"])
        self.users = [str(name) for name in found["users"]]
        self.idle = float(found["idle_seconds"])


def all_mounts(settings: Settings, kept: dict[str, int]) -> list[Mount]:
    """Return the mounts of all users; what is in the way of one keeps nobody else from theirs."""
    os.makedirs(settings.directory, mode=0o755, exist_ok=True)
    found = []
    for name in settings.users:
        try:
            if not USER.match(name):
                raise ValueError("this is not a valid user name")
            mount = Mount(pwd.getpwnam(name), settings.directory)
            if mount.user.pw_uid == 0:
                raise ValueError("root has no artifacts here")
            mount.adopt(kept)
        except (KeyError, ValueError, OSError) as error:
            say(f"{name!r}: not mounted: {error}")
        else:
            found.append(mount)
    mounts.forget_others(settings.directory, {mount.user.pw_name for mount in found}, kept)
    return found


class Service:
    """Waits for somebody to look."""

    def __init__(self, found: list[Mount], serve: Serve) -> None:
        self.mounts, self.serve = found, serve
        self.poll = select.epoll()
        self.asked: dict[int, Mount] = {}
        self.ending = False
        self.wake, self._ring = socket.socketpair()
        for end in (self.wake, self._ring):
            end.setblocking(False)
        self.poll.register(self.wake, select.EPOLLIN)

    def run(self) -> None:
        """Go on until it is told to end."""
        signal.set_wakeup_fd(self._ring.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._end)
        for mount in self.mounts:
            self._listen(mount)
        systemd.tell("READY=1")
        while not self.ending:
            paused = [mount for mount in self.mounts if not mount.process and mount.fuse not in self.asked]
            for descriptor, _event in self.poll.poll(0.2 if paused else None):
                if descriptor == self.wake.fileno():
                    self.wake.recv(4096)
                elif descriptor in self.asked:
                    self._start(descriptor)
            self._bury()
            for mount in paused:
                if time.monotonic() >= mount.not_before:
                    self._listen(mount)
        self._stop()

    def _end(self, *_signal: object) -> None:
        self.ending = True

    def _listen(self, mount: Mount) -> None:
        if mount.fuse < 0:
            mount.not_before = time.monotonic() + mounts.PAUSE
            try:
                mount.again()
            except OSError as error:
                say(f"{mount.user.pw_name}: not mounted: {error}")
                return
        self.asked[mount.fuse] = mount
        self.poll.register(mount.fuse, select.EPOLLIN)

    def _start(self, descriptor: int) -> None:
        """From here on, the user's process takes what is asked."""
        mount = self.asked.pop(descriptor)
        self.poll.unregister(descriptor)
        mount.start(self.serve)

    def _bury(self) -> None:
        for mount in self.mounts:
            try:
                good = mount.ended() and time.monotonic() >= mount.not_before
            except OSError as error:
                say(f"{mount.user.pw_name}: not mounted: {error}")
            else:
                if good:
                    self._listen(mount)

    def _stop(self) -> None:
        """They end by themselves when they have answered what was asked; the mounts stay."""
        for mount in self.mounts:
            if mount.process:
                os.kill(mount.process, signal.SIGTERM)
        until = time.monotonic() + LAST_SECONDS
        for mount in self.mounts:
            mount.end(until)


def run(path: str, serve: Serve) -> None:
    """Be the service."""
    settings = Settings(path)
    kept = systemd.kept()
    Service(all_mounts(settings, kept), serve).run()
