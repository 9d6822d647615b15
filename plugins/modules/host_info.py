#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: What a host of MLflow servers is and has
version_added: 0.1.0
description:
  - Looks once at all of a host that the role C(mlflow_server) decides by, so that a run that changes nothing asks
    little.
author: The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.attributes.info
options:
  python:
    description: Interpreter that environments are made with.
    type: path
    default: /usr/bin/python3
  install_dir:
    description:
      - Where the environments stand, each in a directory of its version.
      - Nothing is run of what others than root could exchange, so that such environments are not found.
    type: path
    default: /opt/mlflow
  marker:
    description: Name of the file in each environment that says what it is made of.
    type: str
    default: requirements.txt
  works:
    description: A function C(works) of the shell that says whether the environment that it is given can run MLflow.
    type: str
    default: 'works() { test -x "$1/bin/python"; }'
  paths:
    description: What it is to be said of whether it is there.
    type: list
    elements: str
    default: []
  config_dir:
    description: Where the teams' settings stand, each in a directory of its name.
    type: path
    default: /etc/mlflow
  state_dir:
    description: Where it stands what was kept of teams that were retired.
    type: path
    default: /var/lib/mlflow
  teams:
    description: The teams that are to be on the host.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the team.
        type: str
        required: true
      state:
        description: Whether it is to run. Only then its port matters.
        type: str
        choices: [present, stopped]
        default: present
      listen_address:
        description: Address that it listens on.
        type: str
        required: true
      port:
        description: Port that it listens on.
        type: int
        required: true
      storage_dirs:
        description: Directories that are to be the team's alone.
        type: list
        elements: str
        default: []
      admin_username:
        description: Its admin.
        type: str
        required: true
      admin_password:
        description: The password that the admin is to have. It is compared on the host, and never told.
        type: str
      replicas:
        description: The hosts that serve it together, so that all have to have the same keys.
        type: list
        elements: str
        default: []
      places:
        description:
          - The files and the directory on the host that it is to keep its things in, by what they are for, V(auth),
            V(tracking) and V(artifacts); nothing where others say the place.
          - What it has on the host in another place, or is to keep elsewhere, would stay behind, and is in the way.
        type: dict
        default: {auth: null, tracking: null, artifacts: null}
  absent:
    description: Names of teams that are to be gone. In check mode their ports are in nobody's way.
    type: list
    elements: str
    default: []
  remove_data:
    description: Whether the data of these are to be gone, too.
    type: bool
    default: false
  find:
    description:
      - Text of a program for O(python) that says as JSON what there is of teams that are to be gone. It is told V(keep)
        or V(remove), and O(absent) as JSON.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: See which environments there are
  mlops.mlflow.host_info:
  register: host
"""

RETURN = r"""
python:
  description: The interpreter.
  returned: success
  type: dict
  contains:
    version:
      description: Its version, V(0) where it does not run.
      type: str
      sample: "3.11"
    ensurepip:
      description: Whether it can put pip into an environment.
      type: bool
systemd:
  description: The systemd of the host.
  returned: success
  type: dict
  contains:
    running:
      description: Whether it has started the host.
      type: bool
    version:
      description: Its version, V(0) where there is none.
      type: str
      sample: "252"
first_process:
  description: What has started the host.
  returned: success
  type: str
families:
  description: What the distribution calls itself, and those that it comes from.
  returned: success
  type: list
  elements: str
  sample: [ubuntu, debian]
exposed:
  description: What others than root could exchange on the way to O(install_dir), with owner, group and mode.
  returned: success
  type: list
  elements: str
environments:
  description: SHA-256 of the marker of each environment that can run MLflow, by its version.
  returned: success
  type: dict
workshops:
  description: Where an environment is being built below O(install_dir), or was by what was cut off.
  returned: success
  type: list
  elements: str
paths:
  description: V(directory), V(file) or nothing for each of O(paths), by the path.
  returned: success
  type: dict
obstacles:
  description: What is in the way of teams, by their names. None of a host that systemd has not started.
  returned: success
  type: dict
left:
  description: What is to be done about teams that are to be gone, by their names, as O(find) says it.
  returned: success
  type: dict
teams:
  description: What there is of each team by its name, of O(teams), and of all others that the host has or had.
  returned: success
  type: dict
  contains:
    account:
      description: Whether its account is there, and one that nobody logs in as.
      type: bool
    password:
      description: V(declared) or V(other), as the kept password of its admin is; V(none) where none is kept.
      type: str
    version:
      description: The version that it has; nothing where it has none yet.
      type: str
    drained:
      description: Whether somebody has drained it, for work on the host.
      type: bool
    retired:
      description: Whether it was retired, with what was kept of it.
      type: bool
    leader:
      description: The host that leads it, where it was written down as one of several hosts.
      type: str
    key_sums:
      description: Sums of the keys that databases are encrypted with, and of all keys, with O(teams[].replicas).
      type: list
      elements: str
"""

import subprocess
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils import _host_environments as environments
from ansible_collections.mlops.mlflow.plugins.module_utils import _host_obstacles as obstacles
from ansible_collections.mlops.mlflow.plugins.module_utils import _host_system as system
from ansible_collections.mlops.mlflow.plugins.module_utils import _host_teams as host_teams
from ansible_collections.mlops.mlflow.plugins.module_utils._unlogged import UnloggedModule

TEAM = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "stopped"], "default": "present"},
    "listen_address": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "storage_dirs": {"type": "list", "elements": "str", "default": []},
    "admin_username": {"type": "str", "required": True},
    "admin_password": {"type": "str", "no_log": True},
    "replicas": {"type": "list", "elements": "str", "default": []},
    "places": {"type": "dict", "default": dict.fromkeys(("auth", "tracking", "artifacts"))},
}


def look(given: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """All that is asked."""
    systemd = system.systemd()
    python = system.python(given["python"])
    teams, places = given["teams"], (given["config_dir"], given["state_dir"])
    leaving = given["absent"] if check_mode else []
    # A host without a Python is refused, and has no answer.
    gone = [] if python["version"] == "0" else given["absent"]
    exposed = environments.exposed(given["install_dir"])
    return {
        "python": python,
        "systemd": systemd,
        "first_process": system.first_process(),
        "families": system.families(),
        "exposed": exposed,
        "environments": {} if exposed else environments.complete(given["install_dir"], given["marker"], given["works"]),
        "workshops": environments.workshops(given["install_dir"]),
        "paths": {path: system.kind_of(path) for path in given["paths"]},
        "obstacles": obstacles.of_all(teams, leaving, *places) if systemd["running"] else {},
        "left": host_teams.left(given["python"], given["find"], gone, given["remove_data"]),
        "teams": host_teams.of_all(teams, *places),
    }


def main() -> None:
    module = UnloggedModule(
        argument_spec={
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "install_dir": {"type": "path", "default": "/opt/mlflow"},
            "marker": {"type": "str", "default": "requirements.txt"},
            "works": {"type": "str", "default": 'works() { test -x "$1/bin/python"; }'},
            "paths": {"type": "list", "elements": "str", "default": []},
            "config_dir": {"type": "path", "default": "/etc/mlflow"},
            "state_dir": {"type": "path", "default": "/var/lib/mlflow"},
            "teams": {"type": "list", "elements": "dict", "default": [], "options": TEAM},
            "absent": {"type": "list", "elements": "str", "default": []},
            "remove_data": {"type": "bool", "default": False},
            "find": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        found = look(module.params, module.check_mode)
    except subprocess.CalledProcessError as error:
        module.fail_json(msg=f"{error.cmd[0]}: {error.stderr.decode('utf-8', 'replace').strip()}")
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
