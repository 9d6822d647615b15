"""What people and operators are told."""

from __future__ import annotations

import errno
import json
import os
import pwd
import re
import subprocess
from typing import NamedTuple

from mlflow_mounts import patience
from mlflow_mounts.artifacts import login
from mlflow_mounts.artifacts.asking import Team, text_of
from mlflow_mounts.artifacts.names import UNSEEN

LateError = subprocess.TimeoutExpired
UNIT = "mlflow-mounts.service"
KIND = "fuse.mlflow"
WHO_AM_I = "/api/2.0/mlflow/users/current"
# Whoever may mount something chooses where: nothing of it moves a cursor, or turns what follows around.
UNSHOWN = re.compile(f"[{UNSEEN}\u200b-\u200d\u2060]")
# Of systemd, which answers at once or not at all.
SECONDS = 60
CAUSES = {
    "EACCES": "the log-in was refused: is the password in the file still the right one?",
    "EINVAL": "",
    "EKEYREJECTED": "its certificate is not trusted here",
}


class Mounted(NamedTuple):
    """One directory, and the process that answers for it."""

    user: str
    where: str
    process: int
    memory: int


def table() -> list[str]:
    """Return where something of this program is mounted; looking at the directories would wake their processes."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            before, _dash, after = line.partition(" - ")
            if after.split(" ", 1)[0] == KIND:
                found.append(before.split()[4])
    return found


def processes() -> dict[int, tuple[int, int]]:
    """Return the processes of the unit by their users' numbers, each with its KiB of memory."""
    asked = ["systemctl", "show", "--value", "--property=MainPID", UNIT]
    main = subprocess.run(
        asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False, timeout=SECONDS
    ).stdout.strip()
    found = {}
    for name in os.listdir("/proc") if main not in ("", "0") else []:
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/status", encoding="utf-8", errors="replace") as file:
                facts = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        except OSError:
            continue
        if facts.get("PPid") == main:
            memory = facts.get("RssAnon", "0").split()[0]
            found[int(facts["Uid"].split()[0])] = (int(name), int(memory))
    return found


def mounted() -> list[Mounted]:
    """Return all that is mounted."""
    answering, found = processes(), []
    for where in table():
        user = os.path.basename(where)
        try:
            number = pwd.getpwnam(user).pw_uid
        except KeyError:
            number = -1
        process, memory = answering.get(number, (0, 0))
        found.append(Mounted(user, where, process, memory))
    return found


def say(text: str) -> None:
    """Print a line, whatever is in it."""
    print(UNSHOWN.sub("?", text).encode("utf-8", "replace").decode())


def status() -> int:
    """Print a line for each user; 3 where there is none."""
    found = mounted()
    for each in found:
        doing = f"process {each.process}, {each.memory / 1024:.1f} MiB" if each.process else "nobody looks"
        say(f"{each.user:20} {each.where:40} {doing}")
    if not found:
        say("nothing is mounted")
        return 3
    return 0


def service_problems(path: str) -> list[str]:
    """Return what is wrong with the service."""
    problems = []
    if not os.path.exists("/dev/fuse"):
        problems.append("/dev/fuse is not there: modprobe fuse, or give the container the device")
    state = subprocess.run(["systemctl", "is-active", "--quiet", UNIT], check=False, timeout=SECONDS).returncode
    if state:
        problems.append(f"{UNIT} does not run: systemctl status {UNIT}")
        return problems
    try:
        with open(path, encoding="utf-8") as file:
            settings = json.load(file)
    except (OSError, ValueError) as error:
        return [*problems, f"{path}: {error}"]
    there = set(table())
    for user in settings["users"]:
        where = os.path.join(settings["directory"], user)
        if where not in there:
            problems.append(f"{user}: not mounted; journalctl -u {UNIT} says why")
    return problems


def team_problem(path: str) -> str:
    """Return why a team's server does not answer this user, in words; empty where it does."""
    patience.begin()
    try:
        found = Team(path).get(WHO_AM_I)
    except OSError as error:
        name = _name_of(error)
        return CAUSES.get(name) or str(error.strerror or error)
    return "" if isinstance(found, dict) and text_of(found.get("user") or {}, "username") else "no answer of MLflow's"


def _name_of(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "")


def doctor(path: str) -> int:
    """Print what is wrong, and with whom; 1 where something is."""
    problems = service_problems(path)
    for problem in problems:
        say(problem)
    if os.geteuid() == 0:
        if not problems:
            say(f"{UNIT} works; each user's own servers are told by mlflow-mounts doctor as that user")
        return int(bool(problems))
    home = pwd.getpwuid(os.geteuid()).pw_dir
    directory = os.path.join(home, ".config", "mlflow")
    teams = login.names(directory)
    for team in teams:
        problem = team_problem(os.path.join(directory, f"{team}.env"))
        say(f"{team:20} {problem or 'answers you'}")
        problems += [problem] if problem else []
    if not teams:
        say("you are in no team here: ~/.config/mlflow has none")
    return int(bool(problems))
