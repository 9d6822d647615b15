"""What restic has fetched, before any of it is given away or put in place.

A repository is often that of many hosts, and whoever is root of one of them can write any snapshot. So nothing of it
is taken for more than it has to be: files of root's, of known names, with settings that are known.
"""

from __future__ import annotations

import configparser
import os
import pwd
import re
import stat
from pathlib import Path

from mlflowctl.backup import contents
from mlflowctl.backup.restic import BackupError
from mlflowctl.files import write_private

# What the databases need to be of any use: three secrets, and the password that the admin had.
SECRETS = ("secrets.env", "admin_password")
VARIABLES = {
    "MLFLOW_FLASK_SERVER_SECRET_KEY",
    "MLFLOW_CRYPTO_KEK_PASSPHRASE",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY",
}
# What a server is told about its people; more could lead it to code or databases elsewhere.
SHARED = "basic_auth.ini"
OPTIONS = {
    "admin_username",
    "admin_password",
    "default_permission",
    "database_uri",
    "auth_cache_ttl_seconds",
}
LARGEST = 64 << 10
VARIABLE = re.compile(r"(?P<name>\w+)=\S*", re.ASCII)


def must_be_plain(base: Path, path: Path, owner: int | None = None) -> None:
    """Raise unless it is a file with one name, below nothing but directories, and of the owner that is given."""
    must_be_directory(base, path.parent)
    try:
        facts = os.lstat(path)
    except FileNotFoundError:
        raise BackupError(f"the snapshot has no {path.name}") from None
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
        raise BackupError(f"{path.name} of the snapshot is not a regular file")
    if owner is not None and facts.st_uid != owner:
        raise BackupError(f"{path.name} of the snapshot was not root's")


def must_be_directory(base: Path, path: Path) -> None:
    """Raise unless it is a directory below nothing but directories."""
    for part in (*reversed([base / parent for parent in path.relative_to(base).parents]), path):
        try:
            found = stat.S_ISDIR(os.lstat(part).st_mode)
        except FileNotFoundError:
            found = False
        if not found:
            raise BackupError(f"{part.name} of the snapshot is not a directory")


def must_be_settings(base: Path, path: Path, auth_uri: str | None) -> None:
    """Raise for settings with which a server, or systemd as root, would do more than what they are for."""
    must_be_plain(base, path, os.geteuid())
    if os.lstat(path).st_size > LARGEST:
        raise BackupError(f"{path.name} of the snapshot is too large for what it is")
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.name == "secrets.env":
        for line in text.split("\n"):
            found = VARIABLE.fullmatch(line)
            if line and not line.startswith("#") and (not found or found["name"] not in VARIABLES):
                raise BackupError(
                    f"{path.name} of the snapshot sets more than the {len(VARIABLES)} secrets of a server"
                )
    elif path.name == SHARED:
        must_be_known_options(text, auth_uri)


def keep_text(path: Path) -> None:
    """Have nothing of it but its text: who else might read or write it, its snapshot says, and lists of rights do."""
    text = path.read_bytes()
    path.unlink()
    write_private(path, text)


def must_be_known_options(text: str, auth_uri: str | None) -> None:
    """Raise unless it is what the role writes, for the database that is to be restored."""
    ini = configparser.ConfigParser(interpolation=None)
    try:
        ini.read_string(text)
        found = {section: dict(ini[section]) for section in ini}
    except configparser.Error:
        raise BackupError(f"{SHARED} of the snapshot cannot be read") from None
    options = found.pop("mlflow", {})
    if any(found.values()) or set(found) - {"DEFAULT"} or set(options) - OPTIONS:
        raise BackupError(f"{SHARED} of the snapshot has options that the role does not write")
    if auth_uri and options.get("database_uri", auth_uri).replace("%%", "%") != auth_uri:
        raise BackupError(f"auth_database_uri: is another one in {SHARED} of the snapshot; declare that, and restore")


def drop_what_is_others(directory: Path, listed: contents.Listed, clients: bool = False) -> list[str]:
    """Remove what restic has read as root where a directory had become a link; it still has the uid of its owner.

    What the team's account itself has read, and listed, is none of that, whoever owns it; among artifacts of clients,
    who are anybody, only what was listed. No artifact is a device, a pipe or a socket. Return what is gone of the list.
    """
    owner, gone = None if clients else os.lstat(directory).st_uid, []
    for folder, _folders, names in contents.levels(str(directory)):
        for path in (Path(folder, name) for name in names):
            name = os.path.relpath(path, directory)
            facts, known = os.lstat(path), listed.get(name)
            if not stat.S_ISREG(facts.st_mode):
                if not stat.S_ISLNK(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
                    path.unlink()
                continue
            if facts.st_uid == owner:
                continue
            with open(path, "rb") as file:
                found = contents.describe(file, str(path), {})
            if found["sha256"] != known.get("sha256"):
                path.unlink()
                gone += [name] if known else []
            elif clients:
                # Nobody gets more rights by it than to read it: this takes what lets a program run as another.
                os.chown(path, facts.st_uid, facts.st_gid, follow_symlinks=False)
    return gone


def give(path: Path, owner: pwd.struct_passwd) -> None:
    """Make it the team's, whoever had it on the host that it comes from."""
    os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
    for folder, subfolders, names in contents.levels(str(path)):
        for name in (*subfolders, *names):
            os.chown(os.path.join(folder, name), owner.pw_uid, owner.pw_gid, follow_symlinks=False)
