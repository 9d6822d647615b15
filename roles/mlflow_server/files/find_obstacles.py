"""What on this host stands in the way of the teams that an argument holds as JSON, by team. Changes nothing.

The last argument names teams that are about to be gone: their ports are no obstacle.
"""

import configparser
import errno
import itertools
import json
import os
import pwd
import re
import socket
import stat
import subprocess
import sys


def sockets_held(names):
    """What systemd says of the teams' sockets that listen, by team; one call asks about them all."""
    shown = ["systemctl", "show", "--property=Id,ActiveState,Listen"]
    shown += [f"mlflow-listen@{name}.socket" for name in names]
    found = subprocess.run(shown, capture_output=True, text=True, check=True).stdout
    blocks = {
        re.search(r"^Id=mlflow-listen@(.*)\.socket$", block, re.MULTILINE)[1]: block for block in found.split("\n\n")
    }
    return {name: block for name, block in blocks.items() if "ActiveState=active" in block.splitlines()}


def port_obstacles(team, held, leaving):
    """Somebody else has the port; the team's own socket may hold it already."""
    address, port = team["listen_address"], team["port"]
    if any(f":{port} (" in held.get(name, "") for name in (team["name"], *leaving)):
        return
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        socket.create_server((address, port), family=family).close()
    except OSError as error:
        # The address may come later: systemd binds without it.
        if error.errno == errno.EADDRINUSE:
            yield f"port: {port} is in use at {address}; choose another, or stop what listens there (see ss -ltnp)"


def storage_obstacles(team):
    """A directory that the team is to have alone is somebody else's, with whatever is in it."""
    account = f"mlflow-{team['name']}"
    retired = kept_of(team["name"])
    for path in team["storage_dirs"]:
        # What was kept for it is given back to it.
        for way in [way for way in impassable(path, account) if way not in retired][:1]:
            yield f"'{path}': {account} may not pass '{way}'; let others pass it (chmod o+x), or name another place"
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            continue
        except NotADirectoryError:
            yield f"'{path}' is below a file"
            continue
        owner = name_of(found.st_uid)
        if not stat.S_ISDIR(found.st_mode):
            yield f"'{path}' is no directory; name one, or one that the role is to make"
        elif owner != account and not (owner == "root" and path in retired):
            yield f"'{path}' belongs to {owner}; name a directory that is not there yet, or chown it to {account}"


def impassable(path, account):
    """Yield the directories on the way there that an account may not pass; those to come will let it."""
    try:
        entry = pwd.getpwnam(account)
        uid, groups = entry.pw_uid, os.getgrouplist(account, entry.pw_gid)
    except KeyError:
        uid, groups = None, []
    parts = path.strip("/").split("/")[:-1]
    for way in itertools.accumulate(parts, os.path.join, initial="/"):
        try:
            found = os.stat(way)
        except OSError:
            return
        may = stat.S_IXUSR if found.st_uid == uid else stat.S_IXGRP if found.st_gid in groups else stat.S_IXOTH
        # An access list says more than the mode.
        if not found.st_mode & may and "system.posix_acl_access" not in os.listxattr(way):
            yield way


def kept_of(name):
    """What was kept for a team that was retired: see retire.py."""
    try:
        with open(f"/var/lib/mlflow/.retired/{name}.json", encoding="utf-8") as record:
            return json.load(record)["data"]
    except FileNotFoundError:
        return []


def name_of(uid):
    """The account's name, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def admin_obstacles(team, config_dir):
    """MLflow asks for this account at every start, so that another name would keep it from starting."""
    directory = os.path.join(config_dir, team["name"])
    if not os.path.exists(os.path.join(directory, "admin_password")):
        return
    settings = configparser.ConfigParser()
    settings.read(os.path.join(directory, "basic_auth.ini"), encoding="utf-8")
    former = settings.get("mlflow", "admin_username", fallback=team["admin_username"])
    if former != team["admin_username"]:
        yield (
            f"admin_username: the team was set up with '{former}', which MLflow wants at every start; "
            "put it back, and declare further admins among the users"
        )


def main(config_dir, teams, leaving):
    held = sockets_held([team["name"] for team in teams] + leaving) if teams else {}
    found = {}
    for team in teams:
        running = port_obstacles(team, held, leaving) if team["state"] == "present" else ()
        found[team["name"]] = "; ".join((*running, *storage_obstacles(team), *admin_obstacles(team, config_dir)))
    print(json.dumps({name: obstacles for name, obstacles in found.items() if obstacles}))


main(sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3]))
