"""Removes the environments that no team and no process of this host uses, and prints their paths; "look" only prints.

With "workshops", only what builds have left that were cut off goes, and nobody waits for one that is under way.
Nothing else is touched: an environment names its own version in its marker, a workshop is named like one.
"""

import fcntl
import glob
import json
import os
import re
import shutil
import sys

WORKSHOP = re.compile(r"\.[0-9]+\.[0-9]+[^/]*\.(new|old)")


def read(directory, name):
    """Return a file's text, or nothing: a process may end at any moment."""
    try:
        with open(os.path.join(directory, name), "rb") as file:
            return os.fsdecode(file.read())
    except OSError:
        return ""


def ours(directory, marker):
    """Say whether the role made it: nobody else writes this first line into a directory of this name."""
    name = os.path.basename(directory)
    if os.path.islink(directory) or not os.path.isdir(directory):
        return False
    made = read(directory, marker).startswith(f"mlflow[auth]=={name}\n") and read(directory, "pyvenv.cfg")
    return bool(made or WORKSHOP.fullmatch(name))


def linked(config_dir, planned):
    """Where the links of the host's teams lead; those of the planned ones are about to change."""
    for link in glob.glob(os.path.join(glob.escape(config_dir), "*", "venv")):
        if os.path.basename(os.path.dirname(link)) not in planned:
            yield os.path.realpath(link)


def in_memory(planned):
    """What all processes have in memory or on their command lines; the planned teams' are about to restart."""
    theirs = tuple(f"/mlflow@{team}.service" for team in planned)
    for process in glob.glob("/proc/[0-9]*"):
        if process != f"/proc/{os.getpid()}" and not any(unit in read(process, "cgroup") for unit in theirs):
            yield read(process, "maps") + read(process, "cmdline")


def unused(install_dir, config_dir, marker, versions, planned):
    """The environments and workshops that nobody uses."""
    wanted = {os.path.join(install_dir, version) for version in versions} | set(linked(config_dir, planned))
    # One that was being replaced when its run was cut off comes back with the next build.
    wanted |= {
        os.path.join(install_dir, f".{os.path.basename(path)}.old") for path in wanted if not os.path.exists(path)
    }
    found = {os.path.join(install_dir, name) for name in os.listdir(install_dir)} - wanted
    found = [path for path in sorted(found) if ours(path, marker)]
    for text in in_memory(planned) if found else ():
        found = [path for path in found if f"{path}/" not in text]
    return found


def remove(path):
    """Remove one; being cut off does no harm, since nobody trusts a workshop."""
    directory, name = os.path.split(path)
    if not WORKSHOP.fullmatch(name):
        workshop = os.path.join(directory, f".{name}.new")
        shutil.rmtree(workshop, ignore_errors=True)
        os.rename(path, workshop)
        path = workshop
    shutil.rmtree(path)


def main(mode, what, install_dir, config_dir, marker, versions, teams):
    install_dir = os.path.realpath(install_dir)
    if not os.path.isdir(install_dir):
        return
    # Nobody builds meanwhile: see build_environment.sh.
    lock = os.open(install_dir, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (fcntl.LOCK_NB if what == "workshops" else 0))
    except BlockingIOError:
        return
    planned = json.loads(teams) if mode == "look" else []
    for path in unused(install_dir, config_dir, marker, json.loads(versions), planned):
        if what == "workshops" and not WORKSHOP.fullmatch(os.path.basename(path)):
            continue
        if mode == "remove" and os.path.exists(path):
            remove(path)
        print(path)


main(*sys.argv[1:])
