"""Snapshots whose trees no restic has written: whoever has a repository's password can put anything into them.

How a pack of blobs is made stands in restic's design document.
"""

import base64
import hashlib
import json
import os
import struct
import subprocess

from programs.mlflowctl.backup_lab import PASSWORD
from programs.mlflowctl.quick_key import sealed

TREE, MOMENT = 1, "2026-01-01T00:00:00Z"
# As Go has them.
MODES = {"file": 0o666 | 1 << 23, "symlink": 0o777 | 1 << 27, "fifo": 0o666 | 1 << 25}


def node(name, kind, **more):
    """Return an entry of a directory, with a mode that lets everybody in; a file runs as its owner."""
    common = {"mtime": MOMENT, "atime": MOMENT, "ctime": MOMENT, "uid": 0, "gid": 0, "inode": 1, "links": 1}
    return {"name": name, "type": kind, "mode": MODES[kind], "content": [], **common, **more}


class Forger:
    """Writes into the repository of a lab."""

    def __init__(self, lab):
        self.lab, self.blobs = lab, []
        self.repository = lab.home / "repository"
        self.environment = {**os.environ, "RESTIC_PASSWORD": PASSWORD, "RESTIC_REPOSITORY": str(self.repository)}
        master = self.shown("masterkey")
        self.key = b"".join(map(base64.b64decode, (master["encrypt"], master["mac"]["k"], master["mac"]["r"])))

    def restic(self, *words):
        command = ["restic", "--quiet", *words]
        return subprocess.run(command, env=self.environment, capture_output=True, check=True).stdout

    def shown(self, *words):
        return json.loads(self.restic("cat", *words))

    def replaced(self, identity, parts, nodes):
        """Return the identity of a tree in which a directory has these nodes, too."""
        tree = self.shown("blob", identity)["nodes"]
        for it in tree:
            if parts and it["name"] == parts[0]:
                it["subtree"] = self.replaced(it["subtree"], parts[1:], nodes)
        text = json.dumps({"nodes": tree if parts else [*tree, *nodes]}).encode()
        self.blobs.append((text, hashlib.sha256(text).digest()))
        return self.blobs[-1][1].hex()

    def put(self, *nodes):
        """Write a snapshot that is the newest one with these among the artifacts; return its identity."""
        found = self.shown("snapshot", self.lab.repo().find()["id"])
        found["tree"] = self.replaced(found["tree"], str(self.lab.artifacts).strip("/").split("/"), nodes)
        pack, entries = b"", b""
        for text, digest in self.blobs:
            hidden = self.sealed(text)
            pack, entries = pack + hidden, entries + struct.pack("<BI", TREE, len(hidden)) + digest
        header = self.sealed(entries)
        self.write("data", pack + header + struct.pack("<I", len(header)))
        self.restic("rebuild-index")
        return self.write("snapshots", self.sealed(json.dumps(found).encode()))

    def sealed(self, text):
        return sealed(text, self.key, os.urandom(16))

    def write(self, kind, data):
        identity = hashlib.sha256(data).hexdigest()
        place = self.repository / kind / (identity[:2] if kind == "data" else "") / identity
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
        return identity
