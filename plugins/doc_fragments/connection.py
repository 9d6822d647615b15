# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How every module reaches its MLflow server."""

from __future__ import annotations

TRANSPORT = r"""
  ca_path:
    description: File of CA certificates, in PEM, to trust instead of the system's.
    type: path
  validate_certs:
    description: Whether to verify the server's TLS certificate.
    type: bool
    default: true
  timeout:
    description: Seconds to wait for an answer to each request.
    type: int
    default: 30
"""


class ModuleDocFragment:
    # Annotated, since ansible-test reads plain assignments as text of their own.
    DOCUMENTATION: str = (
        r"""
options:
  tracking_uri:
    description:
      - Address of the MLflow server, as the C(mlflow) client takes it.
      - Falls back to the environment variable E(MLFLOW_TRACKING_URI).
      - Redirects are not followed, since they would carry the credentials elsewhere.
    type: str
    required: true
  unix_socket:
    description:
      - Path of a Unix socket on the target to connect through.
      - The host name in O(tracking_uri) is then only what the server is told, and proxies of the environment
        are left aside.
    type: path
  username:
    description:
      - The account to log in as. Managing users and permissions needs an admin.
      - Falls back to the environment variable E(MLFLOW_TRACKING_USERNAME).
    type: str
    required: true
  password:
    description:
      - The password to log in with.
      - Falls back to the environment variable E(MLFLOW_TRACKING_PASSWORD).
    type: str
    required: true
"""
        + TRANSPORT
        + r"""
notes:
  - No Python library is needed on the target.
  - A failed module returns the server's own answer as C(failure), with C(status) and C(error_code),
    so that playbooks need not match on prose.
"""
    )

    # For modules that work on several servers, each with an address and an account of its own.
    SEVERAL: str = (
        "options:"
        + TRANSPORT
        + r"""
  parallel:
    description: How many servers are worked on at the same time.
    type: int
    default: 4
notes:
  - No Python library is needed on the target.
"""
    )
