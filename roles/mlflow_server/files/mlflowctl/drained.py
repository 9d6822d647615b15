"""A replica that is drained, for work on its host: the team's other hosts answer meanwhile, and nobody sees an error.

Its port refuses at once, and a proxy asks another host; what has come in before is answered. It stays so, whether the
host starts again or the role is run, until somebody puts it back.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlflowctl import causes, commands, finish, paths, port, systemd, transaction
from mlflowctl import team as teams
from mlflowctl.errors import Problem
from mlflowctl.files import sync, write_private
from mlflowctl.team import Team

# How long what has come in is waited for, and for how long nothing is to be open until all is answered: somebody
# may be between two steps of a handshake.
SECONDS, QUIET, PAUSE = 60, 0.5, 0.02
# The same where the team is about to be away in any case, and waits for this.
HOLD_SECONDS = 10


def mark(name: str) -> Path:
    """Where it stands that a team is drained; the role looks there, too."""
    return paths.HERE.config / name / "drained"


def since(name: str) -> float | None:
    """Return since when it is; None where it is not."""
    try:
        return mark(name).stat().st_mtime
    except FileNotFoundError:
        return None


def noted(name: str) -> dict[str, Any] | None:
    """Return what is to be done to put it back; None where it is not drained."""
    try:
        return dict(json.loads(mark(name).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def forget(name: str) -> None:
    """Let it be drained no more."""
    mark(name).unlink()
    sync(str(mark(name).parent))


def enabled(name: str) -> list[str]:
    """Return those of a team's units that start with the host, as the role has brought them into their state."""
    units = [f"mlflow-listen@{name}.socket", f"mlflow@{name}.service", f"mlflow-gc@{name}.timer"]
    shown = systemd.show(units, ("UnitFileState",))
    return [unit for unit in units if shown.get(unit, {}).get("UnitFileState") == "enabled"]


def refuse(team: Team) -> None:
    """Raise where it cannot be without somebody noticing."""
    name = team.name
    if not team.replica:
        raise Problem(
            f"{name}: this host alone serves it, and nobody would answer meanwhile. For work of a moment restart its "
            f"server (systemctl restart {team.server}): connections wait. For longer work declare state: stopped and "
            "run mlops.mlflow.site: the proxies say so to whoever comes"
        )
    handle = transaction.lock(name, "clients", wait=False)
    if handle is not None:
        os.close(handle)
    if handle is None or transaction.read_journal(name):
        raise Problem(f"{name} is being changed; drain it when that is over (see mlflowctl status {name})")


def drain(*words: str) -> None:
    """Let the other hosts of a team answer, for work on this one."""
    parser = argparse.ArgumentParser("mlflowctl drain", description=drain.__doc__)
    parser.add_argument("team")
    about = f"how long to wait for what is being answered, {SECONDS} by default; with 0, whoever is left is cut off"
    parser.add_argument("--seconds", type=float, default=SECONDS, help=about)
    given = parser.parse_args(list(words))
    name = given.team
    if is_called_by_unit(name):
        finish.main(name)
        return
    team = teams.load(name)
    refuse(team)
    before = noted(name)
    units = before["units"] if before else enabled(name)
    if not units:
        raise Problem(f"{name} is stopped on this host: nobody gets to it")
    # From here on neither a run nor the next boot brings it back.
    write_private(mark(name), json.dumps({"units": units}).encode() + b"\n")
    if given.seconds > 0:
        try:
            let_go(team, given.seconds)
        except BaseException:
            if not before:
                forget(name)
            raise
    systemctl("disable", "--quiet", *units)
    listen = f"mlflow-listen@{name}"
    systemctl("stop", f"{listen}.socket", f"{listen}.service", team.server, *units)
    (paths.HERE.closed / name).unlink(missing_ok=True)
    print(f"{name} is drained on this host, and its others answer; mlflowctl undrain {name} ends it")


def is_called_by_unit(name: str) -> bool:
    """Say whether this is what units of before mean, which is finish by now: systemd may not know the new ones yet."""
    return f"/mlflow-listen@{name}.service" in Path("/proc/self/cgroup").read_text(encoding="utf-8")


