"""Changes what a team's server reads so that it comes out whole: as it was, or as it is to be.

Who changes it holds two locks. With "server" nobody starts the server, with "clients" nobody is passed on to it:
systemd asks here before it does either (ExecStartPre of mlflow@ and mlflow-listen@), so that connections wait in the
socket. What undoes the change is on disk before anything is changed. Locks end with their holder: whoever finds
something to undo, and nobody who holds the lock, undoes it before the server starts. So nothing that a client
was told is ever undone, since the change is over before the first client is let in.

A server is let in when it is its turn, too (starts.py), and with the variables that it is to have (settings.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from mlflowctl import causes, commands, locks, paths, replicas, settings
from mlflowctl import team as teams
from mlflowctl.errors import Problem
from mlflowctl.files import sync, write_private
from mlflowctl.program import PROGRAM
from mlflowctl.retirement import here
from mlflowctl.starts import Starts, default_number
from mlflowctl.team import Team

# Below them, who was let in to start.
STARTS = "starts"
# A little more than the unit gives a server to end.
STOP_SECONDS = 60
# For one that is tried out: what asks it has an end, and so has its start.
TRY_SECONDS = 24 * 3600
TRIED = "the server was tried out"
# What was a program of its own when a journal was written, and is a command of this one.
FORMER_PROGRAMS = {"databases.py": "database", "places.py": "put-back"}


class ChangeError(Problem):
    """Why a change was undone, or could not be."""


def lock(name: str, which: str, wait: bool = True) -> int | None:
    """Take a lock, and return what holds it until it is closed; None where another holds it and wait is false."""
    return locks.take(lock_of(name, which), None if wait else 0)


def lock_of(name: str, which: str) -> Path:
    """Where it is."""
    paths.HERE.locks.mkdir(mode=0o700, exist_ok=True)
    return paths.HERE.locks / f"{name}.{which}"


def journal(name: str) -> Path:
    """Where it stands what is to be undone."""
    return paths.HERE.changes / f"{name}.json"


def read_journal(name: str) -> dict[str, Any] | None:
    """Return what is to be undone; None where there is nothing."""
    try:
        return dict(json.loads(journal(name).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def write_journal(name: str, entry: dict[str, Any]) -> None:
    """Have it on disk before anything is changed."""
    make_home()
    write_private(journal(name), json.dumps(entry).encode())


def forget_journal(name: str) -> None:
    """From here on there is no way back."""
    journal(name).unlink(missing_ok=True)
    sync(str(paths.HERE.changes))


def make_home() -> None:
    """Have the directory that accounts pass through to their own, whatever the umask."""
    paths.HERE.changes.mkdir(exist_ok=True)
    paths.HERE.changes.chmod(0o711)


def workshop(team: Team) -> Path:
    """Return a directory that the team's account can write and only it and root can read."""
    make_home()
    path = paths.HERE.changes / team.name
    path.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        team.own(path)
    return path


def undo(team: Team, entry: dict[str, Any]) -> None:
    """Do what undoes a change; each step may have been done already, or never have been needed."""
    if not entry.get("said"):
        # As changes of before did not say it in databases that are shared.
        replicas.say(team, entry["what"])
    for step in entry["undo"]:
        commands.printed(
            understood(step["command"]),
            lambda said: ChangeError(f"{entry['what']} could not be undone: {said}"),
            commands.WORK_SECONDS,
            team.account if step["as_account"] else None,
        )
    replicas.give_back(team)
    forget_journal(team.name)


def understood(command: list[str]) -> list[str]:
    """Return a command as it is said today: journals of before name files that are gone."""
    for number, word in enumerate(command):
        # Behind the interpreter and its option.
        if Path(word).parent == paths.HERE.library and Path(word).name in FORMER_PROGRAMS and number > 1:
            return [*command[: number - 2], *PROGRAM, FORMER_PROGRAMS[Path(word).name], *command[number + 1 :]]
    return command


