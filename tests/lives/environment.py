"""Runs on the host: says in JSON what systemd makes of files of variables that it reads, by name."""

import json
import subprocess
import sys
from pathlib import Path

FILE = Path("/run/environment.test")
# What systemd itself gives to each.
OWN = ("INVOCATION_ID", "SYSTEMD_EXEC_PID")


def variables(*options):
    """What a unit of these options has in its environment."""
    command = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", *options, "/usr/bin/env", "-0"]
    said = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    return dict(each.split("=", 1) for each in said.split("\0") if each)


always, found = variables(), {}
for name, text in json.load(sys.stdin).items():
    FILE.write_bytes(text.encode())
    there = variables(f"--property=EnvironmentFile={FILE}")
    found[name] = {key: value for key, value in there.items() if always.get(key) != value and key not in OWN}
FILE.unlink()
print(json.dumps(found))
