"""Run a command in the project's environment: tools/run.py ansible-playbook …"""

from __future__ import annotations

import os
import sys

import project

if len(sys.argv) < 2:
    sys.exit(__doc__)
env = project.environment()
try:
    os.execvpe(sys.argv[1], sys.argv[1:], env)
except FileNotFoundError:
    sys.exit(f"ERROR: {sys.argv[1]} not found; `make toolchain` installs the tools")