class NotStartedError(ChangeError):
    """The server was not even asked."""


class Change:
    """One change of one team, under both locks; leaving it by an exception undoes it.

    What waited while the team was retired changes nothing any more, unless it is an end itself.
    """

    def __init__(self, team: Team, what: str, is_end: bool = False) -> None:
        self.team = team
        self.what = what
        self.is_end = is_end
        self.locks: dict[str, int] = {}
        self.psql: list[subprocess.Popen[str]] = []
        self.took_databases = False

    def __enter__(self) -> Change:
        # Never one while waiting for the other: who tries a server out has only "clients", and wants "server" again.
        while not self.locks:
            server, clients = lock(self.team.name, "server"), lock(self.team.name, "clients", wait=False)
            if server is not None and clients is not None:
                self.locks = {"server": server, "clients": clients}
            elif server is not None:
                os.close(server)
                time.sleep(0.2)
        try:
            self.refuse_retired()
            self.undo_what_is_left()
            if self.team.leads:
                # What nobody could say at the end of the last one.
                replicas.give_back(self.team)
        except BaseException:
            self.let_go()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self.undo_what_is_left()
            if self.took_databases:
                replicas.give_back(self.team)
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Let others begin."""
        for process in self.psql:
            replicas.close(process)
        for handle in self.locks.values():
            os.close(handle)

    def refuse_retired(self) -> None:
        """Raise where the team has gone since it was looked up: what is still there of it is an end's."""
        gone = not (self.team.directory / "team.json").exists() or here().record(self.team.name).exists()
        if gone and not self.is_end:
            raise ChangeError(
                f"team {self.team.name} is retired from this host; declare it as present, and run mlops.mlflow.site"
            )

    def undo_what_is_left(self) -> None:
        """Undo what is noted, when the server cannot start meanwhile."""
        left = read_journal(self.team.name)
        if not left:
            return
        if "server" not in self.locks:
            handle = lock(self.team.name, "server")
            if handle is not None:
                self.locks["server"] = handle
        # Nobody looks while the locks are held. A disk that is full is no reason to undo nothing: that takes no room.
        with contextlib.suppress(OSError):
            write_journal(self.team.name, {**left, "trying": False})
        self.stop_server()
        undo(self.team, left)

    def run(self, command: list[str], seconds: float, **options: Any) -> commands.Done:
        """Run a command as the team's account; it holds the locks too, since it may outlive this process."""
        return self.team.run(command, seconds, pass_fds=tuple(self.locks.values()), **options)

    def stop_server(self) -> None:
        """End the server; where it ran, or somebody connects, it waits to start again until the lock is free.

        A stop would be called off by the first client that waits in the socket; a restart is not.
        """
        starts = Starts(paths.HERE.locks / STARTS)
        if not starts.runs(self.team.name):
            return
        self.systemctl("restart", "--no-block", self.team.server)
        end = time.monotonic() + STOP_SECONDS
        while starts.runs(self.team.name):
            if time.monotonic() > end:
                raise ChangeError(f"{self.team.server} still runs {STOP_SECONDS} s after it was asked to end")
            time.sleep(0.05)

    def take_databases(self) -> None:
        """Have no other replica serve the databases until the change is over, or undone."""
        self.took_databases = True
        self.psql = replicas.hold_open(self.team)
        replicas.take(self.team, self.what)

    def keep_databases(self) -> None:
        """Have no other replica ever serve them again."""
        self.took_databases = False

    def begin(self, steps: list[tuple[bool, list[str]]]) -> None:
        """Note how to undo what follows: commands, each with whether the team's account or root runs it."""
        undoing = [{"as_account": as_account, "command": command} for as_account, command in steps]
        write_journal(self.team.name, {"what": self.what, "trying": False, "undo": undoing, "said": True})

    def try_out(self, program: str, feed: str = "") -> None:
        """Start the server as it is now for a program that is to find it well; clients still wait."""
        entry = read_journal(self.team.name) or {}
        write_journal(self.team.name, {**entry, "trying": True})
        os.close(self.locks.pop("server"))
        command = beside(self.team.server, [*PROGRAM, program, self.team.name])
        if not commands.printed(command, ChangeError, TRY_SECONDS, input=feed).endswith(f"{TRIED}\n"):
            raise NotStartedError(f"{self.team.server} did not start; {causes.where(self.team.server)}")

    def commit(self) -> None:
        """The change stands, and clients are let in."""
        forget_journal(self.team.name)

    def systemctl(self, *words: str) -> None:
        """Tell systemd to do something."""
        commands.printed(
            ["systemctl", *words],
            lambda said: ChangeError(f"systemctl {' '.join(words)}: {said}"),
            commands.DO_SECONDS,
        )


