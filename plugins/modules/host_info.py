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
  - Looks once at all of a host that the role C(mlflow_server) decides by, so that a run that changes nothing asks little.
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
paths:
  description: V(directory), V(file) or nothing for each of O(paths), by the path.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils import _host_environments as environments
from ansible_collections.mlops.mlflow.plugins.module_utils import _host_system as system


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "install_dir": {"type": "path", "default": "/opt/mlflow"},
            "marker": {"type": "str", "default": "requirements.txt"},
            "works": {"type": "str", "default": 'works() { test -x "$1/bin/python"; }'},
            "paths": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    given = module.params
    exposed = environments.exposed(given["install_dir"])
    module.exit_json(
        changed=False,
        python=system.python(given["python"]),
        systemd=system.systemd(),
        first_process=system.first_process(),
        families=system.families(),
        exposed=exposed,
        environments={} if exposed else environments.complete(given["install_dir"], given["marker"], given["works"]),
        paths={path: system.kind_of(path) for path in given["paths"]},
    )


if __name__ == "__main__":
    main()
