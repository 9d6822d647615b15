"""An S3 with users of its own, and the role that makes teams' buckets and keys there."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import servers
from programs.roles import database_lab

ADMIN = {"access_key": "canary-of-admin-id", "secret_key": "canary-of-admin-secret"}
# Seconds for what takes a moment, on a busy machine.
PATIENCE = 300
PLAYBOOK = """
- hosts: s3
  gather_facts: false
  roles:
    - role: mlops.mlflow.mlflow_bucket
- hosts: mlflow_servers
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact:
        mlflow_served: true
      when: served | default(false)
- hosts: s3
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: mlops.mlflow.mlflow_bucket
        tasks_from: finish.yml
"""


class Store:
    """SeaweedFS: all of its parts in one process, on this machine alone."""

    def __init__(self, place):
        self.place = place
        self.process = None
        self.address = ""
        self.ports = {}

    def start(self):
        parts = ("master", "volume", "filer", "s3")
        self.ports = {name: servers.free_port() for part in parts for name in (f"{part}.port", f"{part}.port.grpc")}
        self.address = f"http://127.0.0.1:{self.ports['s3.port']}"
        admin = {"accessKey": ADMIN["access_key"], "secretKey": ADMIN["secret_key"]}
        may = ["Admin", "Read", "Write", "List", "Tagging"]
        identities = [{"name": "admin", "credentials": [admin], "actions": may}]
        (self.place / "s3.json").write_text(json.dumps({"identities": identities}))
        words = [f"-{name}={port}" for name, port in self.ports.items()]
        words += [f"-dir={self.place}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        words += ["-filer", "-s3", "-s3.iam.readOnly=false"]
        words += [f"-s3.config={self.place / 's3.json'}", "-master.volumeSizeLimitMB=16", "-volume.max=20"]
        words += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
        with (self.place / "log").open("w") as log:
            self.process = subprocess.Popen(
                [shutil.which("weed"), "server", *words], stdout=log, stderr=log, cwd=self.place
            )

    def wait(self):
        end = time.monotonic() + PATIENCE
        while self.try_out(ADMIN["access_key"], ADMIN["secret_key"], "list_buckets") != "done":
            assert self.process.poll() is None, (self.place / "log").read_text()
            assert time.monotonic() < end, (self.place / "log").read_text()
            time.sleep(0.2)

    def stop(self):
        self.process.kill()
        self.process.wait()
        # Each part has some where it has been told of no other place.
        for port in self.ports.values():
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - its own choice
                socket.unlink()

    def client(self, kind, key, secret):
        import boto3  # noqa: PLC0415 - where it is not, no test comes here
        from botocore.config import Config  # noqa: PLC0415

        return boto3.client(
            kind,
            endpoint_url=self.address,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name="us-east-1",
            config=Config(retries={"max_attempts": 1}),
        )

    def admin(self, kind):
        return self.client(kind, ADMIN["access_key"], ADMIN["secret_key"])

    def comes_of(self, wanted, key, secret, what, **words):
        """What comes of one call, once what was changed before has got to all parts of the S3."""
        end = time.monotonic() + PATIENCE
        while (found := self.try_out(key, secret, what, **words)) != wanted and time.monotonic() < end:
            time.sleep(0.2)
        return found

    def try_out(self, key, secret, what, **words):
        """What comes of one call now: C(done), or the name of the error."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            getattr(self.client("s3", key, secret), what)(**words)
        except ClientError as error:
            return error.response["Error"]["Code"]
        except BotoCoreError as error:
            return type(error).__name__
        return "done"


class Run(database_lab.Run):
    """One run of the role, with what it printed."""

    def steps(self):
        """The lines that say what differs."""
        return list(dict.fromkeys(re.findall(r'"((?:bucket|user) [^"]*: [^"]*)"', self.output)))


def run_role(root, folder, store, teams, *words, **given):
    """Let the role make the buckets of these teams, which C(one) serves; with C(served), as site does in the end."""
    folder.mkdir(exist_ok=True)
    (folder / "play.yml").write_text(PLAYBOOK)
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = {
        "all": {"vars": {"mlflow_teams": teams}},
        "mlflow_servers": {"hosts": {"one": local}},
        "mlflow_buckets": {"hosts": {"s3": local}},
    }
    (folder / "hosts.json").write_text(json.dumps(inventory))
    given = {"mlflow_bucket_login": ADMIN, "mlflow_bucket_endpoint_url": store.address, **given}
    (folder / "given.json").write_text(json.dumps(given))
    files = ["-i", folder / "hosts.json", "-e", f"@{folder / 'given.json'}", folder / "play.yml"]
    own = {"ANSIBLE_COLLECTIONS_PATH": str(root / "build" / "checkout"), "ANSIBLE_PIPELINING": "1"}
    done = subprocess.run(
        ["ansible-playbook", *words, *files],
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", **own},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return Run(done)