def beside(server: str, command: list[str]) -> list[str]:
    """Return what runs a command beside a server, which is started for it, and prints TRIED once that went well."""
    # A unit that needs the server, since one that nobody needs would stop at once.
    needs = [f"--property={word}={server}" for word in ("Requires", "After")]
    unit = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", *needs]
    # Where the server does not start, systemd runs nothing, and calls that a success: the command has to say so.
    return [*unit, "/bin/sh", "-c", f'"$@" && echo {TRIED}', "sh", *command]


def is_active(unit: str) -> bool:
    """Say whether a unit runs or listens."""
    return commands.run(["systemctl", "is-active", "--quiet", unit]).returncode == 0


def main_process(team: Team) -> int:
    """The process of the team's server; 0 where it does not run, or only waits to."""
    shown = commands.run(["systemctl", "show", "--property=MainPID", "--value", team.server])
    return int(shown.stdout or 0)


def may_start(name: str) -> bool:
    """With the lock "server": undo what is left of a change that was cut off.

    While it is tried out, whoever made it is there. After that, they are about to undo it, and want the lock for it.
    """
    entry = read_journal(name)
    if not entry:
        team = teams.load(name)
        if team.leads:
            replicas.give_back(team, of_anybody=True)
        return True
    clients = lock(name, "clients", wait=False)
    if clients is None:
        return bool(entry["trying"])
    try:
        undo(teams.load(name), entry)
    finally:
        os.close(clients)
    return True


def before_server(name: str, most: int) -> None:
    """Let the server start when it is its turn, nobody is changing what it reads, and nothing is left of a change.

    A change takes any time, and so it is waited for before the turn, and looked for again in it: whoever has a turn
    waits for nobody.
    """
    starts = Starts(paths.HERE.locks / STARTS)
    while True:
        with locks.held(lock_of(name, "server")):
            ready = may_start(name)
        with starts.turn(most) if ready else contextlib.nullcontext():
            handle = lock(name, "server", wait=False) if ready else None
            if handle is not None:
                try:
                    entry = read_journal(name)
                    if not entry or entry["trying"]:
                        starts.note(name)
                        return
                finally:
                    os.close(handle)
        time.sleep(0.2)


def before_clients(name: str) -> None:
    """Let clients in when nobody is changing anything."""
    with locks.held(lock_of(name, "clients")):
        if read_journal(name):
            # Cut off while it was tried out: the server that runs is the one that is to be undone.
            commands.run(["systemctl", "restart", "--no-block", f"mlflow@{name}.service"])
            raise ChangeError("a change was cut off, and is undone before the server starts again")


def main(do: str, name: str, most: str = "0") -> None:
    """What systemd asks before it starts a server, passes a client on to it, or lets its garbage be collected."""
    try:
        let_in(do, name, most)
    except (Problem, OSError) as error:
        raise ChangeError(f"{name}: {error}") from None


def let_in(do: str, name: str, most: str) -> None:
    """Wait until it may."""
    if do == "server":
        before_server(name, int(most) or default_number())
        settings.hand_over(teams.load(name))
    else:
        before_clients(name)
        if do == "garbage":
            settings.hand_over_to_garbage_collection(teams.load(name))
