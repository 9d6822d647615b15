"""A host with one team in a directory, and the programs that retire it and bring it back, cut off where wanted.

Run as a program, it is one of them: HOME CUT_AFTER PROGRAM ARGUMENT….
"""

import json
import os
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path

from mlflowctl import paths, patience
from mlflowctl.program import PACKAGE
from mlflowctl.retirement import find, reinstate, retire

SECRETS = {"secrets.env": "KEY=one\n", "admin_password": "the former one"}
# What of Python's own events changes something on disk, or runs what may.
CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "subprocess.Popen")


class Host:
    """Stands in for the whole machine; systemd's and the accounts' commands only note that they were called."""

    def __init__(self, home):
        self.home = home
        # Whose the data of who comes back are.
        self.account = "root"
        self.config, self.state = home / "etc" / "mlflow", home / "lib" / "mlflow"
        self.units, self.elsewhere, self.archives = home / "units", home / "disk", home / "backups"
        self.database = self.state / "vision" / "mlflow.db"
        # Where restores keep what was there before them.
        beside = [folder / ".vision.restore" for folder in (self.state, home)]
        self.former = [*beside, home / "lib" / "mlflow-restores" / "vision"]
        for folder in (self.config / "vision", self.state / "vision", self.units, self.elsewhere, home / "bin"):
            folder.mkdir(parents=True)
        for command in ("systemctl", "userdel"):
            (home / "bin" / command).write_text("#!/bin/sh\necho $0 $* >> $CALLED\n")
            (home / "bin" / command).chmod(0o755)

    def set_up(self, databases=None):
        """Give it a team that has worked."""
        (self.units / "sockets.target.wants").mkdir()
        (self.units / "sockets.target.wants" / "mlflow-listen@vision.socket").symlink_to("/dev/null")
        (self.units / "mlflow@vision.service.d").mkdir()
        (self.units / "mlflow@vision.service.d" / "network.conf").write_text("[Service]\n")
        (self.units / "mlflow@vision-two.service.d").mkdir()
        with sqlite3.connect(self.database) as connection:
            connection.execute("CREATE TABLE runs (name TEXT)")
            connection.execute("INSERT INTO runs VALUES ('first')")
        connection.close()
        (self.elsewhere / "1").mkdir()
        (self.elsewhere / "1" / "model.bin").write_text("weights")
        database = {"name": "mlflow", "uri": f"sqlite:///{self.database}", "file": str(self.database)}
        known = {
            "name": "vision",
            "account": "root",
            "state_dir": str(self.state / "vision"),
            "socket": "",
            "admin_username": "admin",
            "default_permission": "READ",
            "databases": [database] if databases is None else databases,
            "artifacts": str(self.elsewhere),
            "storage_dirs": [str(self.elsewhere)],
        }
        for name, text in {**SECRETS, "team.json": json.dumps(known)}.items():
            (self.config / "vision" / name).write_text(text)
        (self.config / "vision" / "venv").symlink_to("/opt/mlflow/3.17.2")
        for folder in self.former:
            (folder / "former").mkdir(parents=True)
            (folder / "former" / "mlflow.db").write_text("before a restore")

    def run(self, program, *arguments, cut_after=-1, seconds=None):
        """Run a program; return what it prints, or None where it was cut off."""
        command = [sys.executable, __file__, str(self.home), str(cut_after), program, *arguments, '["vision"]']
        environment = {
            "PATH": f"{self.home / 'bin'}:/usr/bin:/bin",
            "CALLED": str(self.home / "called"),
            "ACCOUNT": self.account,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(PACKAGE.parent),
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=seconds)
        if done.returncode == 9 and cut_after >= 0:
            return None
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    def retire(self, mode="keep", **options):
        return self.run("retire", mode, str(self.archives), **options)

    def look(self, mode="keep"):
        return self.run("find", mode)

    def reinstate(self, **options):
        return self.run("reinstate", **options)

    def archived(self):
        """Return the names of all that is in the archives, and where they are."""
        paths = sorted(self.archives.iterdir())
        names = set()
        for path in paths:
            with tarfile.open(path) as tar:
                names |= {member.name for member in tar.getmembers() if member.isfile()}
        return names, paths


def main(home, cut_after, program, *arguments):
    """Run the program on the host in that directory, and end at once after so many changes."""
    host, left = Path(home), int(cut_after)
    patience.DISK_SECONDS = find.DISK_SECONDS = 2
    places = find.Places(
        host / "etc" / "mlflow",
        (host / "units",),
        host / "lib" / "mlflow",
        host / "lib" / "mlflow-changes",
        host / "lib" / "mlflow-restores",
        host / "lib" / "timers",
        host / "etc" / "backup.json",
        host / "cache",
        host / "lib" / "mlflow-backup",
        host / "lib" / "drills",
        host / "tmp",
        host / "lib" / "figures",
        host / "lib" / "drills-seen",
    )
    find.Places = lambda: places
    retire.here = reinstate.here = find.Places
    # There is no such account here.
    reinstate.account_of = lambda name: os.environ["ACCOUNT"]
    paths.HERE.config, paths.HERE.changes, paths.HERE.locks = places.config, places.changes, host / "locks"

    def hook(event, given):
        nonlocal left
        if event in CHANGES or (event == "open" and given[2] & (os.O_WRONLY | os.O_RDWR)):
            left -= 1
            if left == -1:
                os._exit(9)

    if left >= 0:
        sys.addaudithook(hook)
    {"find": find, "reinstate": reinstate, "retire": retire}[program].main(*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
