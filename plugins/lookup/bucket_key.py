# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: bucket_key
short_description: The key to a team's bucket
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Returns the key that the role C(mlflow_bucket) has made for a team and keeps on the controller, as the variables
    that MLflow reads, for C(environment) of the team.
  - Before it is made, something stands in its place with which no server is started.
options:
  _terms:
    description: Names of teams.
    type: list
    elements: str
    required: true
  directory:
    description:
      - Where the keys are kept. The variable C(mlflow_bucket_keys) by default, else C(mlflow_bucket_keys) beside the
        inventory.
    type: path
"""

EXAMPLES = r"""
- name: A team with a bucket
  ansible.builtin.set_fact:
    mlflow_team_nlp:
      name: nlp
      port: 5002
      admin_password: "{{ vault_nlp_admin }}"
      artifacts: {destination: s3://mlflow-nlp}
      environment: "{{ lookup('mlops.mlflow.bucket_key', 'nlp') }}"
"""

RETURN = r"""
_list:
  description: Of each team C(AWS_ACCESS_KEY_ID) and C(AWS_SECRET_ACCESS_KEY).
  type: list
  elements: dict
"""

import os
import typing as t

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.mlops.mlflow.plugins.plugin_utils.bucket_keys import Key, file_of, key_of, unmade
from ansible_collections.mlops.mlflow.plugins.plugin_utils.templates import filled

DIRECTORY = "mlflow_bucket_keys"


class LookupModule(LookupBase):
    """Reads files that may be encrypted."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[Key]:
        directory = kwargs.get("directory") or self._directory(variables or {})
        return [self._read(file_of(directory, str(term))) for term in terms]

    def _directory(self, variables: dict[str, t.Any]) -> str:
        said = filled(self._templar, variables[DIRECTORY]) if DIRECTORY in variables else None
        if not said and not variables.get("inventory_dir"):
            raise AnsibleLookupError(
                "mlflow_bucket_keys: the inventory is in no directory; name one for the keys to buckets"
            )
        return str(said or os.path.join(str(variables["inventory_dir"]), DIRECTORY))

    def _read(self, path: str) -> Key:
        path = os.path.expanduser(path)
        if not os.path.exists(path):
            return unmade()
        try:
            # Another play of the same run may have made another.
            found = key_of(t.cast(t.Any, self._loader).load_from_file(path, cache="none", unsafe=True))
        except AnsibleError as error:
            # Its text has lines of the file in it.
            raise AnsibleLookupError(f"{path}: cannot be read or decrypted; give the password of its vault") from error
        if found is None:
            raise AnsibleLookupError(f"{path}: is not a file that the role mlflow_bucket wrote; put it elsewhere")
        return found
