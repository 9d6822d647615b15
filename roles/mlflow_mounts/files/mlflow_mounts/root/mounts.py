"""One directory for each user. It stays, whether a process answers for it or not."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import sys
import time
from collections.abc import Callable

from mlflow_mounts import memory
from mlflow_mounts.root import kernel, systemd

# What a process writes into its memory of nodes while it works: who finds it there knows that it was killed.
WORKING = b"!"
# Seconds before a user whose process failed gets another one.
PAUSE = 1.0

# What a process with the user's rights does with both descriptors, and its exit code.
Serve = Callable[[int, int, str], int]


def say(text: str) -> None:
    """Say something into the journal."""
    print(text, file=sys.stderr, flush=True)


class Mount:
    """The directory of one user."""

    def __init__(self, user: pwd.struct_passwd, directory: str) -> None:
        self.user = user
        self.where = os.path.join(directory, user.pw_name)
        # Another number of the user is another mount.
        self.key = f"{user.pw_uid}-{user.pw_gid}-{user.pw_name}"
        self.process = 0
        self.fuse = self.state = -1
        self.not_before = 0.0

    def adopt(self, kept: dict[str, int]) -> None:
        """Go on with what a former process had mounted, unless something that was asked of it got lost."""
        found = [kept.pop(f"{kind}-{self.key}", -1) for kind in ("fuse", "state")]
        if min(found) >= 0:
            self.fuse, self.state = found
            if os.pread(self.state, 1, 0) != WORKING:
                return
            say(f"{self.user.pw_name}: was killed while it worked, so it is mounted again")
        else:
            for descriptor in found:
                if descriptor >= 0:
                    os.close(descriptor)
        self.again()

    def again(self) -> None:
        """Mount it anew."""
        self._leave()
        os.makedirs(self.where, mode=0o755, exist_ok=True)
        self.fuse = kernel.mount(self.where, self.user)
        self.state = kernel.out_of_the_way(os.memfd_create("mlflow-mounts"))
        systemd.keep(f"fuse-{self.key}", self.fuse)
        systemd.keep(f"state-{self.key}", self.state)

    def _leave(self) -> None:
        """Let go of what was mounted; whoever waits for it is told."""
        if self.process:
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
            self.process = 0
        kernel.unmount(self.where)
        for kind, descriptor in (("fuse", self.fuse), ("state", self.state)):
            systemd.drop(f"{kind}-{self.key}")
            if descriptor >= 0:
                os.close(descriptor)
        self.fuse = self.state = -1

    def start(self, serve: Serve) -> None:
        """Start a process with the user's rights, and nothing of anybody else's."""
        self.not_before = time.monotonic() + PAUSE
        try:
            self.process = os.fork()
        except OSError as error:
            # Who looks waits until there is room for another one.
            say(f"{self.user.pw_name}: nobody answers yet: {error}")
            return
        if self.process:
            return
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            kernel.become(self.user, self.fuse, self.state)
            memory.save()
            status = serve(3, 4, self.user.pw_dir)
        except BaseException:  # noqa: BLE001 - nothing of this process goes on as root's
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def ended(self) -> bool:
        """Say whether its process has ended; mount it anew where that was no good end."""
        if not self.process:
            return False
        process, status = os.waitpid(self.process, os.WNOHANG)
        if not process:
            return False
        self.process = 0
        if status:
            say(f"{self.user.pw_name}: its process ended with {status}, so it is mounted again")
            self.again()
        return True

    def end(self, until: float) -> None:
        """See its process end, which was told to; kill it when it does not."""
        while self.process and os.waitpid(self.process, os.WNOHANG)[0] == 0:
            if time.monotonic() > until:
                os.kill(self.process, signal.SIGKILL)
                os.waitpid(self.process, 0)
                break
            time.sleep(0.01)
        self.process = 0


def forget_others(directory: str, wanted: set[str], kept: dict[str, int]) -> None:
    """Unmount what is nobody's any more."""
    for name, descriptor in kept.items():
        systemd.drop(name)
        os.close(descriptor)
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(directory):
            if name not in wanted:
                kernel.unmount(os.path.join(directory, name))
                with contextlib.suppress(OSError):
                    os.rmdir(os.path.join(directory, name))