def let_go(team: Team, seconds: float) -> None:
    """Refuse who comes, and wait until all are answered; admit them again where that takes too long."""
    end = time.monotonic() + seconds
    port.refuse(port_of(team))
    try:
        found = left_after([port_of(team)], end)
        if found:
            raise Problem(
                f"{team.name} is not drained, and all is as it was: {found} connections are still open after "
                f"{seconds:.0f} s; wait longer with --seconds, or cut them off with --seconds 0"
            )
    except BaseException:
        admit(team)
        raise


def left_after(ports: list[int], end: float) -> int:
    """Wait until all who have come at these ports are answered; return how many are not when it ends."""
    quiet_since = 0.0
    while not quiet_since or time.monotonic() - quiet_since < QUIET:
        found = sum(map(port.connections, ports))
        quiet_since = 0.0 if found else quiet_since or time.monotonic()
        if found and time.monotonic() > end:
            return found
        time.sleep(PAUSE)
    return 0


def hold(*names: str) -> None:
    """Stop replicas until they are started again, once those who have come are answered, or it has taken too long.

    Who waits in a socket when it is closed is cut off, and may not ask another host the same. So it refuses first.
    """
    held = [teams.load(name) for name in names]
    end, refusing = time.monotonic() + HOLD_SECONDS, []
    with admitted_if_not_ended(held):
        for team in held:
            # Where the host forbids it, they are cut off.
            with contextlib.suppress(OSError):
                port.refuse(port_of(team))
                refusing.append(port_of(team))
        left_after(refusing, end)
        stop(held)


@contextlib.contextmanager
def admitted_if_not_ended(held: list[Team]) -> Iterator[None]:
    """Have people let in again where what is done here does not come to its end, be it that this process is killed.

    Another one sees to that. It knows by a pipe, which the kernel closes for whoever dies.
    """
    end, ours = os.pipe()
    child = os.fork()
    if child == 0:
        # What is sent to a terminal or a job is not for it.
        try:
            os.setsid()
            os.close(ours)
            if not os.read(end, 1):
                admit_all(held)
        finally:
            os._exit(0)
    os.close(end)
    try:
        yield
    except BaseException:
        admit_all(held)
        raise
    finally:
        # Whoever ends all of a unit has ended that one, too.
        with contextlib.suppress(BrokenPipeError):
            os.write(ours, b".")
        os.close(ours)
        os.waitpid(child, 0)


def admit_all(held: list[Team]) -> None:
    """Let people in again, as far as that can be: what went wrong first is to be told."""
    for team in held:
        with contextlib.suppress(Exception):
            admit(team)


def stop(held: list[Team]) -> None:
    """Stop their servers, and who listens for them."""
    units = [(f"mlflow-listen@{it.name}.socket", f"mlflow-listen@{it.name}.service", it.server) for it in held]
    systemctl("stop", *(unit for each in units for unit in each))


def admit(team: Team) -> None:
    """Let people in again."""
    try:
        port.admit(port_of(team))
    except PermissionError:
        # A container may forbid it where it allowed the opposite: systemd listens anew.
        listen = f"mlflow-listen@{team.name}"
        systemctl("stop", f"{listen}.socket", f"{listen}.service")
        systemctl("start", f"{listen}.socket")


def port_of(team: Team) -> int:
    """Return its number."""
    return urlsplit(team.tracking_uri).port or 0


def undrain(name: str) -> None:
    """Put a replica back that is drained, once its server works."""
    team, known = teams.load(name), noted(name)
    if known is None:
        raise Problem(f"{name} is not drained on this host")
    # Its port is opened when it answers, and not before.
    opens = transaction.beside(team.server, ["systemctl", "start", f"mlflow-listen@{name}.service"])
    tried = commands.run(opens, commands.DO_SECONDS)
    if not tried.stdout.endswith(f"{transaction.TRIED}\n"):
        # It would be tried for ever.
        commands.run(["systemctl", "stop", team.server], commands.DO_SECONDS)
        raise Problem(f"{name} stays drained, since its server does not start; {causes.where(team.server)}")
    # Where a drain was cut off.
    admit(team)
    systemctl("enable", "--quiet", *known["units"])
    systemctl("start", *known["units"])
    forget(name)
    print(f"{name} is served by this host again")


def systemctl(*words: str) -> None:
    """Tell systemd to do something."""
    commands.printed(["systemctl", *words], seconds=commands.DO_SECONDS)
