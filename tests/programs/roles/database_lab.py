"""A PostgreSQL of its own, which asks teams for their passwords, and the role that makes their databases there."""

import contextlib
import json
import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

import servers

PROGRAMS = Path("/usr/lib/postgresql")
ACCOUNT = "nobody"
# Seconds for what takes a moment, on a busy machine.
PATIENCE = 300
PLAYBOOK = """
- hosts: db1
  gather_facts: false
  roles:
    - role: mlops.mlflow.mlflow_database
"""


class Database:
    """Its superuser is let in at the socket, everybody else by a password."""

    def __init__(self):
        self.programs = max(PROGRAMS.glob("*/bin/initdb")).parent
        # A path of a socket has to be short.
        self.place = Path("/tmp") / f"pg-role-{os.getpid()}"  # noqa: S108 - made here, and nobody's but the account's
        self.port = servers.free_port()

    def _run(self, *command):
        account = pwd.getpwnam(ACCOUNT)
        subprocess.run(
            list(map(str, command)),
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            cwd="/",
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def make(self):
        self.place.mkdir(mode=0o700)
        account = pwd.getpwnam(ACCOUNT)
        os.chown(self.place, account.pw_uid, account.pw_gid)
        trusted = ["--auth-local=trust", "--auth-host=scram-sha-256", "--username=it", "--no-sync"]
        self._run(self.programs / "initdb", *trusted, self.place / "files")

    def start(self, *options):
        words = [f"-k {self.place}", "-c listen_addresses=127.0.0.1", f"-p {self.port}", "-c fsync=off"]
        words += [f"-c {option}" for option in options]
        files = f"-D{self.place / 'files'}"
        start = [self.programs / "pg_ctl", "start", "--wait", f"--timeout={PATIENCE}", files]
        self._run(*start, f"-l{self.place / 'log'}", f"-o{' '.join(words)}")

    def stop(self):
        self._run(self.programs / "pg_ctl", "stop", "--mode=immediate", f"-D{self.place / 'files'}")

    def remove(self):
        shutil.rmtree(self.place, ignore_errors=True)

    def certify(self):
        """Give it a certificate that it has signed itself."""
        files = self.place / "files"
        request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        self._run(*request, "-keyout", files / "server.key", "-out", files / "server.crt")
        (files / "server.key").chmod(0o600)

    def sql(self, statement, database="postgres"):
        """What the superuser is answered."""
        words = ["psql", "-XAtq", "--set=ON_ERROR_STOP=1", f"--host={self.place}", f"--port={self.port}"]
        done = subprocess.run(
            [*words, "--username=it", f"--command={statement}", database],
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
        return done.stdout.strip()

    def log_in(self, role, password, database, statement="SELECT 1", sslmode="prefer"):
        """What somebody else is answered, or why not."""
        words = ["psql", "-XAtq", "--set=ON_ERROR_STOP=1", "--no-password", "--host=127.0.0.1"]
        done = subprocess.run(
            [*words, f"--port={self.port}", f"--username={role}", f"--command={statement}", database],
            env={"PATH": os.environ["PATH"], "PGPASSWORD": password, "PGSSLMODE": sslmode},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        return (done.stdout or done.stderr).strip()

    def uri(self, name, password, database=None, options=""):
        return f"postgresql+psycopg://{name}:{password}@127.0.0.1:{self.port}/{database or name}{options}"


class Run:
    """One run of the role, with what it printed."""

    def __init__(self, done):
        self.output = done.stdout + done.stderr
        self.code = done.returncode
        self.changed = sum(map(int, re.findall(r"changed=(\d+)", done.stdout)))

    def steps(self):
        """The lines that say what differs."""
        return re.findall(r'"((?:role|database) [^"]*: [^"]*)"', self.output)


def run_role(root, folder, database, teams, *words, **given):
    """Let the role make the databases of these teams; all of them are served by the host of the database."""
    folder.mkdir(exist_ok=True)
    (folder / "play.yml").write_text(PLAYBOOK)
    hosts = {"hosts": {"db1": {"mlflow_teams": teams, "ansible_python_interpreter": "/usr/bin/python3"}}}
    (folder / "hosts.json").write_text(json.dumps({"mlflow_servers": hosts, "mlflow_databases": hosts}))
    given = {"mlflow_database_login": {"host": str(database.place), "port": database.port, "user": "it"}, **given}
    (folder / "given.json").write_text(json.dumps(given))
    files = ["-i", str(folder / "hosts.json"), "-e", f"@{folder / 'given.json'}", str(folder / "play.yml")]
    done = subprocess.run(
        ["ansible-playbook", "-c", "local", *words, *files],
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_COLLECTIONS_PATH": str(root / "build" / "checkout")},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return Run(done)


@contextlib.contextmanager
def running():
    """Make one, and leave nothing of it."""
    database = Database()
    try:
        database.make()
        database.start()
        try:
            yield database
        finally:
            database.stop()
    finally:
        database.remove()
